"""Standard output of a command: plain text, as wide as the terminal, or wide where there is no terminal."""

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table

from bot.checks.finding import Finding, Level
from bot.messages.checks import format_finding, part_title
from engine.formatting import printable

FILE_WIDTH = 160  # columns of a table that goes to a file or a pipe
LEVEL_NAMES = {Level.FINE: "fine", Level.NOTE: "note", Level.WRONG: "wrong"}


class Screen(Console):
    """Prints text from any source: nothing in it is markup or an emoji; control characters are escaped."""

    def __init__(self) -> None:
        width = None if Console().is_terminal else FILE_WIDTH
        super().__init__(width=width, highlight=False, markup=False, emoji=False)

    def print_line(self, line: str) -> None:
        """Print a text with its own line breaks, without further ones."""
        self.print(printable(line, is_one_line=False), soft_wrap=True)


def add_row(table: Table, cells: Iterable[str]) -> None:
    """Add a row to a table; each cell stays on one line unless it is too wide."""
    table.add_row(*(printable(cell, is_one_line=True) for cell in cells))


def table_of_findings(findings: Iterable[Finding], locale: str) -> Table:
    """Return a table of what was found, in this order."""
    table = Table(show_header=False, box=None, pad_edge=False)
    for finding in findings:
        sentence = format_finding(finding.code, finding.facts, locale)
        add_row(table, (finding.level, part_title(finding.part, locale), sentence))
    return table


def finding_as_json(finding: Finding, locale: str) -> dict[str, object]:
    """Return a finding for a program: its level, part, code and sentence."""
    return {
        "level": LEVEL_NAMES[finding.level],
        "part": finding.part,
        "code": finding.code,
        "sentence": format_finding(finding.code, finding.facts, locale),
    }
