"""The state of the database as a whole, for the host: figures, and laws that are broken."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from bot.store.database import Database


@dataclass(frozen=True, slots=True)
class Survey:
    """What is in the database.

    Attributes:
        schema: The number of the newest migration it has seen.
        jobs: State → how many.
        credits: The sum over all people; ``ledger`` is the sum of the ledger and must equal it.
        damage: What SQLite finds wrong with the file, a line each; empty when it is sound.
        unbalanced: People whose credits are not what their ledger says; 0 unless somebody changed the file.
        untold: Ended jobs without an outbox row; likewise.
    """

    schema: int
    jobs: Mapping[str, int]
    people: int
    pictures: int
    credits: int
    ledger: int
    damage: tuple[str, ...]
    unbalanced: int
    untold: int

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.damage or self.unbalanced or self.untold)


async def survey(database: Database) -> Survey:
    """Ask everything in one transaction, so that the figures belong together."""
    ask = partial(database.rows, "survey.sql")
    async with database.atomic():
        [schema] = await ask("schema")
        integrity = await ask("integrity")
        strays = await ask("strays")
        jobs = await ask("jobs")
        [sums] = await ask("sums")
        [unbalanced] = await ask("unbalanced")
        [untold] = await ask("untold")
    damage = [str(row[0]) for row in integrity if row[0] != "ok"]
    damage += [f"{row['table']} {row['rowid']} → {row['parent']}" for row in strays]
    return Survey(
        schema=schema[0],
        jobs={row["state"]: row["count"] for row in jobs},
        damage=tuple(damage),
        unbalanced=unbalanced["count"],
        untold=untold["count"],
        **dict(sums),
    )
