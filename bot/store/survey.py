"""A summary of the database for the host: figures and violated invariants."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from bot.store.database import Database


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


async def survey(database: Database) -> Survey:
    """Read everything in one transaction, so that the figures are consistent."""
    query = partial(database.query, "survey.sql")
    async with database.atomic():
        [schema] = await query("schema")
        integrity = await query("integrity")
        orphans = await query("orphans")
        jobs = await query("jobs")
        [totals] = await query("totals")
        [unbalanced] = await query("unbalanced")
        [lost] = await query("lost_results")
    damage = [str(row[0]) for row in integrity if row[0] != "ok"]
    damage += [f"{row['table']} {row['rowid']} → {row['parent']}" for row in orphans]
    return Survey(
        schema=schema[0],
        jobs={row["state"]: row["count"] for row in jobs},
        damage=tuple(damage),
        unbalanced=unbalanced["count"],
        lost_results=lost["count"],
        **dict(totals),
    )
