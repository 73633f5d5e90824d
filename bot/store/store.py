"""Open the database, and hold what is asked of it: people, links, jobs, post, defaults."""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path

import aiosqlite

from bot.errors import CannotSave
from bot.store.database import Database, operator_error, to_the_end
from bot.store.defaults import DefaultLoras
from bot.store.files.lock import locked
from bot.store.files.migrate import migrate, read_steps, require_ours
from bot.store.jobs import Jobs
from bot.store.links import Links
from bot.store.people import People
from bot.store.post import Post
from bot.store.survey import Survey, survey
from engine.durable import create_file, make_folder

PRAGMAS = ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON")
"""FULL: what a person was told survives a power cut; a commit costs a millisecond, a picture seconds."""

BUSY_TIMEOUT_MS = 1_000  # only a host's own sqlite3 shell makes us wait; a person is answered within 3 s


class Store:
    """The open database. Close it: an unclosed connection keeps the process from ending.

    Attributes:
        people: Identities, credits and the ledger.
        links: Identities that are one person.
        jobs: Jobs, their origins and pictures.
        post: Outbox and inbox.
        defaults: Default LoRAs.
    """

    def __init__(self, database: Database, path: Path, closing: AsyncExitStack) -> None:
        self._database = database
        self._path = path
        self._closing = closing
        self.people = People(database)
        self.links = Links(database)
        self.jobs = Jobs(database)
        self.post = Post(database)
        self.defaults = DefaultLoras(database)

    def atomic(self) -> AbstractAsyncContextManager[None]:
        """Make everything in the block happen, or nothing; see ``Database.atomic``."""
        return self._database.atomic()

    def after_commit(self, effect: Callable[[], None]) -> None:
        """Call ``effect`` exactly when the open transaction is committed; see ``Database.after_commit``."""
        self._database.after_commit(effect)

    async def survey(self) -> Survey:
        """Count what is there and check that it is sound; reads the whole file.

        Raises:
            OperatorError: DatabaseDamaged, DiskFull, FolderUnusable or, while another program locks it,
                DatabaseInUse.
        """
        try:
            return await survey(self._database)
        except CannotSave as error:
            cause = error.__cause__
            assert isinstance(cause, sqlite3.Error)  # noqa: S101 - Database raises no other
            raise operator_error(cause, self._path) from error
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            raise operator_error(error, self._path) from error

    async def close(self) -> None:
        """Close the database, its log folded back into the file, and let another process have it.

        It is closed when this returns, also if the task is cancelled meanwhile.
        """
        await to_the_end(self._closing.aclose())


async def open_store(path: Path, migrations_dir: Path) -> Store:
    """Open the database for this process alone, made or migrated where needed.

    Raises:
        DatabaseInUse: Another process has it; end that one.
        DatabaseNewer: A newer version of the bot wrote it; start that one. The file is untouched.
        DatabaseDamaged: It is no intact database; put the backup in its place.
        DatabaseForeign: It is another program's; the file is untouched.
        DiskFull: The host makes room.
        FolderUnusable: The folder is not ours to write in.
    """
    steps = await asyncio.to_thread(read_steps, migrations_dir)
    async with AsyncExitStack() as opening:
        try:
            await asyncio.to_thread(make_folder, path.parent)
            opening.enter_context(locked(path))
            await asyncio.to_thread(require_ours, path, len(steps))
            await asyncio.to_thread(create_file, path)  # SQLite would give it the umask's mode
            connection = aiosqlite.connect(path, isolation_level=None)
            opening.push_async_callback(connection.close)
            await to_the_end(connection)  # a cancel in its middle would leave the connection to nobody
            connection.row_factory = sqlite3.Row
            await _check(connection)
            await migrate(connection, path, steps)
            for pragma in PRAGMAS:
                await connection.execute_fetchall(f"PRAGMA {pragma}")
        except (sqlite3.DatabaseError, UnicodeDecodeError, OSError) as error:
            raise operator_error(error, path) from error
        return Store(Database(connection), path, opening.pop_all())


async def _check(connection: aiosqlite.Connection) -> None:
    await connection.execute_fetchall(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    [verdict] = await connection.execute_fetchall("PRAGMA quick_check(1)")
    if verdict[0] != "ok":
        raise sqlite3.DatabaseError(verdict[0])
