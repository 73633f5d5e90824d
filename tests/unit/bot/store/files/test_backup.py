"""A backup is sound and complete whenever it is made."""

import asyncio
import hashlib
import os
import sqlite3
from pathlib import Path

import pytest

from bot.commands.values import Draw
from bot.errors import DatabaseMissing, FolderUnusable
from bot.store.files import backup as module
from bot.store.files.backup import back_up
from bot.store.survey import survey_at
from tests.fakes.desk_harness import a_context, open_harness
from tests.unit.bot.store.stored import a_person, names_in

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


async def test_a_database_in_a_read_only_folder_is_backed_up_without_files_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    async with open_harness(data) as harness:
        await a_person(harness.store, "web", "ann")
    before = names_in(data)
    monkeypatch.setattr(os, "access", lambda path, _: Path(path) != data)
    made = back_up(data / "sugarbot.db", tmp_path / "backups", NOW_S)
    assert survey_at(made, 99).people == survey_at(data / "sugarbot.db", 99).people == 1
    assert names_in(data) == before


async def test_a_database_that_cannot_be_opened_is_not_the_fault_of_the_backups_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_harness(tmp_path / "data"):
        pass

    def refused(path: Path) -> sqlite3.Connection:
        return sqlite3.connect(f"{path.with_name('gone.db').as_uri()}?mode=ro", uri=True)

    monkeypatch.setattr(module, "open_in_use", refused)
    with pytest.raises(FolderUnusable) as caught:
        back_up(tmp_path / "data" / "sugarbot.db", tmp_path / "backups", NOW_S)
    assert caught.value.facts["path"] == str(tmp_path / "data")
    assert list((tmp_path / "backups").iterdir()) == []
