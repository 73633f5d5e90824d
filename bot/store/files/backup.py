"""Backups of the database: made while the bot writes, checked, and offered when the database is damaged.

A copy is written to a draft, checked by SQLite, synced and then renamed. A failure deletes the draft, and a
crash leaves the last good copy. Blocking: call these functions in a thread.
"""

import contextlib
import math
import re
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from bot.errors import (
    BackupFailed,
    DatabaseDamaged,
    DatabaseLost,
    DatabaseMissing,
    DiskFull,
    OperatorError,
    RestoreFailed,
)
from bot.store.database import DISK_ERRORS, LOCK_ERRORS, means_full_disk, operator_error, primary_code
from bot.store.files.migrate import open_in_use, open_unchanged, require_ours
from engine.durable import make_folder, replacing

BACKUPS = "backups"  # the folder of the backups, beside the database
KEEP_NIGHTS = 14
CLOCK_SLACK_S = 3_600.0  # the name of a backup from further in the future comes from a wrong clock
NAMES = re.compile(r"sugarbot-(\d{8}-\d{6})\.db")
TIME_FORMAT = "%Y%m%d-%H%M%S"
_COPIES = (".v????.backup", ".*.aside")  # behind the name of the database
_TRACES = (f"{BACKUPS}/sugarbot-*.db", "pictures/[0-9a-f][0-9a-f]/*.png")
"""What only a bot that has run leaves beside its database, like the copies."""


def has_database(path: Path) -> bool:
    """Return whether the file has a database; False if it is missing or empty.

    Raises:
        DatabaseLost: It is missing or empty, although a bot has run here.
    """
    if path.exists() and path.stat().st_size:
        return True
    patterns = [*_TRACES, *(f"{path.name}{pattern}" for pattern in _COPIES)]
    if any(next(path.parent.glob(pattern), None) for pattern in patterns):
        with naming_backup():
            raise DatabaseLost(path=str(path))
    return False


def back_up(path: Path, folder: Path, now_s: float) -> Path:
    """Copy the database at ``path``, in use or not, into ``folder``, and return the new file.

    Raises:
        DatabaseMissing: There is no database.
        DatabaseDamaged: The database or the copy is damaged, or lost.
        DatabaseForeign: It belongs to another program.
        DiskFull: The disk of ``folder`` is full; no draft remains.
        BackupFailed: ``folder`` cannot be written; no draft remains.
        FolderUnusable: The database cannot be opened; no draft remains.
    """
    if not has_database(path):
        raise DatabaseMissing(path=str(path))
    require_ours(path)
    backup = folder / f"sugarbot-{datetime.fromtimestamp(now_s, tz=UTC).strftime(TIME_FORMAT)}.db"
    with naming_backup(), reporting(path, folder, BackupFailed):
        make_folder(folder)
        with replacing(backup) as draft:
            with _opened(path) as source, contextlib.closing(sqlite3.connect(draft)) as target:
                source.backup(target)  # in one step: a reader of a WAL database blocks no writer
                target.execute("PRAGMA journal_mode = DELETE")  # a single file without a log
            require_sound(draft, path)
    return backup


def newest_s(folder: Path, now_s: float) -> float:
    """Return when the newest backup was made, in unix seconds; 0 without backups.

    Files with an impossible or future date do not count, so that a wrong clock cannot postpone a backup.
    """
    return max((made_s for made_s, _ in _dated(folder, now_s)), default=0.0)


@contextlib.contextmanager
def naming_backup() -> Iterator[None]:
    """Add the newest sound backup to the facts of a DatabaseDamaged that the block raises."""
    try:
        yield
    except DatabaseDamaged as error:
        database = Path(str(error.facts.get("database", error.facts["path"])))
        error.facts["backup"] = newest_sound(database)
        raise


def newest_sound(database: Path) -> Path | None:
    """Return the newest backup that can be restored, whatever the clock says, else the newest copy; or None.

    Copies are what migrations and earlier restores have left beside the database.
    """
    backups = [path for _, path in sorted(_dated(database.parent / BACKUPS, math.inf), reverse=True)]
    copies = [copy for pattern in _COPIES for copy in database.parent.glob(f"{database.name}{pattern}")]
    copies.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    return next(filter(is_sound, [*backups, *copies]), None)


