"""Copies of the database that can be trusted: made while the bot writes, checked, put back whole.

A copy is written as a draft, checked by SQLite, synced and only then renamed; a failure removes the draft,
and a crash leaves the last good copy. Blocking: call these in a thread.
"""

import contextlib
import os
import re
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from bot.errors import BackupFailed, DatabaseDamaged, DatabaseMissing, DiskFull, RestoreFailed
from bot.store.database import OF_A_LOCK, OF_THE_DISK, code_of, operator_error, shows_full_disk
from bot.store.files.lock import locked
from bot.store.files.migrate import read_steps, require_ours
from engine.durable import make_folder, replacing, sync_file

KEEP_DAYS = 7
KEEP_WEEKS = 4
CLOCK_SLACK_S = 3_600.0  # a backup from further in the future was named by a wrong clock
NAMES = re.compile(r"sugarbot-(\d{8}-\d{6})\.db")
_TIME = "%Y%m%d-%H%M%S"


def back_up(path: Path, folder: Path, now_s: float) -> Path:
    """Copy the database at ``path``, in use or not, into ``folder``; the new file.

    Raises:
        DatabaseMissing: There is nothing to copy.
        DatabaseDamaged: The database, or the copy, is not sound; likewise DatabaseForeign.
        DiskFull: Nothing was left in ``folder``; likewise BackupFailed, where it cannot be written.
    """
    if not path.is_file():
        raise DatabaseMissing(path=str(path))
    require_ours(path)
    backup = folder / f"sugarbot-{datetime.fromtimestamp(now_s, tz=UTC).strftime(_TIME)}.db"
    with _explained(path, folder, BackupFailed):
        make_folder(folder)
        with replacing(backup) as draft:
            with _reading(path) as source, contextlib.closing(sqlite3.connect(draft)) as target:
                source.backup(target)  # all at once: a reader of a WAL database holds up no writer
                target.execute("PRAGMA journal_mode = DELETE")  # one file, complete in itself
            _require_sound(draft, path)
    return backup


def restore(backup: Path, path: Path, migrations_dir: Path, now_s: float) -> Path | None:
    """Put ``backup`` in the database's place; the file that was there, laid aside, if there was one.

    Raises:
        DatabaseMissing: There is no such backup.
        DatabaseInUse: The bot runs; stop it first.
        DatabaseDamaged: The backup is no sound database; nothing was changed. Likewise DatabaseForeign.
        DatabaseNewer: A newer version of the bot wrote the backup; nothing was changed.
        DiskFull: Nothing was changed; likewise RestoreFailed, where a file cannot be read or written.
    """
    if not backup.is_file():
        raise DatabaseMissing(path=str(backup))
    known = len(read_steps(migrations_dir))
    with _explained(backup, path.parent, RestoreFailed):
        make_folder(path.parent)
        with locked(path):
            require_ours(backup, known)
            _require_sound(backup, backup)
            with replacing(path) as draft:
                shutil.copyfile(backup, draft)
                sync_file(draft)  # a full disk may show only here: before anything is laid aside
                aside = _lay_aside(path, now_s) if path.exists() else None
    return aside


def newest_s(folder: Path, now_s: float) -> float:
    """When the newest backup was made, unix seconds; 0 when there is none.

    Files with an impossible date, or one later than ``now_s``, do not count: no clock may postpone a backup.
    """
    return max((made_s for made_s, _ in _dated(folder, now_s)), default=0.0)


def thin_out(folder: Path, now_s: float) -> tuple[Path, ...]:
    """Delete all but the newest backup of each of the last days and weeks; the deleted files.

    Files that ``newest_s`` does not count are neither kept in place of others nor deleted.
    """
    backups = sorted(_dated(folder, now_s), reverse=True)
    days = _newest_of_each(backups, "%Y-%j")[:KEEP_DAYS]
    weeks = _newest_of_each(backups, "%G-%V")[:KEEP_WEEKS]
    gone = tuple(path for _, path in backups if path not in {*days, *weeks})
    for path in gone:
        path.unlink(missing_ok=True)
    return gone


def _dated(folder: Path, now_s: float) -> list[tuple[float, Path]]:
    """The backups with a date that can be true, each with its time in unix seconds."""
    found = []
    for path in folder.glob("sugarbot-*.db"):
        if match := NAMES.fullmatch(path.name):
            with contextlib.suppress(ValueError):  # such as month 13
                made_s = datetime.strptime(match[1], _TIME).replace(tzinfo=UTC).timestamp()
                if made_s <= now_s + CLOCK_SLACK_S:
                    found.append((made_s, path))
    return found


def _newest_of_each(newest_first: Iterable[tuple[float, Path]], period: str) -> list[Path]:
    found: dict[str, Path] = {}
    for made_s, path in newest_first:
        found.setdefault(datetime.fromtimestamp(made_s, tz=UTC).strftime(period), path)
    return list(found.values())


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        yield connection


@contextlib.contextmanager
def _explained(path: Path, folder: Path, failed: type[BackupFailed | RestoreFailed]) -> Iterator[None]:
    """Raise what the host has to do: damage of ``path``, or a disk that takes nothing into ``folder``."""
    try:
        yield
    except (sqlite3.DatabaseError, UnicodeDecodeError, OSError) as error:
        if shows_full_disk(error, folder):
            raise DiskFull(path=str(folder)) from error
        if isinstance(error, OSError):
            raise failed(path=str(folder), detail=error.strerror or str(error)) from error
        if isinstance(error, sqlite3.Error) and code_of(error) in (*OF_THE_DISK, *OF_A_LOCK):
            raise failed(path=str(folder), detail=str(error)) from error
        raise operator_error(error, path) from error


def _require_sound(copy: Path, path: Path) -> None:
    """Return if ``copy`` is intact and holds our tables; ``path`` is the file that the error names."""
    with _reading(copy) as connection:
        [verdict] = connection.execute("PRAGMA integrity_check(1)").fetchone()
        [tables] = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'job'").fetchone()
    if verdict != "ok" or not tables:
        raise DatabaseDamaged(path=str(path), detail=verdict if verdict != "ok" else "it holds no jobs table")


def _lay_aside(path: Path, now_s: float) -> Path:
    """Give the database a second name; it keeps its own until the backup takes that: a crash loses none."""
    _fold(path)
    stamp = datetime.fromtimestamp(now_s, tz=UTC).strftime(_TIME)
    aside = path.with_name(f"{path.name}.{stamp}.aside")
    if aside.exists() and not aside.samefile(path):  # another restore of this second
        return _lay_aside(path, now_s + 1)
    try:
        aside.unlink(missing_ok=True)
        os.link(path, aside)
    except OSError:  # a file system without second names
        with replacing(aside) as draft:
            shutil.copyfile(path, draft)
    for end in ("-wal", "-shm"):  # left only where the file is too damaged to take its log in
        leftover = path.with_name(path.name + end)
        if leftover.exists():
            leftover.replace(aside.with_name(aside.name + end))
    return aside


def _fold(path: Path) -> None:
    """Bring what stands in the write-ahead log into the file, where it is sound enough for that."""
    damage = contextlib.suppress(sqlite3.DatabaseError, UnicodeDecodeError)
    with damage, contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
