"""Credits a day that hosts give to people. Queries of grants.sql."""

from functools import partial

from bot.store.database import Database


class GrantStore:
    """Queries on daily_grant; call what changes something in the transaction of its event."""

    def __init__(self, database: Database) -> None:
        self._query = partial(database.query, "grants.sql")

    async def daily(self, person: int, now_ms: int) -> int:
        """Return the credits that a host gives this person a day; 0 for none."""
        rows = await self._query("daily_grant", person=person, now_ms=now_ms)
        return int(rows[0]["credits"]) if rows else 0

    async def set_daily(self, person: int, credits: int, until_ms: int, at_ms: int, decided_by: str) -> None:
        """Give a person credits a day; it replaces an earlier grant."""
        await self._query(
            "save_daily_grant",
            person=person,
            credits=credits,
            until_ms=until_ms,
            at_ms=at_ms,
            decided_by=decided_by,
        )

    async def end_daily(self, person: int) -> bool:
        """Let the usual allowance hold again; False if there was no grant."""
        return bool(await self._query("delete_daily_grant", person=person))

    async def merge(self, merged: int, kept: int) -> None:
        """Let person ``kept`` have the larger grant of both."""
        await self._query("merge_daily_grants", merged=merged, kept=kept)
        await self._query("delete_daily_grant", person=merged)
