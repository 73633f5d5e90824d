"""Each failure of the disk, of a lock or of the file becomes the error that tells the host what to do."""

import errno
import os
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from bot.errors import (
    BackupFailed,
    DatabaseDamaged,
    DatabaseInUse,
    DiskFull,
    FolderUnusable,
    OperatorError,
    RestoreFailed,
)
from bot.store import Store, open_store
from bot.store.database import operator_error
from bot.store.files.backup import back_up
from bot.store.files.restore import restore
from tests.fakes.desk_harness import MIGRATIONS

NOW_S = 1_790_000_000.0
DATABASE = Path("var") / "a.db"


def of_sqlite(code: int | None, said: str = "what SQLite said") -> sqlite3.Error:
    error = sqlite3.OperationalError(said)
    if code is not None:
        error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("error", "expected", "facts"),
    [
        (OSError(errno.ENOSPC, "no space"), DiskFull, {"path": "var"}),
        (OSError(errno.EDQUOT, "quota"), DiskFull, {"path": "var"}),
        (OSError(errno.EACCES, "not yours"), FolderUnusable, {"path": "var", "detail": "not yours"}),
        (OSError("without a number"), FolderUnusable, {"path": "var", "detail": "without a number"}),
        (of_sqlite(sqlite3.SQLITE_FULL), DiskFull, {"path": "var"}),
        (of_sqlite(sqlite3.SQLITE_BUSY), DatabaseInUse, {"path": str(DATABASE)}),
        (of_sqlite(sqlite3.SQLITE_LOCKED), DatabaseInUse, {"path": str(DATABASE)}),
        *(
            (of_sqlite(code), FolderUnusable, {"path": "var", "detail": "what SQLite said"})
            for code in (
                sqlite3.SQLITE_PERM,
                sqlite3.SQLITE_READONLY,
                sqlite3.SQLITE_CANTOPEN,
                sqlite3.SQLITE_READONLY_DBMOVED,
            )
        ),
        *(
            (of_sqlite(code), DatabaseDamaged, {"path": str(DATABASE), "detail": "what SQLite said"})
            for code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, None)
        ),
        (
            UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
            DatabaseDamaged,
            {"path": str(DATABASE), "detail": "its text is not UTF-8"},
        ),
    ],
)
def test_a_failure_is_reported_by_its_cause(
    error: sqlite3.Error | UnicodeDecodeError | OSError, expected: type[OperatorError], facts: dict[str, str]
) -> None:
    found = operator_error(error, DATABASE)
    assert type(found) is expected
    assert found.facts == facts


@pytest.mark.parametrize(("free_bytes", "expected"), [(2**20 - 1, DiskFull), (2**20, FolderUnusable)])
def test_a_disk_without_a_megabyte_is_full(
    monkeypatch: pytest.MonkeyPatch, free_bytes: int, expected: type[OperatorError]
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(2**40, 0, free_bytes))
    assert type(operator_error(of_sqlite(sqlite3.SQLITE_IOERR), DATABASE)) is expected


def test_a_disk_that_does_not_even_say_what_is_free_is_not_called_full(tmp_path: Path) -> None:
    error = of_sqlite(sqlite3.SQLITE_IOERR)
    assert type(operator_error(error, tmp_path / "gone" / "a.db")) is FolderUnusable


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (sqlite3.SQLITE_FULL, DiskFull),
        (sqlite3.SQLITE_BUSY, BackupFailed),
        (sqlite3.SQLITE_LOCKED, BackupFailed),
        (sqlite3.SQLITE_READONLY, BackupFailed),
        (sqlite3.SQLITE_CANTOPEN, FolderUnusable),  # the database's own
        (sqlite3.SQLITE_CORRUPT, DatabaseDamaged),
    ],
)
async def test_a_backup_that_fails_says_where_and_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, expected: type[OperatorError]
) -> None:
    path, folder = tmp_path / "a.db", tmp_path / "backups"
    await (await open_store(path, MIGRATIONS)).close()

    def refuse(*_: Any, **__: Any) -> sqlite3.Connection:
        raise of_sqlite(code)

    monkeypatch.setattr(sqlite3, "connect", refuse)
    with pytest.raises(expected) as caught:
        back_up(path, folder, NOW_S)
    assert type(caught.value) is expected
    named = {DatabaseDamaged: path, FolderUnusable: tmp_path}.get(expected, folder)
    assert caught.value.facts["path"] == str(named)
    if expected is not DiskFull:
        assert caught.value.facts["detail"] == "what SQLite said"
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "detail"),
    [(OSError(errno.EIO, "broken disk"), "broken disk"), (OSError("no number"), "no number")],
)
async def test_a_restore_that_the_disk_refuses_reports_the_error_of_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, detail: str
) -> None:
    path = tmp_path / "data" / "a.db"
    await (await open_store(path, MIGRATIONS)).close()
    made = back_up(path, tmp_path, NOW_S)

    def refuse(_: int) -> None:
        raise error

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(RestoreFailed) as caught:
        restore(made, path, MIGRATIONS, NOW_S)
    assert caught.value.facts == {"path": str(path.parent), "detail": detail}


async def test_a_survey_of_a_database_that_a_shell_locks_reports_the_lock(
    tmp_path: Path, store: Store
) -> None:
    await store._run("PRAGMA busy_timeout = 1")
    shell = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    shell.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseInUse) as caught:
        await store.survey()
    assert caught.value.facts == {"path": str(tmp_path / "a.db")}
    shell.execute("ROLLBACK")
    shell.close()
    assert (await store.survey()).is_sound
