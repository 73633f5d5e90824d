"""Files of the store: private, refused if another program owns them, and unchanged if they cannot be used."""

import contextlib
import errno
import hashlib
import os
import shutil
import sqlite3
import stat
from pathlib import Path
from typing import Any

import pytest

from bot.errors import (
    BackupFailed,
    DatabaseDamaged,
    DatabaseForeign,
    DatabaseMissing,
    DiskFull,
    FolderUnusable,
    OperatorError,
    RestoreFailed,
)
from bot.messages import format_error
from bot.store import open_store
from bot.store.database import operator_error
from bot.store.files.backup import back_up
from bot.store.files.migrate import APPLICATION_ID
from bot.store.files.restore import restore
from tests.fakes.desk_harness import MIGRATIONS
from tests.unit.bot.store.stored import a_person

NOW_S = 1_790_000_000.0


async def a_database(folder: Path) -> Path:
    path = folder / "sugarbot.db"
    await (await open_store(path, MIGRATIONS)).close()
    return path


def files_in(folder: Path) -> dict[str, str]:
    """Each file with its content's hash."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith(".lock")
    }


def drafts_in(folder: Path) -> list[Path]:
    return list(folder.rglob("*.part*"))


def is_explained(error: OperatorError) -> bool:
    """In both languages, with the path, and without a placeholder left over."""
    said = [format_error(error, locale) for locale in ("en", "zh-CN")]
    return said[0] != said[1] and all(str(error.facts["path"]) in one and "{" not in one for one in said)


@pytest.mark.usefixtures("_open_umask")
async def test_everything_that_is_created_is_private_under_any_umask(tmp_path: Path) -> None:
    folder = tmp_path / "var"
    store = await open_store(folder / "sugarbot.db", MIGRATIONS)
    await a_person(store, "web", "ann", "Ann", "en", 1)
    assert (folder / "sugarbot.db-wal").exists()
    made = back_up(folder / "sugarbot.db", folder / "backups", NOW_S)
    modes = {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in folder.iterdir()}
    await store.close()
    restore(made, folder / "sugarbot.db", MIGRATIONS, NOW_S)
    modes |= {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in folder.rglob("*")}
    assert oct(stat.S_IMODE(folder.stat().st_mode)) == "0o700"
    assert modes.pop("backups") == "0o700"
    assert set(modes.values()) == {"0o600"}
    assert {"sugarbot.db", "sugarbot.db-wal", "sugarbot.db-shm", "sugarbot.db.lock"} < set(modes)


async def test_a_copy_before_a_migration_is_private_and_leaves_no_draft(tmp_path: Path) -> None:
    path = await a_database(tmp_path)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        [(version,)] = connection.execute("PRAGMA user_version")
    more = tmp_path / "migrations"
    more.mkdir()
    for step in MIGRATIONS.glob("*.sql"):
        (more / step.name).write_bytes(step.read_bytes())
    (more / f"{version + 1:04d}_more.sql").write_text("CREATE TABLE extra (n INTEGER) STRICT;")
    await (await open_store(path, more)).close()
    copy = tmp_path / f"sugarbot.db.v{version:04d}.backup"
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert not drafts_in(tmp_path)


async def test_new_databases_carry_our_mark_and_older_ones_without_it_open(tmp_path: Path) -> None:
    path = await a_database(tmp_path)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
        connection.execute("PRAGMA application_id = 0")
    await a_database(tmp_path)


@pytest.mark.parametrize("mark", ["another program's", "none", "our number of steps"])
@pytest.mark.parametrize("journal", ["delete", "wal"])
async def test_another_programs_database_is_refused_and_not_changed(
    tmp_path: Path, mark: str, journal: str
) -> None:
    path = tmp_path / "sugarbot.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA journal_mode = {journal}")
        connection.execute("CREATE TABLE bookmark (url TEXT)")
        if mark == "another program's":
            connection.execute("PRAGMA application_id = 77")
        if mark == "our number of steps":
            connection.execute("PRAGMA user_version = 1")
        connection.commit()
    before = files_in(tmp_path)
    with pytest.raises(DatabaseForeign) as caught:
        await open_store(path, MIGRATIONS)
    assert is_explained(caught.value)
    with pytest.raises(DatabaseForeign):
        back_up(path, tmp_path / "backups", NOW_S)
    with pytest.raises(DatabaseForeign):
        restore(path, tmp_path / "new" / "sugarbot.db", MIGRATIONS, NOW_S)
    assert files_in(tmp_path) == before


async def test_damage_inside_the_text_of_the_schema_is_damage(tmp_path: Path) -> None:
    path = await a_database(tmp_path)
    made = back_up(path, tmp_path / "backups", NOW_S)
    for file in (path, made):
        content = file.read_bytes()
        assert b"CREATE TABLE ledger " in content  # more than once if SQLite has moved it
        file.write_bytes(content.replace(b"CREATE TABLE ledger ", b"CREATE TABLE \xff\xfe\xfdger "))
    with pytest.raises(DatabaseDamaged) as caught:
        await open_store(path, MIGRATIONS)
    assert is_explained(caught.value)
    with pytest.raises(DatabaseDamaged):
        back_up(path, tmp_path / "more backups", NOW_S)
    with pytest.raises(DatabaseDamaged):
        restore(made, path, MIGRATIONS, NOW_S)
    assert not drafts_in(tmp_path)


async def test_damage_found_while_counting_is_damage(tmp_path: Path) -> None:
    path = await a_database(tmp_path)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        [(page,)] = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'ledger'")
    content = bytearray(path.read_bytes())
    content[4096 * (page - 1) : 4096 * page] = bytes(4096)
    path.write_bytes(content)
    store = await open_store_unchecked(path)
    try:
        with pytest.raises(DatabaseDamaged):
            await store.survey()
    finally:
        await store.close()


async def open_store_unchecked(path: Path) -> Any:
    """As a file that breaks after it was opened."""
    with pytest.MonkeyPatch.context() as patch:

        async def no_check(_: object) -> None:
            return None

        patch.setattr("bot.store.store._require_intact", no_check)
        return await open_store(path, MIGRATIONS)


async def test_a_backup_onto_a_full_disk_says_so_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await a_database(tmp_path)
    connect = sqlite3.connect

    def connect_to_a_small_disk(database: Any, **options: Any) -> sqlite3.Connection:
        connection = connect(database, **options)
        if not options:  # the copy, not the source
            connection.execute("PRAGMA max_page_count = 3")
        return connection

    monkeypatch.setattr(sqlite3, "connect", connect_to_a_small_disk)
    with pytest.raises(DiskFull) as caught:
        back_up(path, tmp_path / "backups", NOW_S)
    assert isinstance(caught.value.__cause__, sqlite3.OperationalError)
    assert is_explained(caught.value)
    assert files_in(tmp_path / "backups") == {}


@pytest.mark.parametrize(("free_bytes", "kind"), [(0, DiskFull), (2**30, FolderUnusable)])
def test_an_input_output_error_is_a_full_disk_where_nothing_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_bytes: int, kind: type[OperatorError]
) -> None:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR | 19 << 8  # of the shared memory's size
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(2**40, 0, free_bytes))
    told = operator_error(error, tmp_path / "sugarbot.db")
    assert type(told) is kind
    assert is_explained(told)


@pytest.mark.parametrize(("number", "error"), [(errno.ENOSPC, DiskFull), (errno.EIO, RestoreFailed)])
async def test_a_restore_that_the_disk_refuses_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, error: type[OperatorError]
) -> None:
    path = await a_database(tmp_path)
    made = back_up(path, tmp_path / "backups", NOW_S)
    before = files_in(tmp_path)

    def refuse(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(error) as caught:
        restore(made, path, MIGRATIONS, NOW_S)
    assert is_explained(caught.value)
    assert files_in(tmp_path) == before


async def test_files_and_folders_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    path = await a_database(tmp_path)
    (tmp_path / "file").touch()
    before = files_in(tmp_path)
    with pytest.raises(DatabaseMissing) as missing:
        restore(tmp_path / "nope", path, MIGRATIONS, NOW_S)
    with pytest.raises(BackupFailed) as unwritable:
        back_up(path, tmp_path / "file" / "backups", NOW_S)
    assert is_explained(missing.value)
    assert is_explained(unwritable.value)
    assert files_in(tmp_path) == before
