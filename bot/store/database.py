"""Transactions and named statements on one SQLite connection.

A statement always runs to completion, even if its task is cancelled, so a cancelled task never leaves the
connection inside a transaction. Statements outside ``atomic`` take the same lock: no task reads what another
task has not committed.
"""

import asyncio
import contextlib
import shutil
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite

from bot.errors import CannotSave, DatabaseDamaged, DatabaseInUse, DiskFull, FolderUnusable, OperatorError
from bot.store.statements import load_statements
from engine.durable import is_disk_full

Value = str | int | float | None
Result = TypeVar("Result")

DISK_ERRORS = (
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
)
"""The disk refuses: the file is not damaged, and the error ends when the host fixes the disk."""

FULL_BELOW_BYTES = 2**20  # too little for a transaction

LOCK_ERRORS = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
"""Another connection, such as the host's ``sqlite3`` shell, holds a lock; the error ends with the lock."""


def primary_code(error: sqlite3.Error) -> int:
    """Return SQLite's primary result code; SQLITE_CORRUPT if Python raised the error without a code."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF


def means_full_disk(error: Exception, folder: Path) -> bool:
    """Whether an error of the database, or of a file in ``folder``, means that the disk is full.

    SQLite reports an I/O error if it cannot extend its shared memory; then the free space decides.
    """
    if isinstance(error, OSError):
        return is_disk_full(error)
    code = primary_code(error) if isinstance(error, sqlite3.Error) else sqlite3.SQLITE_OK
    if code == sqlite3.SQLITE_IOERR:
        with contextlib.suppress(OSError):
            return shutil.disk_usage(folder).free < FULL_BELOW_BYTES
    return code == sqlite3.SQLITE_FULL


def operator_error(error: sqlite3.Error | UnicodeDecodeError | OSError, path: Path) -> OperatorError:
    """Return the error that tells the host what to do about a failure of the database at ``path``.

    Only damage becomes DatabaseDamaged, because its advice is to restore a backup. Damage inside the schema's
    text reaches Python as a UnicodeDecodeError.
    """
    if means_full_disk(error, path.parent):
        return DiskFull(path=str(path.parent))
    if isinstance(error, OSError):
        return FolderUnusable(path=str(path.parent), detail=error.strerror or str(error))
    if isinstance(error, sqlite3.Error) and (code := primary_code(error)) in (*DISK_ERRORS, *LOCK_ERRORS):
        if code in LOCK_ERRORS:
            return DatabaseInUse(path=str(path))
        return FolderUnusable(path=str(path.parent), detail=str(error))
    detail = "its text is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
    return DatabaseDamaged(path=str(path), detail=detail)


async def run_to_completion(work: Awaitable[Result], effects: Iterable[Callable[[], None]] = ()) -> Result:
    """Await ``work`` until it ends; call ``effects`` unless it failed; only then raise a cancellation."""
    task = asyncio.ensure_future(work)
    interrupted = False
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            interrupted = True
    if task.exception() is None:  # marks a failure as retrieved, because a cancellation replaces it
        for effect in effects:
            effect()
    if interrupted:
        raise asyncio.CancelledError
    return task.result()


class Database:
    """Transactions and named statements over one connection, for one event loop."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection
        self._lock = asyncio.Lock()
        self._queue = asyncio.Lock()  # held while waiting for the lock; urgent statements skip it
        self._owner: asyncio.Task[Any] | None = None
        self._after_commit: list[Callable[[], None]] = []

    @asynccontextmanager
    async def atomic(self) -> AsyncIterator[None]:
        """Make everything in the block happen, or nothing.

        Other tasks wait outside. A block within a block of the same task is a savepoint: it may fail alone.
        Any exception rolls back, cancellation too. A task that is cancelled during the commit ends cancelled
        after it, and its changes are committed.

        Raises:
            CannotSave: The disk refused, or the database is locked; nothing was changed.
        """
        if self._owner is asyncio.current_task():
            effects = len(self._after_commit)
            await self._run("SAVEPOINT part")
            try:
                yield
            except BaseException:
                del self._after_commit[effects:]
                if self._connection.in_transaction:
                    await self._run("ROLLBACK TO part")
                    await self._run("RELEASE part")
                raise
            await self._run("RELEASE part")
            return
        async with self._queue, self._lock:
            self._owner = asyncio.current_task()
            try:
                if self._connection.in_transaction:  # the disk refused its rollback
                    await self._run("ROLLBACK")
                await self._run("BEGIN IMMEDIATE")
                yield
                await self._run("COMMIT", effects=self._after_commit)
            except BaseException:
                # A full disk, or a commit whose task was cancelled, may have ended the transaction already.
                if self._connection.in_transaction:
                    with contextlib.suppress(CannotSave):
                        await self._run("ROLLBACK")
                raise
            finally:
                self._owner = None
                self._after_commit.clear()

    def after_commit(self, effect: Callable[[], None]) -> None:
        """Call ``effect`` as soon as the open transaction is committed, and never if it is not.

        For memory that must agree with the database, even if the task is cancelled during the commit.
        """
        if self._owner is not asyncio.current_task():
            raise RuntimeError("after_commit needs a transaction of this task")
        self._after_commit.append(effect)

    async def query(
        self, file_name: str, statement: str, is_urgent: bool = False, /, **values: Value
    ) -> list[sqlite3.Row]:
        """Run a named statement of a file with ``:name`` values, and return all its rows.

        An urgent statement overtakes all that wait; it still waits for the open transaction.

        Raises:
            CannotSave: The disk refused, or the database is locked; nothing was changed.
        """
        sql = load_statements(file_name)[statement]
        if self._owner is asyncio.current_task():
            return await self._run(sql, values)
        async with contextlib.nullcontext() if is_urgent else self._queue, self._lock:
            if self._connection.in_transaction:  # the disk refused its rollback
                await self._run("ROLLBACK")
            return await self._run(sql, values)

    async def _run(
        self, sql: str, values: dict[str, Value] | None = None, effects: Iterable[Callable[[], None]] = ()
    ) -> list[sqlite3.Row]:
        statement = self._connection.execute_fetchall(sql, values or {})
        try:
            return list(await run_to_completion(statement, effects))
        except sqlite3.OperationalError as error:
            if primary_code(error) in (*DISK_ERRORS, *LOCK_ERRORS):
                raise CannotSave(detail=str(error)) from error
            raise
