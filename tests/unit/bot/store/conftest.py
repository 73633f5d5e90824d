"""An open store on an empty folder."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.store import Store, open_store
from tests.fakes.new_database import MIGRATIONS, write_new_database


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    await write_new_database(tmp_path / "a.db")
    store = await open_store(tmp_path / "a.db", MIGRATIONS)
    yield store
    await store.close()
