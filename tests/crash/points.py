"""Every await of desk and store as a named point where the process may die.

The product does not know these points: this module loads desk and store a second time, with each ``await``
and ``async with`` wrapped. ``run_to_point`` runs the wrapped modules.
"""

import ast
import importlib
import importlib.abc
import importlib.machinery
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType
from typing import Any

WRAPPED = ("bot.desk", "bot.store")
# Modules that refer to classes of the wrapped modules are loaded again with them.
_RELOADED = (*WRAPPED, "tests.fakes", "tests.crash.session", "tests.crash.kinds", "tests.crash.faults")
_NOT_THE_BOT = ("bot.store.survey", "bot.store.files.backup")  # the host's tools, for a stopped bot

_points: list[str] = []
_reached: Counter[str] = Counter()
_target, _nth = "", 0


def run_to_point(point: str, nth: int, plan: Any, ready: Connection) -> None:
    """Run ``plan`` and die the ``nth`` time that ``point`` is reached.

    Without a point the run continues to its end; ``points.json`` then says how often each point was reached.
    """
    global _target, _nth
    _target, _nth = point, nth
    sys.modules.update(wrapped())
    sys.modules["tests.crash.session"].run_sessions(plan, ready)
    reached = {name: _reached[name] for name in _points}
    (plan.folder / "points.json").write_text(json.dumps(reached), encoding="utf-8")


@cache
def wrapped() -> dict[str, ModuleType]:
    """Return the wrapped modules and the reloaded ones; the ordinary ones stay in ``sys.modules``."""
    ordinary = {name: module for name, module in sys.modules.items() if name.startswith(_RELOADED)}
    for name in ordinary:
        del sys.modules[name]
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    try:
        importlib.import_module("tests.crash.session")
        importlib.import_module("bot.desk.build")
    finally:
        sys.meta_path.remove(finder)
    reloaded = {name: module for name, module in sys.modules.items() if name.startswith(_RELOADED)}
    sys.modules.update(ordinary)
    return reloaded


def _reach(point: str) -> None:
    _reached[point] += 1
    if point == _target and _reached[point] == _nth:
        os.kill(os.getpid(), signal.SIGKILL)


def _before(name: str, awaitable: Any) -> Any:
    _reach(f"{name}, before")
    return awaitable


def _after(name: str, value: Any) -> Any:
    _reach(f"{name}, after")
    return value


class _Block:
    """An ``async with`` block: four points."""

    def __init__(self, name: str, manager: AbstractAsyncContextManager[Any]) -> None:
        self._name = name
        self._manager = manager

    async def __aenter__(self) -> Any:
        _reach(f"{self._name}, before entering")
        entered = await self._manager.__aenter__()
        _reach(f"{self._name}, after entering")
        return entered

    async def __aexit__(self, *error: Any) -> bool | None:
        _reach(f"{self._name}, before leaving")
        is_done = await self._manager.__aexit__(*error)
        _reach(f"{self._name}, after leaving")
        return is_done


class _Wrap(ast.NodeTransformer):
    """Wraps each await of a module in the calls of its points."""

    def __init__(self, module: str) -> None:
        self._module = module
        self._path: list[str] = []

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return self._inside(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._inside(node)

    def visit_Await(self, node: ast.Await) -> ast.AST:
        name = self._name(node, "before", "after")
        self.generic_visit(node)
        node.value = _call("_before", name, node.value)
        return _call("_after", name, node)

    def visit_AsyncWith(self, node: ast.AsyncWith) -> ast.AST:
        for item in node.items:
            moments = ("before entering", "after entering", "before leaving", "after leaving")
            name = self._name(item.context_expr, *moments)
            item.context_expr = _call("_Block", name, self.visit(item.context_expr))
        node.body = [self.visit(part) for part in node.body]
        return node

    def _inside(self, node: Any) -> ast.AST:
        self._path.append(node.name)
        self.generic_visit(node)
        self._path.pop()
        return node

    def _name(self, node: ast.expr, *moments: str) -> str:
        name = f"{self._module}:{node.lineno} {'.'.join(self._path)} {ast.unparse(node)[:60]}"
        _points.extend(f"{name}, {moment}" for moment in moments)
        return name


def _call(function: str, name: str, value: ast.expr) -> ast.expr:
    call = ast.Call(ast.Name(function, ast.Load()), [ast.Constant(name), value], [])
    return ast.fix_missing_locations(ast.copy_location(call, value))


class _Loader(importlib.machinery.SourceFileLoader):
    """Compiles a module with its points."""

    def source_to_code(self, data: Any, path: Any, *, _optimize: int = -1) -> Any:  # type: ignore[override]
        tree = _Wrap(self.name).visit(ast.parse(data, path))
        return compile(ast.fix_missing_locations(tree), path, "exec", dont_inherit=True)

    def get_code(self, fullname: str) -> Any:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)  # never uses the bytecode cache

    def exec_module(self, module: ModuleType) -> None:
        vars(module).update(_before=_before, _after=_after, _Block=_Block)
        super().exec_module(module)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the modules to wrap."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if not name.startswith(WRAPPED) or name in _NOT_THE_BOT:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is None or spec.origin is None:
            return None
        spec.loader = _Loader(name, str(Path(spec.origin)))
        return spec
