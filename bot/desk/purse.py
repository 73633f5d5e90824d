"""Credits of one person: the daily filling up, a job's charge, and what of it comes back.

Every movement is one ledger row and one account change in the same transaction, so their sums agree always.
"""

from collections.abc import Callable

from bot.errors import NoCreditsLeft
from bot.policy.price import renews_at_s, top_up
from bot.policy.rules import Rules
from bot.store import Store
from bot.store.rows import AccountRow, JobRow, LedgerKind


def refund_of(job: JobRow, kept: int) -> int:
    """Credits back for the pictures of a job that were not made; a broken credit goes to the person."""
    missing = job.count - kept
    return -(-job.price * missing // job.count)


class Purse:
    """Moves credits; call it inside ``Store.atomic``, with the work that is paid."""

    def __init__(self, *, store: Store, rules: Rules, clock: Callable[[], int]) -> None:
        self._store = store
        self._rules = rules
        self._clock = clock

    async def renew(self, person: int) -> AccountRow:
        """Give today's allowance if it was not given, and return what the person has.

        A clock that was set back gives nothing twice: days count only forward.
        """
        people, now_ms = self._store.people, self._clock()
        account = await people.account(person)
        today_ends_s = renews_at_s(now_ms / 1_000)
        if today_ends_s <= account.renews_at_s:
            return account
        await people.renew(person, today_ends_s)
        if missing := top_up(account.credits, self._rules.daily_credits):
            await people.move_credits(person, LedgerKind.ALLOWANCE, missing, now_ms)
        return await people.account(person)

    async def charge(self, job: JobRow) -> int:
        """Take the job's price; the credits left.

        Raises:
            NoCreditsLeft: The person has too few; roll the job back.
        """
        account = await self.renew(job.person)
        paid = await self._store.people.move_credits(
            job.person, LedgerKind.CHARGE, -job.price, self._clock(), job.id
        )
        if not paid:
            raise NoCreditsLeft(price=job.price, credits=account.credits, renews_at_s=account.renews_at_s)
        return account.credits - job.price

    async def refund(self, job: JobRow, kept: int) -> None:
        """Give back what the job's missing pictures cost; only the job's one end may ask for it."""
        if credits := refund_of(job, kept):
            await self._store.people.move_credits(
                job.person, LedgerKind.REFUND, credits, self._clock(), job.id
            )
