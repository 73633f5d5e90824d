"""All other rows in their short form; ``make crash`` measures the long form."""

from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest

from tests.crash import rows
from tests.crash.rows import Row
from tests.crash.short_form import check, parameters

IN_OTHER_FILES = {"kills", "chats"}  # test_kills.py and test_chats.py
OTHERS = [
    import_module(f"{rows.__name__}.{module.name}")
    for module in iter_modules(rows.__path__)
    if module.name not in IN_OTHER_FILES
]


@pytest.mark.slow
@pytest.mark.parametrize("row", parameters(*OTHERS))
def test_a_row_reaches_its_figure(row: Row, tmp_path: Path) -> None:
    check(row, tmp_path)
