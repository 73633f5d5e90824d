"""People and their credits. Every method belongs inside ``atomic`` with the work it pays for."""

from functools import partial

from bot.store.database import Database
from bot.store.rows import AccountRow, LedgerKind


class People:
    """Queries on person, identity, account and ledger."""

    def __init__(self, database: Database) -> None:
        self._ask = partial(database.rows, "people.sql")

    async def find(self, platform: str, user_id: str) -> int | None:
        """The person behind this identity, if the application ever met one."""
        rows = await self._ask("find_person", platform=platform, user_id=user_id)
        return rows[0][0] if rows else None

    async def meet(self, platform: str, user_id: str, name: str, locale: str, now_ms: int) -> int:
        """The person behind this identity, made on first sight; name and language are brought up to date."""
        known = await self.find(platform, user_id)
        identity = {"platform": platform, "user_id": user_id, "name": name, "locale": locale}
        if known is not None:
            await self._ask("rename_identity", **identity)
            return known
        [(person,)] = await self._ask("add_person", now_ms=now_ms)
        await self._ask("add_account", person=person)
        await self._ask("add_identity", person=person, **identity)
        return int(person)

    async def account(self, person: int) -> AccountRow:
        """What this person has."""
        [row] = await self._ask("account", person=person)
        return AccountRow(**dict(row))

    async def renew(self, person: int, renews_at_s: int, given: int) -> None:
        """Note until when how much of the daily allowance is given."""
        await self._ask("renew", person=person, renews_at_s=renews_at_s, given=given)

    async def move_credits(
        self, person: int, kind: LedgerKind, credits: int, at_ms: int, job: str | None = None
    ) -> bool:
        """Add signed ``credits`` to account and ledger; False, and nothing moved, when there are too few."""
        if not await self._ask("move_credits", person=person, credits=credits):
            return False
        await self._ask("write_ledger", person=person, job=job, kind=kind, credits=credits, at_ms=at_ms)
        return True
