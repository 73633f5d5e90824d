"""An open desk for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.desk_harness import DeskHarness, open_harness


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[DeskHarness]:
    async with open_harness(tmp_path) as harness:
        yield harness
