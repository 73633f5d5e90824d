"""Every figure of the promise in its short form; ``make crash`` measures the long one."""

from pathlib import Path

import pytest

from tests.crash.rows import Row, Scale, all_rows

ROW_S = 180
CLOSER_LOOK_S = 600  # row 2 tries rare points again, row 5 may go on to four times as many kills


@pytest.mark.slow
@pytest.mark.parametrize(
    "row",
    [
        pytest.param(
            row,
            id=row.number,
            marks=pytest.mark.timeout(CLOSER_LOOK_S if row.number in ("2", "5") else ROW_S),
        )
        for row in all_rows()
    ],
)
def test_a_figure_is_reached(row: Row, tmp_path: Path) -> None:
    measured = row.run(Scale(is_long=False, folder=tmp_path))
    assert measured.holds, measured.said
