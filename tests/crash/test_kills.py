"""The rows of killed processes, in their short form."""

from pathlib import Path

import pytest

from tests.crash.rows import Row, kills
from tests.crash.short_form import check, parameters


@pytest.mark.slow
@pytest.mark.parametrize("row", parameters(kills))
def test_a_row_reaches_its_figure(row: Row, tmp_path: Path) -> None:
    check(row, tmp_path)
