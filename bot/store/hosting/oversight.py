"""Everybody at a glance: people with their credits and jobs, and what hosts did. Queries of oversight.sql."""

import json
from dataclasses import dataclass, fields
from functools import partial

from bot.store.database import Database
from bot.store.hosting.permissions import HostActionRow
from bot.store.rows import AccountRow

_LIKE_SIGNS = str.maketrans({sign: f"!{sign}" for sign in "%_!"})


@dataclass(frozen=True, slots=True)
class PersonRow:
    """A person with credits and jobs.

    Attributes:
        platform: Where the last job was asked for; empty without one.
        last_ms: When that was; None without one.
        jobs_since: Accepted since the moment that was asked for.
        unfinished: That wait or are drawn.
    """

    account: AccountRow
    platform: str
    last_ms: int | None
    jobs_since: int
    unfinished: int


class OversightStore:
    """Queries over all people."""

    def __init__(self, database: Database) -> None:
        self._query = partial(database.query, "oversight.sql")

    async def count_people(self, search: str) -> int:
        """Return how many people have a name or an id that contains a text; an empty one is in all."""
        [row] = await self._query("count_people", pattern=_pattern(search))
        return int(row["total"])

    async def people(self, search: str, since_ms: int, limit: int, offset: int) -> tuple[PersonRow, ...]:
        """Return some of them, who asked last first, with their jobs since a moment."""
        rows = await self._query(
            "people_page", pattern=_pattern(search), since_ms=since_ms, limit=limit, offset=offset
        )
        return tuple(
            PersonRow(
                AccountRow(**{each.name: row[each.name] for each in fields(AccountRow)}),
                row["platform"] or "",
                row["last_ms"],
                row["jobs_since"],
                row["unfinished"],
            )
            for row in rows
        )

    async def count_actions(self) -> int:
        """Return how often hosts did something."""
        [row] = await self._query("count_host_actions")
        return int(row["total"])

    async def actions(self, limit: int, offset: int) -> tuple[tuple[HostActionRow, str], ...]:
        """Return what hosts did, the newest first, and the host's name as the platform shows it."""
        rows = [dict(row) for row in await self._query("host_actions_page", limit=limit, offset=offset)]
        names = [str(row.pop("name")) for row in rows]
        found = [HostActionRow(**row | {"detail": json.loads(row["detail"])}) for row in rows]
        return tuple(zip(found, names, strict=True))


def _pattern(search: str) -> str:
    return f"%{search.translate(_LIKE_SIGNS)}%" if search else "%"
