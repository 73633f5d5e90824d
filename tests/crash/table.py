"""The table of measured rows: on the screen, and in a Markdown file where a new line replaces the old one."""

import os
import platform
import sqlite3
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.crash.rows import Measured, Row, all_rows

HEAD = "| row | test | to reach | measured | | took | when |"
RULE = "| --- | --- | --- | --- | --- | --- | --- |"


@dataclass(frozen=True, slots=True)
class TableLine:
    """One measured row."""

    row: Row
    measured: Measured
    took_s: float

    @property
    def verdict(self) -> str:
        return "✓" if self.measured.holds else "✗"

    @property
    def took(self) -> str:
        return f"{self.took_s:.0f} s" if self.took_s < 90 else f"{self.took_s / 60:.1f} min"


def machine() -> str:
    """Describe the machine of the measurement."""
    return f"{os.cpu_count()} cores, CPython {platform.python_version()}, SQLite {sqlite3.sqlite_version}"


def show(lines: list[TableLine], form: str) -> None:
    """Print the table."""
    table = Table(title=f"Nothing lost, nothing charged twice: {form} form, {machine()}")
    for title in ("row", "test", "to reach", "measured", "", "took"):
        table.add_column(title, overflow="fold")
    for line in lines:
        row = line.row
        table.add_row(row.number, row.test, row.target, line.measured.figures, line.verdict, line.took)
    Console(width=None if Console().is_terminal else 160, markup=False).print(table)


def write(lines: list[TableLine], path: Path) -> None:
    """Write these lines into the table of a Markdown file; they replace the lines with the same row number.

    Raises:
        ValueError: The file has no such table.
    """
    before, head, after = path.read_text(encoding="utf-8").partition(f"{HEAD}\n{RULE}\n")
    if not head:
        raise ValueError(f"{path}: no table that begins with {HEAD}")
    rest = after.splitlines(keepends=True)
    old = list(takewhile(lambda line: line.startswith("|"), rest))
    by_number = {line.split("|")[1].strip(): line for line in old}
    by_number |= {line.row.number: f"{_markdown(line)}\n" for line in lines}
    order = {row.number: row.order for row in all_rows()}
    numbers = sorted(by_number, key=lambda number: order.get(number, (10**6, number)))
    table = "".join(by_number[number] for number in numbers)
    path.write_text(f"{before}{head}{table}{''.join(rest[len(old) :])}", encoding="utf-8")


def _markdown(line: TableLine) -> str:
    day = datetime.fromtimestamp(time.time(), tz=UTC).strftime("%Y-%m-%d")
    row = line.row
    return (
        f"| {row.number} | {row.test} | {row.target} | {line.measured.figures} | {line.verdict} "
        f"| {line.took} | {day} |"
    )
