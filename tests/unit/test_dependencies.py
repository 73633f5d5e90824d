"""The packages that pyproject.toml declares are those that the product imports."""

import ast
import re
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OURS = {"bot", "engine", "migrations"}
BROUGHT_ALONG = {"pydantic-core", "triton"}  # released with pydantic and torch, at the version that fits


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(*extras: str) -> set[str]:
    lines = list(PROJECT["dependencies"])
    for extra in extras:
        lines += PROJECT["optional-dependencies"][extra]
    return {normalized(re.split(r"[^\w.-]", line)[0]) for line in lines}


@cache
def imported(*folders: str) -> set[str]:
    """Distributions whose modules these folders import anywhere, also inside functions."""
    modules = set()
    for folder in folders:
        for file in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    modules |= {alias.name.split(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                    modules.add(node.module.split(".")[0])
    known = packages_distributions()
    names = set()
    for module in modules - OURS - set(sys.stdlib_module_names):
        assert module in known, f"{module} is imported and not installed"
        names |= {normalized(name) for name in known[module]}
    return names


def test_every_imported_package_is_declared() -> None:
    assert imported("bot", "engine") - BROUGHT_ALONG <= declared("web")


def test_every_declared_package_is_imported() -> None:
    assert declared("web") <= imported("bot", "engine")


@pytest.mark.parametrize("name", sorted(BROUGHT_ALONG))
def test_the_exceptions_are_still_needed(name: str) -> None:
    assert name in imported("bot", "engine")
