"""An open desk whose LoRA folder exists."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.desk_harness import DeskHarness, open_harness


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[DeskHarness]:
    (tmp_path / "loras").mkdir()
    async with open_harness(tmp_path) as opened:
        yield opened
