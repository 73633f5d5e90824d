"""Upkeep: a backup a day, and no full disk that ends the bot."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot import upkeep
from bot.store import backup
from tests.fakes.room import open_room, until


@asynccontextmanager
async def backing_up(folder: Path) -> AsyncIterator[Callable[[], list[Path]]]:
    """Daily backups of a database in use while the block runs; says which there are."""
    daily = upkeep.back_up_daily(folder / "sugarbot.db", folder / "backups", "en")
    task = asyncio.create_task(daily, name="back up")
    yield lambda: sorted((folder / "backups").glob("*.db"))
    assert not task.done()
    task.cancel()
    await asyncio.wait([task])


async def test_a_first_backup_is_made_at_once_and_no_second_the_same_day(tmp_path: Path) -> None:
    async with open_room(tmp_path):
        async with backing_up(tmp_path) as backups:
            await until(lambda: len(backups()) == 1)
        first = backups()
        async with backing_up(tmp_path) as backups:
            await asyncio.sleep(0.2)
        assert backups() == first


async def test_a_backup_of_yesterday_is_followed_by_todays(tmp_path: Path) -> None:
    async with open_room(tmp_path):
        backup.back_up(tmp_path / "sugarbot.db", tmp_path / "backups", time.time() - 90_000)
        async with backing_up(tmp_path) as backups:
            await until(lambda: len(backups()) == 2)


async def test_a_folder_that_cannot_be_written_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "BACK_UP_AGAIN_S", 0.05)
    (tmp_path / "backups").write_text("a file where the folder should be")
    async with open_room(tmp_path), backing_up(tmp_path) as backups:
        await asyncio.sleep(0.2)
        os.unlink(tmp_path / "backups")
        await until(lambda: len(backups()) == 1)
