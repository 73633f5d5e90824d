"""The figures of the promise: each row measures one of them and says whether it reaches what was set.

One module a group of rows, each with ``ROWS``. ``make crash`` (``python -m tests.crash``) measures them in
the long form and prints the table; ``tests/crash/test_*.py`` run every row in its short form.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules


@dataclass(frozen=True, slots=True)
class Scale:
    """How far to go, and an empty folder for the files of it.

    Attributes:
        share: Of the long form; for a machine with less time.
    """

    is_long: bool
    folder: Path
    share: float = 1.0

    def of(self, short: int, long: int) -> int:
        """This many times."""
        return max(short, round(long * self.share)) if self.is_long else short


@dataclass(frozen=True, slots=True)
class Measured:
    """What a row found.

    Attributes:
        said: The figures, as they shall stand in the table.
        holds: Whether they reach what was set for this scale.
    """

    said: str
    holds: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Attributes:
        number: As in the list of figures; a letter may follow where one figure is measured twice.
        what: The test.
        reach: The figure to reach, in the long form.
        run: Measures; starts its own event loop where it needs one.
    """

    number: str
    what: str
    reach: str
    run: Callable[[Scale], Measured]

    @property
    def order(self) -> tuple[int, str]:
        """Rows stand in the order of their numbers."""
        match = re.fullmatch(r"(\d+)(\w*)", self.number)
        assert match is not None, f"no row number: {self.number}"
        return int(match[1]), match[2]


def all_rows() -> tuple[Row, ...]:
    """The rows of every module of this folder, in order."""
    modules = [import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__)]
    return tuple(sorted((row for module in modules for row in module.ROWS), key=lambda row: row.order))
