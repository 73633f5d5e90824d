"""Opens the database and gives access to its queries."""

import asyncio
import sqlite3
from contextlib import AsyncExitStack
from pathlib import Path

import aiosqlite

from bot.errors import CannotSave
from bot.store.asking import AskingStore, ChatProfileStore
from bot.store.consent import Consents, OwnerReportQueue
from bot.store.continuing import EndedJobs, PictureMessages
from bot.store.database import Database, operator_error, run_to_completion
from bot.store.files.backup import has_database, naming_backup
from bot.store.files.lock import locked
from bot.store.files.migrate import migrate, read_migrations, require_ours
from bot.store.finding.queries import FindingQueries
from bot.store.hosting.alerts import AlertQueue
from bot.store.hosting.identities import IdentityStore
from bot.store.hosting.oversight import OversightStore
from bot.store.hosting.permissions import PermissionStore
from bot.store.hosting.service import ServiceStore
from bot.store.hosting.statistics import StatisticsStore
from bot.store.jobs import Inbox, Jobs, Outbox, StoredPictures
from bot.store.loras import LoraVerdicts, ShelfChanges
from bot.store.people import DefaultLoras, GrantStore, Links, People
from bot.store.survey import Survey, survey, survey_in_use
from engine.durable import create_file, make_folder

PRAGMAS = ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON")
"""FULL: what a person has read survives a power cut; a commit costs a millisecond, a picture seconds."""

BUSY_TIMEOUT_MS = 1_000  # only a host's sqlite3 shell holds the lock; a person gets an answer within 3 s


class Store(Database):
    """The open database. Close it: an unclosed connection keeps the process alive.

    Attributes:
        people: Identities, credits and the ledger.
        links: Links between identities, and their codes.
        jobs: Jobs, their origins and pictures.
        ended: What happens to jobs after their end: published, deleted, reported.
        inbox: Raw chat events.
        finding: The search, favourites and recipe codes.
        outbox: Results to deliver.
        pictures: The files of pictures: who names them, and which are loose.
        messages: The messages that show pictures.
        defaults: Default LoRAs.
        asking: What people always want, and their presets.
        profiles: What hosts decided for their chats.
        permissions: Who is a host, who may use the bot and who may not; what hosts did.
        grants: Credits a day that hosts give to people.
        identities: Who people are, as their platforms show them.
        oversight: All people at a glance.
        service: Whether a host has paused the drawing.
        statistics: What the bot did in a time, and what it refused.
        consents: Who may use which LoRA, and who has used it.
        owner_reports: Reports to the owners of LoRAs, until they are delivered.
        shelf_changes: What hosts changed on the shelf.
        verdicts: What trial pictures said about LoRA files.
        alerts: Alerts to hosts.
    """

    def __init__(self, connection: aiosqlite.Connection, path: Path, closing: AsyncExitStack) -> None:
        super().__init__(connection)
        self._path = path
        self._closing = closing
        self.people = People(self)
        self.links = Links(self)
        self.jobs = Jobs(self)
        self.ended = EndedJobs(self)
        self.inbox = Inbox(self)
        self.finding = FindingQueries(self)
        self.outbox = Outbox(self)
        self.pictures = StoredPictures(self)
        self.messages = PictureMessages(self)
        self.defaults = DefaultLoras(self)
        self.asking = AskingStore(self)
        self.profiles = ChatProfileStore(self)
        self.permissions = PermissionStore(self)
        self.grants = GrantStore(self)
        self.identities = IdentityStore(self)
        self.oversight = OversightStore(self)
        self.service = ServiceStore(self)
        self.statistics = StatisticsStore(self)
        self.consents = Consents(self)
        self.owner_reports = OwnerReportQueue(self)
        self.shelf_changes = ShelfChanges(self)
        self.verdicts = LoraVerdicts(self)
        self.alerts = AlertQueue(self)

    async def respond(self) -> None:
        """Return when the database has answered a query.

        Raises:
            CannotSave: It cannot be read now.
        """
        await self.query("survey.sql", "schema")

    async def survey(self) -> Survey:
        """Count the contents and check that they are sound; reads the whole file.

        Raises:
            OperatorError: DatabaseDamaged, DiskFull, FolderUnusable or, while another program locks it,
                DatabaseInUse.
        """
        try:
            return await survey(self)
        except CannotSave as error:
            cause = error.__cause__
            assert isinstance(cause, sqlite3.Error)  # noqa: S101 - Database raises no other
            raise operator_error(cause, self._path) from error
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            raise operator_error(error, self._path) from error

    async def survey_aside(self) -> Survey:
        """As ``survey``, on a connection of its own that only reads, so that nobody waits for it."""
        try:
            return await asyncio.to_thread(survey_in_use, self._path)
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            raise operator_error(error, self._path) from error

    async def close(self) -> None:
        """Write the log back into the file, close it and release its lock.

        The database is closed when this returns, even if the task is cancelled meanwhile.
        """
        await run_to_completion(self._closing.aclose())


async def open_store(path: Path, migrations_dir: Path) -> Store:
    """Open the database for this process alone; create or migrate it if necessary.

    Raises:
        DatabaseInUse: Another process has it; end that one.
        DatabaseNewer: A newer version of the bot wrote it; start that one. The file is unchanged.
        DatabaseDamaged: The file is damaged; restore a backup.
        DatabaseLost: The file is missing or empty, although a bot has run here; nothing was created.
        DatabaseForeign: It belongs to another program; the file is unchanged.
        DiskFull: The host makes room.
        FolderUnusable: We may not write in the folder.
    """
    migrations = await asyncio.to_thread(read_migrations, migrations_dir)
    with naming_backup():  # it blocks only if the start ends here
        async with AsyncExitStack() as opening:
            try:
                await asyncio.to_thread(make_folder, path.parent)
                opening.enter_context(locked(path))
                await asyncio.to_thread(has_database, path)
                await asyncio.to_thread(require_ours, path, len(migrations))
                await asyncio.to_thread(create_file, path)  # SQLite would give it the umask's mode
                connection = aiosqlite.connect(path, isolation_level=None)
                opening.push_async_callback(connection.close)
                # A cancelled start would leave the connection without owner.
                await run_to_completion(connection)
                connection.row_factory = sqlite3.Row
                await connection.execute_fetchall(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
                await _require_intact(connection)
                await migrate(connection, path, migrations)
                for pragma in PRAGMAS:
                    await connection.execute_fetchall(f"PRAGMA {pragma}")
            except (sqlite3.DatabaseError, UnicodeDecodeError, OSError) as error:
                raise operator_error(error, path) from error
            return Store(connection, path, opening.pop_all())


async def _require_intact(connection: aiosqlite.Connection) -> None:
    [verdict] = await connection.execute_fetchall("PRAGMA quick_check(1)")
    if verdict[0] != "ok":
        raise sqlite3.DatabaseError(verdict[0])
