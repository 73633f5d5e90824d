"""Restores of the database from a backup, as a whole or not at all.

The backup is copied to a draft; the draft is migrated and its health is checked. Only a sound draft takes the
database's name. The database that was there stays as a restore point, and takes its name back if anything
fails after that. After a crash at any moment the database is the old one or the new one, complete. Blocking:
call these functions in a thread.
"""

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bot.errors import (
    BackupDamaged,
    BackupUnsound,
    DatabaseDamaged,
    DatabaseInUse,
    DatabaseMissing,
    MigrationFailed,
    RestoreFailed,
)
from bot.store.database import DISK_ERRORS, LOCK_ERRORS, primary_code
from bot.store.files.backup import TIME_FORMAT, is_sound, naming_backup, reporting, require_sound
from bot.store.files.lock import locked
from bot.store.files.migrate import Migration, migrate_copy, open_unchanged, read_migrations, require_ours
from bot.store.survey import Survey, survey_file
from engine.durable import make_folder, replacing, sync_file

BUSY_S = 1.0  # another program that reads for longer must end first
_SIDE_FILES = ("-wal", "-shm", "-journal")


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore has done.

    Attributes:
        restore_point: The database that was there before; None if there was none.
        can_go_back: Whether the restore point is sound.
        migrations: Those that the backup lacked.
        survey: What the database now contains.
    """

    restore_point: Path | None
    can_go_back: bool
    migrations: tuple[Migration, ...]
    survey: Survey


def restore(
    backup: Path, path: Path, migrations_dir: Path, now_s: float, *, accepts_broken_laws: bool = False
) -> Restored:
    """Replace the database by ``backup``, migrated to this version; keep the replaced one as a restore point.

    Args:
        backup: A backup, a copy from before a migration, or a restore point.
        path: The database; it need not exist.
        migrations_dir: The migrations of this version.
        now_s: Unix time, for the name of the restore point.
        accepts_broken_laws: Restore it also if credits or results do not add up; never if it is damaged.

    Raises:
        DatabaseMissing: There is no such backup.
        DatabaseInUse: The bot runs, or another program has the database open; end that first.
        BackupDamaged: The backup is damaged; nothing was changed.
        DatabaseForeign: The backup belongs to another program; nothing was changed.
        DatabaseNewer: A newer version of the bot wrote the backup; nothing was changed.
        MigrationFailed: The backup cannot be migrated; nothing was changed.
        BackupUnsound: Its credits or results do not add up; nothing was changed.
        DiskFull: The disk is full; the database is as before.
        RestoreFailed: A file cannot be read or written; the database is as before.
    """
    if not backup.is_file():
        raise DatabaseMissing(path=str(backup))
    migrations = read_migrations(migrations_dir)
    with naming_backup(), _naming_as_backup(path), reporting(backup, path.parent, RestoreFailed):
        make_folder(path.parent)
        with locked(path):
            require_ours(backup, len(migrations))
            require_sound(backup, backup)
            with _rolling_back(path, now_s) as point, replacing(path) as draft:
                applied, survey = prepare_copy(backup, draft, migrations)
                _require_health(survey, backup, accepts_broken_laws)
                sync_file(draft)  # a full disk may show only here, while the old file is in its place
                restore_point = point.keep()
    can_go_back = restore_point is not None and is_sound(restore_point)
    return Restored(restore_point, can_go_back, applied, survey)


@contextlib.contextmanager
def _naming_as_backup(path: Path) -> Iterator[None]:
    """Turn damage that the block finds into damage of the backup: the advice is to take another one."""
    try:
        yield
    except DatabaseDamaged as error:
        raise BackupDamaged(**error.facts, database=str(path)) from error


def rehearse(path: Path, copy: Path, migrations_dir: Path) -> Survey:
    """Migrate a copy of a database and survey it; the database stays unchanged.

    Raises:
        DatabaseDamaged: It is.
        MigrationFailed: A migration does not fit its rows.
        DiskFull: The disk of ``copy`` is full.
        RestoreFailed: A file cannot be read or written.
    """
    with naming_backup(), reporting(path, copy.parent, RestoreFailed):
        return prepare_copy(path, copy, read_migrations(migrations_dir))[1]


def prepare_copy(
    source: Path, copy: Path, migrations: tuple[Migration, ...]
) -> tuple[tuple[Migration, ...], Survey]:
    """Copy a database that nobody writes, migrate the copy and survey it; ``source`` stays unchanged.

    Returns:
        The migrations that it lacked, and what the copy contains.

    Raises:
        MigrationFailed: A migration does not fit its rows.
        sqlite3.DatabaseError: It is damaged, or the disk refused.
    """
    with contextlib.closing(sqlite3.connect(copy, isolation_level=None)) as target:
        with contextlib.closing(open_unchanged(source)) as original:
            original.backup(target)
        target.execute("PRAGMA journal_mode = DELETE")  # a single file without a log
        try:
            applied = migrate_copy(target, migrations)
        except sqlite3.Error as error:
            if primary_code(error) in (*DISK_ERRORS, *LOCK_ERRORS):
                raise
            raise MigrationFailed(path=str(source), detail=str(error)) from error
        return applied, survey_file(target)


def _require_health(survey: Survey, backup: Path, accepts_broken_laws: bool) -> None:
    if survey.damage or not (survey.is_sound or accepts_broken_laws):
        raise BackupUnsound(path=str(backup), problems=survey.problems())


class _RestorePoint:
    """The database before a restore, under a second name."""

    def __init__(self, path: Path, now_s: float) -> None:
        self._path = path
        self._now_s = now_s
        self._had_database = path.exists()
        self._kept: Path | None = None

    def keep(self) -> Path | None:
        """Keep the database, if there is one, and return its second name."""
        if self._had_database:
            self._kept = _keep_replaced(self._path, self._now_s)
        else:  # a log that a lost database has left would be read as that of the new one
            _move_side_files(self._path, _second_name(self._path, self._now_s))
        return self._kept

    def roll_back(self) -> None:
        """Give the database its name back; without an earlier database remove the new one."""
        if self._kept is None:
            if not self._had_database:
                self._path.unlink(missing_ok=True)
            return
        _move_side_files(self._kept, self._path)
        self._kept.replace(self._path)  # nothing happens if both are still names of one file
        self._kept.unlink(missing_ok=True)


@contextlib.contextmanager
def _rolling_back(path: Path, now_s: float) -> Iterator[_RestorePoint]:
    """Check what has the database's name when the block ends; roll back if that or the block fails."""
    point = _RestorePoint(path, now_s)
    try:
        yield point
        try:
            require_sound(path, path)
        except (DatabaseDamaged, sqlite3.DatabaseError) as error:  # the disk has not kept what was written
            detail = str(error.facts["detail"]) if isinstance(error, DatabaseDamaged) else str(error)
            raise RestoreFailed(path=str(path.parent), detail=detail) from error
    except BaseException:
        point.roll_back()
        raise


