"""Standard output of a command: plain text, as wide as the terminal, or wide where there is no terminal."""

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table

from engine.formatting import printable

FILE_WIDTH = 160  # columns of a table that goes to a file or a pipe


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
