"""The table of figures: on the screen, and in a Markdown file where a new measurement replaces the old."""

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
class Line:
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
    """What the figures were measured on."""
    return f"{os.cpu_count()} cores, CPython {platform.python_version()}, SQLite {sqlite3.sqlite_version}"


def show(lines: list[Line], form: str) -> None:
    """Print the table."""
    table = Table(title=f"Nothing lost, nothing charged twice: the {form} form on {machine()}")
    for title in ("row", "test", "to reach", "measured", "", "took"):
        table.add_column(title, overflow="fold")
    for line in lines:
        row = line.row
        table.add_row(row.number, row.what, row.reach, line.measured.said, line.verdict, line.took)
    Console(width=None if Console().is_terminal else 160, markup=False).print(table)


def write(lines: list[Line], path: Path) -> None:
    """Put these lines into the table of this Markdown file, in place of earlier ones of the same rows.

    Raises:
        ValueError: The file has no such table.
    """
    before, head, after = path.read_text(encoding="utf-8").partition(f"{HEAD}\n{RULE}\n")
    if not head:
        raise ValueError(f"{path}: no table that begins with {HEAD}")
    rest = after.splitlines(keepends=True)
    old = list(takewhile(lambda line: line.startswith("|"), rest))
    standing = {line.split("|")[1].strip(): line for line in old}
    standing |= {line.row.number: f"{_markdown(line)}\n" for line in lines}
    order = {row.number: row.order for row in all_rows()}
    numbers = sorted(standing, key=lambda number: order.get(number, (10**6, number)))
    table = "".join(standing[number] for number in numbers)
    path.write_text(f"{before}{head}{table}{''.join(rest[len(old) :])}", encoding="utf-8")


def _markdown(line: Line) -> str:
    day = datetime.fromtimestamp(time.time(), tz=UTC).strftime("%Y-%m-%d")
    row = line.row
    return (
        f"| {row.number} | {row.what} | {row.reach} | {line.measured.said} | {line.verdict} "
        f"| {line.took} | {day} |"
    )