def is_sound(backup: Path) -> bool:
    """Return whether this is an intact database of ours. Blocking."""
    try:
        require_ours(backup)
        require_sound(backup, backup)
    except (OperatorError, sqlite3.DatabaseError, UnicodeDecodeError, OSError):
        return False
    return True


def thin_out(folder: Path, now_s: float) -> tuple[Path, ...]:
    """Delete all but the newest backup of each of the last days that have one, and return the deleted files.

    Files that ``newest_s`` ignores are ignored here too.
    """
    backups = sorted(_dated(folder, now_s), reverse=True)
    newest: dict[str, Path] = {}
    for made_s, path in backups:
        newest.setdefault(datetime.fromtimestamp(made_s, tz=UTC).strftime("%Y-%j"), path)
    kept = list(newest.values())[:KEEP_NIGHTS]
    gone = tuple(path for _, path in backups if path not in kept)
    for path in gone:
        path.unlink(missing_ok=True)
    return gone


def _dated(folder: Path, now_s: float) -> list[tuple[float, Path]]:
    """Return the backups with a plausible date, each with its time in unix seconds."""
    found = []
    for path in folder.glob("sugarbot-*.db"):
        if match := NAMES.fullmatch(path.name):
            with contextlib.suppress(ValueError):  # such as month 13
                made_s = datetime.strptime(match[1], TIME_FORMAT).replace(tzinfo=UTC).timestamp()
                if made_s <= now_s + CLOCK_SLACK_S:
                    found.append((made_s, path))
    return found


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.ExitStack() as stack:
        try:
            connection = stack.enter_context(contextlib.closing(open_in_use(path)))
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.OperationalError as error:
            # Here the folder of the database refuses, not that of the backup.
            if primary_code(error) == sqlite3.SQLITE_CANTOPEN:
                raise operator_error(error, path) from error
            raise
        yield connection


@contextlib.contextmanager
def reporting(path: Path, folder: Path, failed: type[BackupFailed | RestoreFailed]) -> Iterator[None]:
    """Convert errors of the block to what the host must do.

    Raises:
        DatabaseDamaged, DatabaseForeign: ``path`` is.
        DiskFull: The disk of ``folder`` is full.
        BackupFailed, RestoreFailed: As ``failed`` says; ``folder`` cannot be used.
    """
    try:
        yield
    except (sqlite3.DatabaseError, UnicodeDecodeError, OSError) as error:
        if means_full_disk(error, folder):
            raise DiskFull(path=str(folder)) from error
        if isinstance(error, OSError):
            raise failed(path=str(folder), detail=error.strerror or str(error)) from error
        if isinstance(error, sqlite3.Error) and primary_code(error) in (*DISK_ERRORS, *LOCK_ERRORS):
            raise failed(path=str(folder), detail=str(error)) from error
        raise operator_error(error, path) from error


def require_intact(path: Path) -> None:
    """Return when the host's database, in use or not, is intact. Blocking.

    Raises:
        DatabaseDamaged: It is not.
        DatabaseInUse, FolderUnusable: It cannot be read now.
    """
    with naming_backup():
        try:
            require_sound(path, path)
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            raise operator_error(error, path) from error


def require_sound(copy: Path, path: Path) -> None:
    """Return when ``copy`` is intact and has our tables; errors name ``path``. Blocking.

    Raises:
        DatabaseDamaged: It is not.
        sqlite3.DatabaseError: It is too damaged to be read.
    """
    with contextlib.closing(open_unchanged(copy)) as connection:
        [verdict] = connection.execute("PRAGMA integrity_check(1)").fetchone()
        [tables] = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'job'").fetchone()
    if verdict != "ok" or not tables:
        raise DatabaseDamaged(
            path=str(path), detail=verdict if verdict != "ok" else "it contains no jobs table"
        )
