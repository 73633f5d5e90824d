"""The structure that ARCHITECTURE.md promises: one meaning per class name, small packages, small files."""

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.order import LONGEST_FIRST

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("bot", "engine")
MAX_MODULES = 12
MAX_ROOT_MODULES = 5
MAX_LINES = 400
SHADOWED = {"discord_", "telegram_"}  # without the underscore they would read as the libraries


def modules() -> Iterator[Path]:
    for package in PACKAGES:
        yield from sorted((ROOT / package).rglob("*.py"))


def public_classes(file: Path) -> Iterator[ast.ClassDef]:
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield node


def public_aliases(file: Path) -> Iterator[str]:
    """Names of type aliases such as ``Size = Ratio | PixelSize``; constants are in capitals."""
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Subscript | ast.BinOp):
            continue
        for target in node.targets:
            if isinstance(target, ast.Name) and target.id[0].isupper() and not target.id.isupper():
                yield target.id


def is_protocol(node: ast.ClassDef) -> bool:
    return any("Protocol" in ast.unparse(base) for base in node.bases)


def methods(node: ast.ClassDef) -> set[str]:
    functions = (one for one in node.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef))
    return {one.name for one in functions if not one.name.startswith("_")}


def share_an_interface(nodes: list[ast.ClassDef]) -> bool:
    """Whether one of the classes is a Protocol and the others have all of its methods."""
    protocols = [node for node in nodes if is_protocol(node)]
    if len(protocols) != 1:
        return False
    return all(methods(protocols[0]) <= methods(node) for node in nodes)


def too_long(files: Iterable[Path]) -> dict[str, int]:
    """Files over the limit, with their lines."""
    lines = {file: len(file.read_text(encoding="utf-8").splitlines()) for file in files}
    return {str(file.relative_to(ROOT)): count for file, count in lines.items() if count > MAX_LINES}


def test_no_two_public_classes_share_a_name_without_sharing_an_interface() -> None:
    found: defaultdict[str, list[tuple[str, ast.ClassDef | None]]] = defaultdict(list)
    for file in modules():
        where = str(file.relative_to(ROOT))
        for node in public_classes(file):
            found[node.name].append((where, node))
        for name in public_aliases(file):
            found[name].append((where, None))
    shared = {
        name: [where for where, _ in places]
        for name, places in found.items()
        if len(places) > 1
        and not (all(node for _, node in places) and share_an_interface([node for _, node in places if node]))
    }
    assert not shared


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("class A(Protocol):\n def f(self): ...", "class A:\n def f(self): ...\n def g(self): ...", True),
        ("class A(Protocol):\n def f(self): ...", "class A:\n def g(self): ...", False),
        ("class A:\n def f(self): ...", "class A:\n def f(self): ...", False),
    ],
)
def test_only_a_protocol_and_its_implementation_share_an_interface(
    first: str, second: str, expected: bool
) -> None:
    nodes = [ast.parse(text).body[0] for text in (first, second)]
    assert share_an_interface([node for node in nodes if isinstance(node, ast.ClassDef)]) is expected


def test_packages_and_files_are_small() -> None:
    by_folder: defaultdict[Path, list[str]] = defaultdict(list)
    for file in modules():
        by_folder[file.parent.relative_to(ROOT)].append(file.name)
    assert too_long(modules()) == {}
    assert {str(folder): len(names) for folder, names in by_folder.items() if len(names) > MAX_MODULES} == {}
    assert len(by_folder[Path("bot")]) <= MAX_ROOT_MODULES


def test_files_of_tests_are_small() -> None:
    assert too_long((ROOT / "tests").rglob("*.py")) == {}


def test_the_files_that_start_first_exist() -> None:
    assert [file for file in LONGEST_FIRST if not (ROOT / file).is_file()] == []


def test_only_names_that_a_library_has_end_in_an_underscore() -> None:
    names = {part for file in modules() for part in file.relative_to(ROOT).with_suffix("").parts}
    assert {name for name in names if name.endswith("_") and not name.endswith("__")} == SHADOWED


def test_every_import_contract_is_without_exceptions() -> None:
    assert "ignore_imports" not in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
