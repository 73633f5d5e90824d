"""A summary of the database for the host: figures and violated invariants."""

import contextlib
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.errors import DatabaseMissing, Problem
from bot.store.database import Database, operator_error
from bot.store.files.backup import has_database, naming_backup
from bot.store.files.migrate import open_in_use, require_ours
from bot.store.statements import load_statements

_STATEMENTS = ("schema", "integrity", "orphans", "jobs", "totals", "unbalanced", "lost_results")


@dataclass(frozen=True, slots=True)
class Survey:
    """Figures of the database and what is wrong with it.

    Attributes:
        schema: The number of the newest migration it has seen.
        jobs: State → number of jobs.
        credits: The sum over all people; ``ledger`` is the sum of the ledger and must equal it.
        damage: What SQLite finds wrong with the file, one line each.
        unbalanced: People whose credits differ from their ledger; 0 unless somebody changed the file.
        lost_results: Ended jobs without an outbox row; 0 unless somebody changed the file.
    """

    schema: int
    jobs: Mapping[str, int]
    people: int
    pictures: int
    credits: int
    ledger: int
    damage: tuple[str, ...]
    unbalanced: int
    lost_results: int

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.damage or self.unbalanced or self.lost_results)

    def problems(self) -> tuple[Problem, ...]:
        """Return what is wrong, for ``bot.messages``."""
        found = [Problem("database_damage", {"detail": line}) for line in self.damage]
        for code, count in (("unbalanced", self.unbalanced), ("lost_results", self.lost_results)):
            found += [Problem(code, {"count": count})] if count else []
        return tuple(found)


def survey_file(connection: sqlite3.Connection) -> Survey:
    """Read everything of a file that nobody else uses, such as a copy. Blocking.

    Raises:
        sqlite3.DatabaseError: The file is too damaged to be read.
    """
    connection.row_factory = sqlite3.Row
    statements = load_statements("survey.sql")
    return _summarize({name: connection.execute(statements[name]).fetchall() for name in _STATEMENTS})


def survey_in_use(path: Path) -> Survey:
    """Read everything of a file that others use, as it is at one moment. Blocking.

    Raises:
        sqlite3.DatabaseError: The file is too damaged to be read, or locked.
    """
    with contextlib.closing(open_in_use(path)) as connection:
        connection.execute("BEGIN")  # it sees no later change, and nobody waits for it
        return survey_file(connection)


def survey_at(path: Path, known: int) -> Survey:
    """Read everything of the host's database, in use or not; nothing creates or migrates it. Blocking.

    Raises:
        DatabaseMissing: There is no database.
        DatabaseLost: The file is missing or empty, although a bot has run here.
        DatabaseForeign: It belongs to another program.
        DatabaseNewer: It has more than ``known`` migrations.
        DatabaseDamaged, DatabaseInUse, FolderUnusable: It cannot be read.
    """
    if not has_database(path):
        raise DatabaseMissing(path=str(path))
    require_ours(path, known)
    with naming_backup():
        try:
            return survey_in_use(path)
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            raise operator_error(error, path) from error


async def survey(database: Database) -> Survey:
    """Read everything in one transaction, so that the figures are consistent."""
    async with database.atomic():
        return _summarize({name: await database.query("survey.sql", name) for name in _STATEMENTS})


def _summarize(found: Mapping[str, Sequence[sqlite3.Row]]) -> Survey:
    damage = [str(row[0]) for row in found["integrity"] if row[0] != "ok"]
    damage += [f"{row['table']} {row['rowid']} → {row['parent']}" for row in found["orphans"]]
    return Survey(
        schema=found["schema"][0][0],
        jobs={row["state"]: row["count"] for row in found["jobs"]},
        damage=tuple(damage),
        unbalanced=found["unbalanced"][0]["count"],
        lost_results=found["lost_results"][0]["count"],
        **dict(found["totals"][0]),
    )
