"""One SQLite connection, and the only way to a transaction on it: ``Database.atomic``.

Every statement runs to its end even when its task is cancelled meanwhile, so the connection is idle whenever
the lock is free, and a cancelled task never leaves it inside a transaction. Statements outside ``atomic``
take the same lock: nobody reads what another task has not committed.
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
from bot.store.queries import load_queries
from engine.durable import is_disk_full

Value = str | int | float | None
Result = TypeVar("Result")

OF_THE_DISK = (
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
)
"""Failures that are no damage and no mistake of ours: they end when the host has made room."""

FULL_BELOW_BYTES = 2**20  # less is not even room for a transaction

OF_A_LOCK = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
"""Another connection, such as the host's own ``sqlite3`` shell, holds a lock; they end when it lets go."""


def code_of(error: sqlite3.Error) -> int:
    """SQLite's primary result code; SQLITE_CORRUPT where Python raised the error without one."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF


def shows_full_disk(error: Exception, folder: Path) -> bool:
    """Whether a failure of the database or a file in ``folder`` comes from a full disk.

    SQLite reports one as an I/O error where it cannot extend its shared memory, so free space decides there.
    """
    if isinstance(error, OSError):
        return is_disk_full(error)
    code = code_of(error) if isinstance(error, sqlite3.Error) else sqlite3.SQLITE_OK
    if code == sqlite3.SQLITE_IOERR:
        with contextlib.suppress(OSError):
            return shutil.disk_usage(folder).free < FULL_BELOW_BYTES
    return code == sqlite3.SQLITE_FULL


def operator_error(error: sqlite3.Error | UnicodeDecodeError | OSError, path: Path) -> OperatorError:
    """What the host has to do about a failure with the database at ``path``.

    Only damage is reported as damage: the advice for it costs the host a backup. Damage inside the schema's
    text reaches Python as a UnicodeDecodeError.
    """
    if shows_full_disk(error, path.parent):
        return DiskFull(path=str(path.parent))
    if isinstance(error, OSError):
        return FolderUnusable(path=str(path.parent), detail=error.strerror or str(error))
    if isinstance(error, sqlite3.Error) and (code := code_of(error)) in (*OF_THE_DISK, *OF_A_LOCK):
        if code in OF_A_LOCK:
            return DatabaseInUse(path=str(path))
        return FolderUnusable(path=str(path.parent), detail=str(error))
    detail = "its text is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
    return DatabaseDamaged(path=str(path), detail=detail)


async def to_the_end(work: Awaitable[Result]) -> Result:
    """Await ``work`` until it has ended, and only then let a cancellation through."""
    task = asyncio.ensure_future(work)
    interrupted = False
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            interrupted = True
    if interrupted:
        task.exception()  # seen: the cancellation matters more
        raise asyncio.CancelledError
    return task.result()


class Database:
    """Transactions and named statements over one connection, for one event loop."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection
        self._lock = asyncio.Lock()
        self._line = asyncio.Lock()  # in which all waits for the lock but what is urgent
        self._owner: asyncio.Task[Any] | None = None
        self._after_commit: list[Callable[[], None]] = []

    @asynccontextmanager
    async def atomic(self) -> AsyncIterator[None]:
        """Make everything in the block happen, or nothing.

        Other tasks wait outside. A block within a block of the same task is a savepoint: it may fail alone.
        Any exception rolls back, cancellation too. A task cancelled *while* the commit runs is cancelled
        after it: the work stands.

        Raises:
            CannotSave: The disk took nothing, or the database is locked, and nothing happened.
        """
        if self._owner is asyncio.current_task():
            async with self._savepoint():
                yield
            return
        async with self._line, self._lock:
            self._owner = asyncio.current_task()
            try:
                async with self._transaction():
                    yield
            finally:
                self._owner = None
                self._after_commit.clear()

    def after_commit(self, effect: Callable[[], None]) -> None:
        """Call ``effect`` as soon as the open transaction is committed, and never if it is not.

        For memory that must agree with the database, even if the task is cancelled at that very moment.
        """
        if self._owner is not asyncio.current_task():
            raise RuntimeError("after_commit needs a transaction of this task")
        self._after_commit.append(effect)

    async def rows(self, file_name: str, query: str, /, **values: Value) -> list[sqlite3.Row]:
        """Run the named statement of this file with ``:name`` values, and return all its rows.

        Raises:
            CannotSave: The disk took or gave nothing, or the database is locked, and nothing happened.
        """
        is_inside = self._owner is asyncio.current_task()
        async with contextlib.nullcontext() if is_inside else self._line:
            return await self.urgent_rows(file_name, query, **values)

    async def urgent_rows(self, file_name: str, query: str, /, **values: Value) -> list[sqlite3.Row]:
        """As ``rows``, but before all that waits already; only the open transaction is let end."""
        sql = load_queries(file_name)[query]
        if self._owner is asyncio.current_task():
            return await self._run(sql, values)
        async with self._lock:
            await self._undo_the_refused()
            return await self._run(sql, values)

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[None]:
        try:
            await self._undo_the_refused()
            await self._run("BEGIN IMMEDIATE")
            yield
            await to_the_end(self._commit())
        except BaseException:
            # A full disk may have ended the transaction already; so may the commit that a cancel interrupted.
            if self._connection.in_transaction:
                with contextlib.suppress(CannotSave):
                    await self._run("ROLLBACK")
            raise

    async def _undo_the_refused(self) -> None:
        """End a transaction that the disk refused to commit and then even to roll back."""
        if self._connection.in_transaction:
            await self._run("ROLLBACK")

    async def _commit(self) -> None:
        await self._execute("COMMIT", {})
        for effect in self._after_commit:
            effect()

    @asynccontextmanager
    async def _savepoint(self) -> AsyncIterator[None]:
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

    async def _run(self, sql: str, values: dict[str, Value] | None = None) -> list[sqlite3.Row]:
        return list(await to_the_end(self._execute(sql, values or {})))

    async def _execute(self, sql: str, values: dict[str, Value]) -> Iterable[sqlite3.Row]:
        try:
            return await self._connection.execute_fetchall(sql, values)
        except sqlite3.OperationalError as error:
            if code_of(error) in (*OF_THE_DISK, *OF_A_LOCK):
                raise CannotSave(detail=str(error)) from error
            raise
