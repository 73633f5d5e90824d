"""An open desk for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.room import Room, open_room


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    async with open_room(tmp_path) as room:
        yield room
