"""A backup is sound and complete whenever it is made."""

import asyncio
import hashlib
import sqlite3
from pathlib import Path

import pytest

from bot.commands.values import Draw
from bot.errors import DatabaseMissing
from bot.store.files.backup import back_up
from tests.fakes.desk_harness import a_context, open_harness

NOW_S = 1_790_000_000.0
DAY_S = 86_400


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


async def jobs_in(folder: Path) -> int:
    async with open_harness(folder) as harness:
        survey = await harness.store.survey()
    assert survey.is_sound
    return sum(survey.jobs.values())


async def test_backups_made_while_the_bot_writes_are_sound_each_one(tmp_path: Path) -> None:
    backups: list[Path] = []
    async with open_harness(tmp_path) as harness, harness.running():
        for number in range(12):
            await harness.desk.handle(Draw(prompt="a face"), a_context(str(number), f"person{number}"))
            backups.append(
                await asyncio.to_thread(
                    back_up, tmp_path / "sugarbot.db", tmp_path / "backups", NOW_S + number
                )
            )
    for number, backup in enumerate(backups):
        with sqlite3.connect(backup) as connection:
            [(verdict,)] = connection.execute("PRAGMA integrity_check")
            [(jobs,)] = connection.execute("SELECT count(*) FROM job")
        connection.close()
        assert (verdict, jobs) == ("ok", number + 1)


def test_a_database_that_is_not_there_is_no_empty_backup(tmp_path: Path) -> None:
    with pytest.raises(DatabaseMissing):
        back_up(tmp_path / "sugarbot.db", tmp_path / "backups", NOW_S)
    assert not (tmp_path / "backups").exists()
