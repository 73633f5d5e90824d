"""Who people are, as their platforms show them. Queries of hosting.sql."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from bot.store.database import Database


@dataclass(frozen=True, slots=True)
class IdentityRow:
    """One identity of a person; ``name`` is what the platform shows, and may be empty."""

    person: int
    platform: str
    user_id: str
    name: str


class IdentityStore:
    """Queries on identity."""

    def __init__(self, database: Database) -> None:
        self._query = partial(database.query, "hosting.sql")

    async def named(self, platform: str, name: str) -> int | None:
        """Return the only person who has this name on a platform; None if nobody or several have it."""
        rows = await self._query("people_named", platform=platform, name=name)
        return int(rows[0]["person"]) if len(rows) == 1 else None

    async def of(self, people: Iterable[int]) -> tuple[IdentityRow, ...]:
        """Return all identities of these people."""
        rows = await self._query("identities_of_people", people=json.dumps(sorted(set(people))))
        return tuple(IdentityRow(**dict(row)) for row in rows)
