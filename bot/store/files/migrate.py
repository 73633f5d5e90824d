"""From any older schema to this code's: numbered SQL files, each applied once.

A step and its number (``PRAGMA user_version``) are one transaction. Before an existing database is touched, a
copy is laid beside it. A database newer than the code is refused before anything is written.
"""

import contextlib
import re
import sqlite3
from dataclasses import dataclass
from pathlib import Path

import aiosqlite
import structlog

from bot.errors import DatabaseDamaged, DatabaseForeign, DatabaseNewer
from engine.durable import replacing

log = structlog.get_logger("bot.store")

APPLICATION_ID = 0x53554741  # "SUGA", in the header of each database that a step of ours has touched
_FIRST_TABLES = {"person", "identity", "account", "job", "origin", "picture", "ledger", "outbox", "inbox"}
_FILE_NAME = re.compile(r"(\d{4})_\w+\.sql")


@dataclass(frozen=True, slots=True)
class Step:
    """One migration file."""

    number: int
    path: Path


def read_steps(migrations_dir: Path) -> tuple[Step, ...]:
    """The migration files in order.

    Raises:
        ValueError: Their numbers are not 1, 2, 3, …: a file is missing, or two branches took the same number.
    """
    found = [
        (match, path) for path in migrations_dir.glob("*.sql") if (match := _FILE_NAME.fullmatch(path.name))
    ]
    steps = sorted((Step(int(match[1]), path) for match, path in found), key=lambda step: step.number)
    numbers = [step.number for step in steps]
    if not numbers or numbers != list(range(1, len(numbers) + 1)):
        raise ValueError(f"{migrations_dir}: migrations are numbered {numbers}")
    return tuple(steps)


def require_ours(path: Path, known: int | None = None) -> None:
    """Return for a database of this program with at most ``known`` steps, a new one, and a damaged one.

    A file is ours by its application id or, from before it had one, by its tables and step number. It is only
    read: an ordinary connection folds the log that a crash left into the file when it closes. Blocking.

    Raises:
        DatabaseForeign: Another program's; file and log are untouched.
        DatabaseNewer: Likewise; a newer version wrote it.
    """
    if not path.is_file():
        return
    has_log = path.with_name(f"{path.name}-wal").exists()
    uri = f"{path.absolute().as_uri()}?mode=ro{'' if has_log else '&immutable=1'}"
    try:
        with contextlib.closing(sqlite3.connect(uri, uri=True)) as connection:
            [program] = connection.execute("PRAGMA application_id").fetchone()
            [found] = connection.execute("PRAGMA user_version").fetchone()
            names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    except (sqlite3.DatabaseError, UnicodeDecodeError):
        return  # damaged: the ordinary opening reports it
    is_new = not (program or found or names)
    is_ours = program == APPLICATION_ID or (not program and found and names >= _FIRST_TABLES)
    if not (is_new or is_ours):
        raise DatabaseForeign(path=str(path))
    if known is not None and found > known:
        raise DatabaseNewer(path=str(path), found=found, known=known)


async def _version_of(connection: aiosqlite.Connection) -> int:
    """How many steps this database has run; 0 for an empty file."""
    [row] = await connection.execute_fetchall("PRAGMA user_version")
    return int(row[0])


async def migrate(connection: aiosqlite.Connection, path: Path, steps: tuple[Step, ...]) -> None:
    """Run the steps that this database lacks.

    Raises:
        DatabaseNewer: It has run steps this code does not know; the file is untouched.
        DatabaseDamaged: Rows point at rows that do not exist.
    """
    found = await _version_of(connection)
    if found > len(steps):
        raise DatabaseNewer(path=str(path), found=found, known=len(steps))
    pending = steps[found:]
    if pending and found:
        await _lay_copy(connection, path.with_name(f"{path.name}.v{found:04d}.backup"))
    for step in pending:
        await _run_step(connection, step)
        log.info("database migrated", step=step.path.stem)
    if pending and (orphans := list(await connection.execute_fetchall("PRAGMA foreign_key_check"))):
        raise DatabaseDamaged(path=str(path), detail=f"{len(orphans)} rows without their parents")


async def _run_step(connection: aiosqlite.Connection, step: Step) -> None:
    # One script with its own BEGIN and COMMIT: sqlite3's executescript would first commit one begun outside.
    script = step.path.read_text(encoding="utf-8")
    try:
        await connection.executescript(
            f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {step.number};\n"
            f"PRAGMA application_id = {APPLICATION_ID};\nCOMMIT;"
        )
    except BaseException:
        if connection.in_transaction:
            await connection.rollback()
        raise


async def _lay_copy(connection: aiosqlite.Connection, backup: Path) -> None:
    with replacing(backup) as draft:  # VACUUM INTO takes an empty file
        await connection.execute_fetchall("VACUUM INTO ?", (str(draft),))
    log.info("database copied before migration", backup=backup.name)
