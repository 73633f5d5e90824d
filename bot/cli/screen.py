"""Standard output of a command: plain text, as wide as the terminal, and wide where it goes to a file."""

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table

from engine.printable import printable

WIDE = 160  # columns, where no terminal says how many


class Screen(Console):
    """Prints text from anywhere: nothing in it is markup, and control characters are written out."""

    def __init__(self) -> None:
        super().__init__(width=None if Console().is_terminal else WIDE, highlight=False, markup=False)

    def say(self, line: str) -> None:
        """Print a text, its own line breaks kept and no other made."""
        self.print(printable(line, is_one_line=False), soft_wrap=True)


def add_row(table: Table, cells: Iterable[str]) -> None:
    """Add a row whose cells stay on one line each unless they are too wide."""
    table.add_row(*(printable(cell, is_one_line=True) for cell in cells))
