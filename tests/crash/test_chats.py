"""The rows of the chats and of the whole bot, in their short form."""

from pathlib import Path

import pytest

from tests.crash.rows import Row, chats
from tests.crash.short_form import check, parameters


@pytest.mark.slow
@pytest.mark.parametrize("row", parameters(chats))
def test_a_row_reaches_its_figure(row: Row, tmp_path: Path) -> None:
    check(row, tmp_path)