def _keep_replaced(path: Path, now_s: float) -> Path:
    """Link the database to a second name; its first name stays valid until the backup replaces it."""
    _fold_in_log(path)
    aside = _second_name(path, now_s)
    if aside.exists() and not aside.samefile(path):  # another restore of this second
        return _keep_replaced(path, now_s + 1)
    try:
        aside.unlink(missing_ok=True)
        os.link(path, aside)
    except OSError:  # a file system without hard links
        with replacing(aside) as draft:
            shutil.copyfile(path, draft)
    _move_side_files(path, aside)  # they remain only if the file is too damaged for that
    return aside


def _second_name(path: Path, now_s: float) -> Path:
    stamp = datetime.fromtimestamp(now_s, tz=UTC).strftime(TIME_FORMAT)
    return path.with_name(f"{path.name}.{stamp}.aside")


def _move_side_files(path: Path, to: Path) -> None:
    for end in _SIDE_FILES:
        leftover = path.with_name(path.name + end)
        if leftover.exists():
            leftover.replace(to.with_name(to.name + end))


def _fold_in_log(path: Path) -> None:
    """Write the log of a crash back into the file, unless the file is too damaged.

    Raises:
        DatabaseInUse: Another program reads or writes it.
        sqlite3.OperationalError: The disk refused.
    """
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=BUSY_S)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # rolls an old journal back
            [is_busy, *_] = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        if isinstance(error, sqlite3.Error) and primary_code(error) in (*DISK_ERRORS, *LOCK_ERRORS):
            raise
        return
    if is_busy:
        raise DatabaseInUse(path=str(path))
