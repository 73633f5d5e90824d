"""Every figure of the promise in its short form; ``make crash`` measures the long one."""

from pathlib import Path

import pytest

from tests.crash.rows import Row, Scale, all_rows


@pytest.mark.slow
@pytest.mark.timeout(600)  # row 5 may need a closer look
@pytest.mark.parametrize("row", all_rows(), ids=lambda row: row.number)
def test_a_figure_is_reached(row: Row, tmp_path: Path) -> None:
    measured = row.run(Scale(is_long=False, folder=tmp_path))
    assert measured.holds, measured.said
