"""The rows of the table in ``tests/README.md``: each measures one guarantee and compares it with its target.

Each module holds a group of rows in ``ROWS``. ``make crash`` (``python -m tests.crash``) measures their long
form and prints the table; ``tests/crash/test_*.py`` run the short form of every row.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules


@dataclass(frozen=True, slots=True)
class Scale:
    """How much a row does, and an empty folder for its files.

    Attributes:
        share: The part of the long form to measure, for a machine with less time.
    """

    is_long: bool
    folder: Path
    share: float = 1.0

    def of(self, short: int, long: int) -> int:
        """Return how often to repeat a step."""
        return max(short, round(long * self.share)) if self.is_long else short


@dataclass(frozen=True, slots=True)
class Measured:
    """The result of a row.

    Attributes:
        figures: The text for the table.
        holds: Whether the figures reach the target of this scale; how fast something is decides in the long
            form only, because other tests run beside the short form.
    """

    figures: str
    holds: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Attributes:
        number: Its number in the table; a letter follows if several rows measure one guarantee.
        test: What the row does.
        target: The figures that the long form must reach.
        run: Measures the row; it starts its own event loop if it needs one.
    """

    number: str
    test: str
    target: str
    run: Callable[[Scale], Measured]

    @property
    def order(self) -> tuple[int, str]:
        """The key that sorts rows by number."""
        match = re.fullmatch(r"(\d+)(\w*)", self.number)
        assert match is not None, f"no row number: {self.number}"
        return int(match[1]), match[2]


def all_rows() -> tuple[Row, ...]:
    """Return the rows of all modules in this folder, sorted."""
    modules = [import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__)]
    return tuple(sorted((row for module in modules for row in module.ROWS), key=lambda row: row.order))
