"""A restore keeps the replaced database, with its log, under another name."""

import contextlib
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.errors import DatabaseDamaged
from bot.store import open_store
from bot.store.files.backup import back_up
from bot.store.files.migrate import APPLICATION_ID
from bot.store.files.restore import restore
from tests.fakes.desk_harness import MIGRATIONS
from tests.unit.bot.store.stored import a_person, names_in

NOW_S = datetime(2026, 11, 29, 9, 30, tzinfo=UTC).timestamp()
ASIDE = "a.db.20261129-093000.aside"
NEXT_ASIDE = "a.db.20261129-093001.aside"


async def a_database(path: Path, *people: str) -> Path:
    store = await open_store(path, MIGRATIONS)
    for person in people:
        await a_person(store, "web", person, person, "en", 1)
    await store.close()
    return path


def people_in(path: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM identity ORDER BY name")]


async def test_the_earlier_file_only_gets_another_name_and_needs_no_space(tmp_path: Path) -> None:
    path = await a_database(tmp_path / "a.db", "ann")
    made = back_up(path, tmp_path / "backups", NOW_S)
    await a_database(path, "bob")
    file = path.stat().st_ino
    aside = restore(made, path, MIGRATIONS, NOW_S).restore_point
    assert aside == tmp_path / ASIDE
    assert (people_in(aside), people_in(path)) == (["ann", "bob"], ["ann"])
    assert aside.stat().st_ino == file, "it was copied"


async def test_a_second_restore_of_the_same_second_takes_the_next_name(tmp_path: Path) -> None:
    path = await a_database(tmp_path / "a.db", "ann")
    made = back_up(path, tmp_path / "backups", NOW_S)
    await a_database(path, "bob")
    assert restore(made, path, MIGRATIONS, NOW_S).restore_point == tmp_path / ASIDE
    assert restore(made, path, MIGRATIONS, NOW_S).restore_point == tmp_path / NEXT_ASIDE
    assert people_in(tmp_path / ASIDE) == ["ann", "bob"]
    assert people_in(tmp_path / NEXT_ASIDE) == ["ann"]


async def test_a_second_name_from_a_restore_that_was_cut_off_is_used_again(tmp_path: Path) -> None:
    path = await a_database(tmp_path / "a.db", "ann")
    made = back_up(path, tmp_path / "backups", NOW_S)
    (tmp_path / ASIDE).hardlink_to(path)
    file = path.stat().st_ino
    assert restore(made, path, MIGRATIONS, NOW_S).restore_point == tmp_path / ASIDE
    assert names_in(tmp_path) == ["a.db", ASIDE, "a.db.lock", "backups"]
    assert (tmp_path / ASIDE).stat().st_ino == file


def leave_a_log(path: Path, **changed: str) -> bytes:
    """Change names in the database as a process that dies before the log is folded in; the log."""
    log = path.with_name(f"{path.name}-wal")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        for was, now in changed.items():
            connection.execute("UPDATE identity SET name = ? WHERE name = ?", (now, was))
        connection.commit()
        left = {file: file.read_bytes() for file in (path, log)}
    assert left[log]
    for file, content in left.items():
        file.write_bytes(content)
    return left[log]


async def test_the_file_that_is_set_aside_contains_the_log_of_a_crash(tmp_path: Path) -> None:
    path = await a_database(tmp_path / "a.db", "ann")
    made = back_up(path, tmp_path / "backups", NOW_S)
    leave_a_log(path, ann="bob")
    aside = restore(made, path, MIGRATIONS, NOW_S).restore_point
    assert aside is not None
    alone = aside.replace(tmp_path / "alone.db")
    assert people_in(alone) == ["bob"]
    assert people_in(path) == ["ann"]


async def test_a_log_that_a_damaged_file_cannot_absorb_is_set_aside_with_it(tmp_path: Path) -> None:
    path = await a_database(tmp_path / "a.db", "ann")
    made = back_up(path, tmp_path / "backups", NOW_S)
    log, index = leave_a_log(path, ann="bob"), tmp_path / "a.db-shm"
    path.write_bytes(path.read_bytes()[:6_000])
    index.touch()
    aside = restore(made, path, MIGRATIONS, NOW_S).restore_point
    assert aside == tmp_path / ASIDE
    assert aside.stat().st_size == 6_000
    assert (tmp_path / f"{ASIDE}-wal").read_bytes() == log
    assert people_in(path) == ["ann"]
    assert names_in(tmp_path) == ["a.db", ASIDE, f"{ASIDE}-shm", f"{ASIDE}-wal", "a.db.lock", "backups"]


async def test_a_backup_is_one_file_complete_in_itself(tmp_path: Path) -> None:
    path = await a_database(tmp_path / "a.db", "ann")
    made = back_up(path, tmp_path / "backups", NOW_S)
    assert made.name == "sugarbot-20261129-093000.db"
    with contextlib.closing(sqlite3.connect(made)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        connection.execute("SELECT * FROM person").fetchall()
        assert [file.name for file in made.parent.iterdir()] == [made.name]


async def test_a_damaged_database_makes_no_backup(tmp_path: Path) -> None:
    path = await a_database(tmp_path / "a.db", "ann")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        [(page,)] = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'ledger'")
    content = bytearray(path.read_bytes())
    content[4096 * (page - 1) : 4096 * page] = bytes(4096)
    path.write_bytes(content)
    with pytest.raises(DatabaseDamaged) as caught:
        back_up(path, tmp_path / "backups", NOW_S)
    assert caught.value.facts["path"] == str(path)
    assert caught.value.facts["detail"] not in ("ok", "it contains no jobs table")
    assert list((tmp_path / "backups").iterdir()) == []


def test_a_database_of_ours_without_jobs_is_no_backup(tmp_path: Path) -> None:
    hollow = tmp_path / "hollow.db"
    with contextlib.closing(sqlite3.connect(hollow)) as connection:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("PRAGMA user_version = 1")
    with pytest.raises(DatabaseDamaged) as caught:
        restore(hollow, tmp_path / "new" / "a.db", MIGRATIONS, NOW_S)
    assert caught.value.facts["path"] == str(hollow)
    assert caught.value.facts["detail"] == "it contains no jobs table"
    assert not (tmp_path / "new" / "a.db").exists()
