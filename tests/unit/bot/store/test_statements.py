"""The loader of named statements, and that the code uses every statement."""

import re
from pathlib import Path

import pytest

from bot.store import statements, survey
from bot.store.statements import load_statements

PACKAGE = Path(statements.__file__).parent


def test_every_statement_file_loads_and_each_statement_has_a_purpose() -> None:
    files = sorted(path.name for path in PACKAGE.glob("sql/*.sql"))
    names = (
        *("alerts", "asking", "consent", "continuing", "finding", "hosting", "jobs", "loras"),
        *("oversight", "owner_reports", "people", "pictures", "statistics", "survey"),
    )
    assert files == [f"{name}.sql" for name in names]
    for name in files:
        assert all(sql.startswith("-- ") and sql.endswith(";") for sql in load_statements(name).values())


@pytest.mark.parametrize(
    ("module", "files"),
    [("jobs", ("jobs", "pictures")), ("people", ("people",)), ("continuing", ("continuing",))],
)
def test_every_statement_is_used_and_no_other(module: str, files: tuple[str, ...]) -> None:
    code = (PACKAGE / f"{module}.py").read_text(encoding="utf-8")
    asked = re.findall(r"\b_?query\(\s*['\"](\w+)['\"]", code)
    assert sorted(set(asked)) == sorted(name for file in files for name in load_statements(f"{file}.sql"))


def test_every_statement_of_the_survey_is_used_and_no_other() -> None:
    assert sorted(survey._STATEMENTS) == sorted(load_statements("survey.sql"))


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1;",
        "-- name: one\nSELECT 1;",
        "-- name: one\n-- what for\nSELECT 1;\n\n-- name: one\n-- again\nSELECT 2;",
        "-- name: one\n-- what for\nSELECT 1;\n\n-- name: no purpose\nSELECT 2;",
    ],
)
def test_a_file_with_a_wrong_header_is_refused(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / f"{hash(text)}.sql").write_text(text)
    monkeypatch.setattr(statements, "_FOLDER", tmp_path)
    with pytest.raises(ValueError, match="every statement"):
        load_statements(f"{hash(text)}.sql")
