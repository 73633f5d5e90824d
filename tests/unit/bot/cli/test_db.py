"""``sugarbot db check`` only looks; ``db restore`` says what it did, how to go back, and what it refuses."""

import contextlib
import shutil
import sqlite3
from pathlib import Path
from typing import Any, Literal

import pytest

from bot.cli import db
from bot.errors import BackupUnsound, DatabaseMissing
from bot.settings import Settings
from bot.store import open_store
from bot.store.files.backup import back_up
from tests.fakes.desk_harness import MIGRATIONS
from tests.unit.bot.store.stored import a_person

NOW_S = 1_790_000_000.0
LANGUAGES: tuple[Literal["en", "zh-CN"], ...] = ("en", "zh-CN")


async def a_backup(folder: Path) -> Path:
    """A backup in which one person has credits; the database has two people."""
    store = await open_store(folder / "sugarbot.db", MIGRATIONS)
    await a_person(store, "web", "ann")
    made = back_up(folder / "sugarbot.db", folder / "backups", NOW_S)
    await a_person(store, "web", "bob")
    await store.close()
    return made


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_restore_names_the_contents_and_the_way_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], language: Literal["en", "zh-CN"]
) -> None:
    made = await a_backup(tmp_path)
    capsys.readouterr()  # the log of the migrations
    settings = Settings(data_dir=tmp_path, language=language)
    assert await db.restore(settings, made) == 0
    first, last = capsys.readouterr().out.splitlines()
    assert {"en": "people 1,", "zh-CN": "1 人"}[language] in first
    way_back = last.rpartition("sugarbot db restore ")[2]
    assert await db.restore(settings, Path(way_back)) == 0
    assert {"en": "people 2,", "zh-CN": "2 人"}[language] in capsys.readouterr().out


async def test_credits_that_do_not_add_up_are_restored_and_named_if_the_host_wants_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = await a_backup(tmp_path)
    capsys.readouterr()  # the log of the migrations
    with contextlib.closing(sqlite3.connect(made)) as connection, connection:
        connection.execute("UPDATE account SET credits = credits + 7")
    settings: Any = Settings(data_dir=tmp_path)
    with pytest.raises(BackupUnsound):
        await db.restore(settings, made)
    assert await db.restore(settings, made, accepts_broken_laws=True) == 0
    assert "✗ credits that differ from the ledger; people: 1" in capsys.readouterr().out


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_damaged_database_is_kept_but_not_offered_as_the_way_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], language: Literal["en", "zh-CN"]
) -> None:
    made = await a_backup(tmp_path)
    (tmp_path / "sugarbot.db").write_bytes(b"no database" * 1_000)
    capsys.readouterr()  # the log of the migrations
    assert await db.restore(Settings(data_dir=tmp_path, language=language), made) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert "db restore" not in last
    assert ".aside" in last


async def test_a_check_that_finds_damage_names_the_backup_to_restore(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = await a_backup(tmp_path)
    with contextlib.closing(sqlite3.connect(tmp_path / "sugarbot.db")) as connection, connection:
        connection.execute("INSERT INTO identity VALUES ('web', 'x', 99, 'X', 'en')")
    assert await db.check(Settings(data_dir=tmp_path)) == 1
    assert f"`sugarbot db restore {made}`" in capsys.readouterr().out.splitlines()[-1]


async def test_a_check_answers_while_the_bot_has_the_database(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = await open_store(tmp_path / "sugarbot.db", MIGRATIONS)
    try:
        await a_person(store, "web", "ann")
        assert await db.check(Settings(data_dir=tmp_path)) == 0
    finally:
        await store.close()
    assert "people                         1" in capsys.readouterr().out


async def test_a_check_creates_no_database(tmp_path: Path) -> None:
    with pytest.raises(DatabaseMissing):
        await db.check(Settings(data_dir=tmp_path / "misspelt"))
    assert not (tmp_path / "misspelt").exists()


async def test_a_check_leaves_the_database_of_an_earlier_version_to_that_version(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    earlier = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, earlier)
    max(earlier.glob("*.sql")).unlink()
    await (await open_store(tmp_path / "sugarbot.db", earlier)).close()
    before = (tmp_path / "sugarbot.db").read_bytes()
    assert await db.check(Settings(data_dir=tmp_path)) == 0
    assert (tmp_path / "sugarbot.db").read_bytes() == before
    assert "The next start makes a copy and migrates it." in capsys.readouterr().out
