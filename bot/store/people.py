"""People and their credits. Call every method in the transaction of the work that it pays for."""

from functools import partial

from bot.store.database import Database
from bot.store.rows import AccountRow, LedgerKind


class People:
    """Queries on person, identity, account and ledger."""

    def __init__(self, database: Database) -> None:
        self._query = partial(database.query, "people.sql")

    async def find(self, platform: str, user_id: str) -> int | None:
        """Return the person behind this identity, if it is known."""
        rows = await self._query("find_person", platform=platform, user_id=user_id)
        return rows[0]["person"] if rows else None

    async def find_or_create(self, platform: str, user_id: str, name: str, locale: str, now_ms: int) -> int:
        """Return the person behind this identity, created if new; update their name and language."""
        identity = {"platform": platform, "user_id": user_id, "name": name, "locale": locale}
        if rows := await self._query("find_person", platform=platform, user_id=user_id):
            await self._query("update_identity", **identity)
            return int(rows[0]["person"])
        [(person,)] = await self._query("add_person", now_ms=now_ms)
        await self._query("add_account", person=person)
        await self._query("add_identity", person=person, **identity)
        return int(person)

    async def account(self, person: int) -> AccountRow:
        """Return this person's credits."""
        [row] = await self._query("find_account", person=person)
        return AccountRow(**dict(row))

    async def renew(self, person: int, renews_at_s: int, given: int) -> None:
        """Store how much of the daily allowance is given, and until when it counts."""
        await self._query("set_allowance", person=person, renews_at_s=renews_at_s, given=given)

    async def move_credits(
        self, person: int, kind: LedgerKind, credits: int, at_ms: int, job: str | None = None
    ) -> bool:
        """Add signed ``credits`` to account and ledger; False, with nothing changed, if there are too few."""
        if not await self._query("move_credits", person=person, credits=credits):
            return False
        await self._query("add_ledger_entry", person=person, job=job, kind=kind, credits=credits, at_ms=at_ms)
        return True
