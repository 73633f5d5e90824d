"""Copies of the database that can be trusted: made while the bot writes, checked, put back whole.

A copy is written under another name, checked by SQLite, synced and only then renamed; a crash leaves the last
good one. Blocking: call these in a thread.
"""

import contextlib
import os
import re
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from bot.errors import DatabaseDamaged, DatabaseNewer
from bot.store.lock import locked
from bot.store.migrate import read_steps

KEEP_DAYS = 7
KEEP_WEEKS = 4
_NAME = re.compile(r"sugarbot-(\d{8}-\d{6})\.db")
_TIME = "%Y%m%d-%H%M%S"


def back_up(path: Path, folder: Path, now_s: float) -> Path:
    """Copy the database at ``path``, in use or not, into ``folder``; the new file.

    Raises:
        DatabaseDamaged: There is no sound database to copy.
    """
    folder.mkdir(parents=True, exist_ok=True)
    backup = folder / f"sugarbot-{datetime.fromtimestamp(now_s, tz=UTC).strftime(_TIME)}.db"
    unfinished = backup.with_suffix(".part")
    unfinished.unlink(missing_ok=True)
    opened = contextlib.closing(sqlite3.connect(unfinished))
    with _damage_told(path), _reading(path) as source, opened as target:
        source.backup(target)  # all at once: a reader of a WAL database holds up no writer
        target.execute("PRAGMA journal_mode = DELETE")  # one file, complete in itself
    _require_sound(unfinished)
    _rename(unfinished, backup)
    return backup


def restore(backup: Path, path: Path, migrations_dir: Path, now_s: float) -> Path | None:
    """Put ``backup`` in the database's place; the file that was there, laid aside, if there was one.

    Raises:
        DatabaseInUse: The bot runs; stop it first.
        DatabaseDamaged: The backup is no sound database; nothing was changed.
        DatabaseNewer: A newer version of the bot wrote the backup; nothing was changed.
    """
    known = len(read_steps(migrations_dir))
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path):
        unfinished = path.with_name(f"{path.name}.part")
        _require_sound(backup)
        with _reading(backup) as source:
            [found] = source.execute("PRAGMA user_version").fetchone()
        if found > known:
            raise DatabaseNewer(path=str(backup), found=found, known=known)
        shutil.copyfile(backup, unfinished)
        aside = _lay_aside(path, now_s) if path.exists() else None
        _rename(unfinished, path)
        return aside


def newest_s(folder: Path) -> float:
    """When the newest backup was made, unix seconds; 0 when there is none."""
    made = [match[1] for path in folder.glob("sugarbot-*.db") if (match := _NAME.fullmatch(path.name))]
    return datetime.strptime(max(made), _TIME).replace(tzinfo=UTC).timestamp() if made else 0.0


def thin_out(folder: Path) -> tuple[Path, ...]:
    """Delete all but the newest backup of each of the last days and weeks; the deleted files."""
    backups = sorted(
        (path for path in folder.glob("sugarbot-*.db") if _NAME.fullmatch(path.name)), reverse=True
    )
    days = _newest_of_each(backups, "%Y-%j")[:KEEP_DAYS]
    weeks = _newest_of_each(backups, "%G-%V")[:KEEP_WEEKS]
    gone = tuple(path for path in backups if path not in {*days, *weeks})
    for path in gone:
        path.unlink()
    return gone


def _newest_of_each(newest_first: Iterable[Path], period: str) -> list[Path]:
    found: dict[str, Path] = {}
    for path in newest_first:
        if match := _NAME.fullmatch(path.name):
            made = datetime.strptime(match[1], _TIME).replace(tzinfo=UTC)
            found.setdefault(made.strftime(period), path)
    return list(found.values())


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        yield connection


@contextlib.contextmanager
def _damage_told(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise DatabaseDamaged(path=str(path), detail=str(error)) from error


def _require_sound(path: Path) -> None:
    with _damage_told(path), _reading(path) as connection:
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
        shutil.copyfile(path, aside)
    for end in ("-wal", "-shm"):  # left only where the file is too damaged to take its log in
        leftover = path.with_name(path.name + end)
        if leftover.exists():
            leftover.replace(aside.with_name(aside.name + end))
    return aside


def _fold(path: Path) -> None:
    """Bring what stands in the write-ahead log into the file, where it is sound enough for that."""
    with contextlib.suppress(sqlite3.DatabaseError), contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _rename(unfinished: Path, final: Path) -> None:
    with unfinished.open("rb") as file:
        os.fsync(file.fileno())
    unfinished.replace(final)
    directory = os.open(final.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
