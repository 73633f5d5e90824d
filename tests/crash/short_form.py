"""Run rows in their short form as parameters of a test.

Each group of slow rows has its own test file, so that the groups run in parallel.
"""

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.crash.rows import Row, Scale

ROW_S = 600  # a row that hangs; beside other tests one may take five times as long as alone
RETRIES_S = 1_500
SLOW = ("2", "5")  # 2 repeats rare points; 5 may need four times as many kills


def parameters(*modules: ModuleType) -> list[Any]:
    """Return the rows of these modules as parameters, each with its number as id and with its time limit."""
    return [
        pytest.param(
            row, id=row.number, marks=pytest.mark.timeout(RETRIES_S if row.number in SLOW else ROW_S)
        )
        for row in sorted((row for module in modules for row in module.ROWS), key=lambda row: row.order)
    ]


def check(row: Row, folder: Path) -> None:
    """Measure a row in its short form; it must reach its target."""
    measured = row.run(Scale(is_long=False, folder=folder))
    assert measured.holds, measured.figures
