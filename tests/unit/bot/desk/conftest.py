"""An open desk for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.desk_harness import DeskHarness, open_harness
from tests.fakes.frozen import FrozenLoop


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[DeskHarness]:
    async with open_harness(tmp_path) as harness:
        yield harness


@pytest.fixture
async def frozen(monkeypatch: pytest.MonkeyPatch) -> FrozenLoop:
    return FrozenLoop(monkeypatch)
