"""The table of rows in a file: new lines replace old ones, everything else stays."""

from pathlib import Path

import pytest

from tests.crash.rows import Measured, all_rows
from tests.crash.table import HEAD, RULE, TableLine, write


def test_a_measured_row_replaces_its_old_line_and_keeps_the_rest(tmp_path: Path) -> None:
    file = tmp_path / "README.md"
    file.write_text(f"# Title\n\n{HEAD}\n{RULE}\n\nafter\n")
    rows = {row.number: row for row in all_rows()}
    write([TableLine(rows["13"], Measured("old", holds=False), 1.0)], file)
    write([TableLine(rows["2"], Measured("two", holds=True), 100.0)], file)
    write([TableLine(rows["13"], Measured("new", holds=True), 1.0)], file)
    before, title, rule, two, thirteen, *after = file.read_text().splitlines()[1:]
    assert (before, title, rule, after) == ("", HEAD, RULE, ["", "after"])
    assert [line.split(" | ")[0] for line in (two, thirteen)] == ["| 2", "| 13"]
    assert " two | ✓ | 1.7 min | " in two
    assert " new | ✓ | 1 s | " in thirteen


def test_a_file_without_the_table_is_refused_and_kept(tmp_path: Path) -> None:
    file = tmp_path / "README.md"
    file.write_text("another table\n")
    with pytest.raises(ValueError, match="no table"):
        write([], file)
    assert file.read_text() == "another table\n"


def test_every_row_has_its_own_number() -> None:
    numbers = [row.number for row in all_rows()]
    assert len(numbers) == len(set(numbers))
