"""Migrations: numbered SQL files, each applied once.

A migration and its number (``PRAGMA user_version``) are one transaction. An existing database is copied
first. A database newer than the code is refused before anything is written.
"""

import contextlib
import os
import re
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiosqlite
import structlog

from bot.errors import DatabaseDamaged, DatabaseForeign, DatabaseNewer
from engine.durable import replacing

log = structlog.get_logger("bot.store")

APPLICATION_ID = 0x53554741  # "SUGA", in the header of every database that we migrated
_FIRST_TABLES = {"person", "identity", "account", "job", "origin", "picture", "ledger", "outbox", "inbox"}
_FILE_NAME = re.compile(r"(\d{4})_\w+\.sql")


@dataclass(frozen=True, slots=True)
class Migration:
    """One migration file."""

    number: int
    path: Path

    @property
    def name(self) -> str:
        """The file's name without its end."""
        return self.path.stem

    def read_reason(self) -> str:
        """Return the first sentence of the comment with which the file begins. Blocking."""
        comment = re.match(r"(--.*\n)+", self.path.read_text(encoding="utf-8"))
        lines = comment[0].splitlines() if comment else []
        whole = " ".join(line.removeprefix("--").strip() for line in lines).removeprefix("Why:").strip()
        return re.split(r"(?<=\.)\s", whole, maxsplit=1)[0]


def read_migrations(migrations_dir: Path) -> tuple[Migration, ...]:
    """Return the migration files in order.

    Raises:
        ValueError: Their numbers are not 1, 2, 3, …: a file is missing, or two branches took the same number.
    """
    found = [
        (match, path) for path in migrations_dir.glob("*.sql") if (match := _FILE_NAME.fullmatch(path.name))
    ]
    migrations = sorted(
        (Migration(int(match[1]), path) for match, path in found), key=lambda each: each.number
    )
    numbers = [migration.number for migration in migrations]
    if not numbers or numbers != list(range(1, len(numbers) + 1)):
        raise ValueError(f"{migrations_dir}: migrations are numbered {numbers}")
    return tuple(migrations)


def require_ours(path: Path, known: int | None = None) -> None:
    """Refuse another program's database and one with more than ``known`` migrations; accept any other file.

    The application id identifies our files; tables and version identify older files without it. The file is
    opened read-only: a writing connection would checkpoint the log of a crash as it closes. Blocking.

    Raises:
        DatabaseForeign: It belongs to another program; file and log are unchanged.
        DatabaseNewer: A newer version wrote it; file and log are unchanged.
    """
    if not path.is_file():
        return
    try:
        with contextlib.closing(open_unchanged(path)) as connection:
            [program] = connection.execute("PRAGMA application_id").fetchone()
            [found] = connection.execute("PRAGMA user_version").fetchone()
            names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    except (sqlite3.DatabaseError, UnicodeDecodeError):
        return  # damaged: open_store reports it
    is_new = not (program or found or names)
    is_ours = program == APPLICATION_ID or (not program and found and names >= _FIRST_TABLES)
    if not (is_new or is_ours):
        raise DatabaseForeign(path=str(path))
    if known is not None and found > known:
        raise DatabaseNewer(path=str(path), found=found, known=known)


def count_migrations(path: Path) -> int:
    """Return how many migrations a database has had; 0 for a damaged one. It stays unchanged. Blocking."""
    try:
        with contextlib.closing(open_unchanged(path)) as connection:
            [found] = connection.execute("PRAGMA user_version").fetchone()
            return int(found)
    except sqlite3.DatabaseError:
        return 0


def open_unchanged(path: Path) -> sqlite3.Connection:
    """Open a database that no program writes; neither it nor a file beside it is changed. Blocking."""
    has_log = path.with_name(f"{path.name}-wal").exists()
    uri = f"{path.absolute().as_uri()}?mode=ro{'' if has_log else '&immutable=1'}"
    return sqlite3.connect(uri, uri=True)


def open_in_use(path: Path) -> sqlite3.Connection:
    """Open a database that another process may write; it stays unchanged. Blocking.

    Readers share the log with its writer through files beside the database. Where none may be created, a
    database without a log has no writer, and is read without them.
    """
    has_log = path.with_name(f"{path.name}-wal").exists()
    is_fixed = not has_log and not os.access(path.parent, os.W_OK)
    uri = f"{path.absolute().as_uri()}?mode=ro{'&immutable=1' if is_fixed else ''}"
    return sqlite3.connect(uri, uri=True, isolation_level=None)


async def _version_of(connection: aiosqlite.Connection) -> int:
    """Return the number of applied migrations; 0 for an empty file."""
    [row] = await connection.execute_fetchall("PRAGMA user_version")
    return int(row[0])


async def migrate(connection: aiosqlite.Connection, path: Path, migrations: tuple[Migration, ...]) -> None:
    """Apply the migrations that this database lacks.

    Raises:
        DatabaseNewer: It has migrations that this code does not know; the file is unchanged.
        DatabaseDamaged: Rows point at rows that do not exist; the last migration is not applied, so that the
            next start finds them too.
    """
    found = await _version_of(connection)
    if found > len(migrations):
        raise DatabaseNewer(path=str(path), found=found, known=len(migrations))
    pending = migrations[found:]
    if pending and found:
        await _copy(connection, path.with_name(f"{path.name}.v{found:04d}.backup"))
    for migration in pending:
        async with _applied(connection, migration):
            if migration is pending[-1]:
                await _require_parents(connection, path)
        log.info("database migrated", migration=migration.name)


def migrate_copy(connection: sqlite3.Connection, migrations: tuple[Migration, ...]) -> tuple[Migration, ...]:
    """Apply the migrations that a copy lacks, and return them. Blocking.

    Raises:
        sqlite3.Error: A migration does not fit the rows; throw the copy away.
    """
    [found] = connection.execute("PRAGMA user_version").fetchone()
    for migration in migrations[found:]:
        connection.executescript(f"{_script_of(migration)}\nCOMMIT;")
    return migrations[found:]


def _script_of(migration: Migration) -> str:
    """Return the migration as a transaction without its end; executescript first commits an open one."""
    script = migration.path.read_text(encoding="utf-8")
    return (
        f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {migration.number};\n"
        f"PRAGMA application_id = {APPLICATION_ID};"
    )


@contextlib.asynccontextmanager
async def _applied(connection: aiosqlite.Connection, migration: Migration) -> AsyncIterator[None]:
    """Apply a migration, and commit it when the block ends."""
    try:
        await connection.executescript(_script_of(migration))
        yield
        await connection.commit()
    except BaseException:
        if connection.in_transaction:
            await connection.rollback()
        raise


async def _require_parents(connection: aiosqlite.Connection, path: Path) -> None:
    if orphans := list(await connection.execute_fetchall("PRAGMA foreign_key_check")):
        raise DatabaseDamaged(path=str(path), detail=f"{len(orphans)} rows without their parents")


async def _copy(connection: aiosqlite.Connection, backup: Path) -> None:
    with replacing(backup) as draft:  # VACUUM INTO takes an empty file
        await connection.execute_fetchall("VACUUM INTO ?", (str(draft),))
    log.info("database copied before migration", backup=backup.name)
