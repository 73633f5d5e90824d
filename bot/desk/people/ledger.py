"""Credits of one person: the daily filling up, a job's charge, and what of it comes back.

Every movement is one ledger row and one account change in the same transaction, so their sums agree always.
"""

from collections.abc import Callable

from bot.desk.people.tiers import TierMembership
from bot.errors import NoCreditsLeft
from bot.policy.price import joint, renews_at_s, top_up
from bot.store import Store
from bot.store.rows import AccountRow, JobRow, LedgerKind


def refund_of(job: JobRow, kept: int) -> int:
    """Credits back for the pictures of a job that were not made; a broken credit goes to the person."""
    missing = job.count - kept
    return -(-job.price * missing // job.count)


class Ledger:
    """Moves credits; call it inside ``Store.atomic``, with the work that is paid."""

    def __init__(self, *, store: Store, tiers: TierMembership, clock: Callable[[], int]) -> None:
        self._store = store
        self._tiers = tiers
        self._clock = clock

    async def renew(self, person: int) -> AccountRow:
        """Give what was not given of today's allowance, and return what the person has.

        A clock that was set back gives nothing twice: days count only forward.
        """
        people, now_ms = self._store.people, self._clock()
        account = await people.account(person)
        daily = (await self._tiers.of(person)).daily_credits
        today_ends_s, given = renews_at_s(now_ms / 1_000), 0
        if today_ends_s <= account.renews_at_s:
            today_ends_s, given = account.renews_at_s, daily if account.given is None else account.given
            if daily <= given:
                return account
        await people.renew(person, today_ends_s, daily)
        if missing := top_up(account.credits, daily, given):
            await people.move_credits(person, LedgerKind.ALLOWANCE, missing, now_ms)
        return await people.account(person)

    async def join(self, gone: int, stays: int, code: str) -> None:
        """Make two people one, with one allowance; the ledger says what of the other one lapsed."""
        one, other = await self.renew(stays), await self.renew(gone)
        one_daily = (await self._tiers.of(stays)).daily_credits
        other_daily = (await self._tiers.of(gone)).daily_credits
        await self._store.links.merge(gone, stays, code)
        daily = (await self._tiers.of(stays)).daily_credits
        kept = joint(one.credits, one_daily, other.credits, other_daily, daily)
        await self._lapse(stays, one.credits + other.credits - kept)

    async def part(self, platform: str, user_id: str, person: int) -> int:
        """Make one name of a person somebody else, with nothing; what of a tier was its own lapses.

        Returns:
            The new person.
        """
        both = await self.renew(person)
        daily_of_both = (await self._tiers.of(person)).daily_credits
        alone = await self._store.links.split(platform, user_id, person, self._clock())
        daily = (await self._tiers.of(person)).daily_credits
        await self._lapse(person, both.credits - joint(both.credits, daily_of_both, 0, 0, daily))
        return alone

    async def _lapse(self, person: int, credits: int) -> None:
        """Take allowance that nobody is entitled to any more; the ledger says so."""
        if credits:
            await self._store.people.move_credits(person, LedgerKind.GRANT, -credits, self._clock())

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
        """Give back what the job's missing pictures cost; only the job's one end may ask for it.

        It goes to whom the job belongs to now: since it was claimed, its person may have been linked.
        """
        if (credits := refund_of(job, kept)) and (now := await self._store.jobs.find(job.id)):
            await self._store.people.move_credits(
                now.person, LedgerKind.REFUND, credits, self._clock(), job.id
            )
