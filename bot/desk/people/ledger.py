"""Credits of one person: the daily allowance, charges and refunds; and the tiers that the host named.

Every movement is one ledger row and one account change in the same transaction, so their sums always agree.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace

from bot.errors import NoCreditsLeft
from bot.outcomes import CommandContext
from bot.policy.live import LiveRules
from bot.policy.rules import DAY_S, Entitlement, Rules, joint, refund, renews_at_s, top_up
from bot.store import Store
from bot.store.rows import AccountRow, JobRow, LedgerKind

NOTED_MS = 86_400_000


class TierMembership:
    """Finds people in the host's tiers, under each of their identities, and what hosts grant them a day.

    Attributes:
        weights: Each person's share of the card, as ``entitlement_of`` last found it; only people of the
            tiers, who are few. Everybody else has the usual share, 1.
    """

    def __init__(self, *, store: Store, rules: LiveRules, clock: Callable[[], int]) -> None:
        self._store = store
        self._rules = rules
        self._clock = clock
        self._noted: dict[str, dict[str, tuple[int, frozenset[str]]]] = {}
        self.weights: dict[int, int] = {}

    def note(self, context: CommandContext) -> None:
        """Remember the roles and groups of tiers that a person has; they count for a day, also elsewhere."""
        if context.groups is None:
            return
        identity, space = f"{context.platform}:{context.user_id}", context.space_id
        held = self._rules.now.tier_groups.intersection(context.groups)
        noted = self._noted.get(identity, {})
        noted = {name: value for name, value in noted.items() if name != space}
        if held:
            noted[space] = (self._clock(), held)
        if noted:
            self._noted[identity] = noted
        else:
            self._noted.pop(identity, None)

    def _groups_of(self, identities: Iterable[str]) -> frozenset[str]:
        since_ms = self._clock() - NOTED_MS
        noted = [value for identity in identities for value in self._noted.get(identity, {}).values()]
        return frozenset(group for at_ms, groups in noted if at_ms > since_ms for group in groups)

    async def load(self) -> None:
        """Find the people of all tiers: before stored jobs join the queue again, and when tiers change."""
        rules = self._rules.now
        names = [name for tier in rules.tiers for name in tier.people]
        self.weights.clear()  # the queue has this mapping; a request that comes meanwhile may add to it
        found: defaultdict[int, list[str]] = defaultdict(list)
        for person, name in await self._store.links.people_of(names):
            found[person].append(name)
        for person, named in found.items():
            self.weights[person] = rules.entitlement_of(named).weight

    async def entitlement_of(self, account: AccountRow) -> Entitlement:
        """Return what the person is entitled to now; linking and grants may change it."""
        rules = self._rules.now
        entitlement = Entitlement(daily_credits=rules.daily_credits)
        if rules.tiers:
            entitlement = await self._of_tiers(account.person, rules)
        granted = account.granted if account.granted_until_ms > self._clock() else 0
        return replace(entitlement, daily_credits=max(entitlement.daily_credits, granted))

    async def _of_tiers(self, person: int, rules: Rules) -> Entitlement:
        usual = rules.entitlement_of(())
        identities = await self._store.links.identities_of(person)
        names = [f"{platform}:{user_id}" for platform, user_id in identities]
        entitlement = rules.entitlement_of(names, self._groups_of(names))
        if entitlement.weight == usual.weight:
            self.weights.pop(person, None)
        else:
            self.weights[person] = entitlement.weight
        return entitlement


class Ledger:
    """Moves credits. Call it inside ``Store.atomic``, together with the work that is paid."""

    def __init__(self, *, store: Store, tiers: TierMembership, clock: Callable[[], int]) -> None:
        self._store = store
        self._tiers = tiers
        self._clock = clock

    async def renew(self, person: int) -> AccountRow:
        """Add what is missing of today's allowance, and return the account.

        A clock that is set back by a day adds nothing twice: days count only forward. After a clock that was
        further ahead only the present day counts as given, or the person would wait for its date.
        """
        people, now_ms = self._store.people, self._clock()
        account = await people.account(person)
        daily = (await self._tiers.entitlement_of(account)).daily_credits
        if now_ms < 1_000 * account.renews_at_s:
            today_ends_s, given = account.renews_at_s, daily if account.given is None else account.given
            if 1_000 * today_ends_s > now_ms + 2_000 * DAY_S:  # tomorrow begins within one day
                today_ends_s = renews_at_s(now_ms / 1_000)
            elif daily <= given:
                return account
        else:
            today_ends_s, given = renews_at_s(now_ms / 1_000), 0
        await people.renew(person, today_ends_s, max(daily, given))
        if missing := top_up(account.credits, daily, given):
            await people.move_credits(person, LedgerKind.ALLOWANCE, missing, now_ms)
        return await people.account(person)

    async def transferable(self, person: int) -> int:
        """Return how many of a person's credits may become another person's; call ``renew`` before.

        They are above the daily allowance, and were granted or given: refunds that came after a renewal are
        above it, too, but come from it.
        """
        account = await self._store.people.account(person)
        daily = (await self._tiers.entitlement_of(account)).daily_credits
        granted = await self._store.people.granted_in_all(person)
        return max(0, min(account.credits - daily, granted))

    async def link(self, gone: int, stays: int, code: str) -> None:
        """Make two people one, with one allowance; a ledger row says how much of the other lapses."""
        one, other = await self.renew(stays), await self.renew(gone)
        one_daily = (await self._tiers.entitlement_of(one)).daily_credits
        other_daily = (await self._tiers.entitlement_of(other)).daily_credits
        await self._store.asking.merge(gone, stays)
        await self._store.grants.merge(gone, stays, self._clock())
        await self._store.links.merge(gone, stays, code)
        both = await self._store.people.account(stays)
        daily = (await self._tiers.entitlement_of(both)).daily_credits
        kept = joint(one.credits, one_daily, other.credits, other_daily, daily)
        await self._lapse(stays, one.credits + other.credits - kept)

    async def unlink(self, platform: str, user_id: str, person: int) -> int:
        """Make one identity of a person a new person without credits; what its tier had added lapses.

        Returns:
            The new person.
        """
        both = await self.renew(person)
        daily_of_both = (await self._tiers.entitlement_of(both)).daily_credits
        alone = await self._store.links.split(platform, user_id, person, self._clock())
        daily = (await self._tiers.entitlement_of(both)).daily_credits
        await self._lapse(person, both.credits - joint(both.credits, daily_of_both, 0, 0, daily))
        return alone

    async def _lapse(self, person: int, credits: int) -> None:
        """Remove credits that nobody is entitled to any more, with a ledger row."""
        if credits:
            await self._store.people.move_credits(person, LedgerKind.GRANT, -credits, self._clock())

    async def charge(self, job: JobRow) -> int:
        """Charge the job's price, and return the credits left.

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

    async def refund(self, job: JobRow, missing: int, *, is_cancelled: bool) -> int:
        """Refund the ``missing`` pictures of an ended job, and return the credits. Call it once for a job.

        The refund goes to the job's present person: since it was taken, its person may have been linked.
        """
        credits = refund(job.price, job.recipe.count, missing, is_cancelled=is_cancelled)
        if credits and (stored := await self._store.jobs.find(job.id)):
            await self._store.people.move_credits(
                stored.person, LedgerKind.REFUND, credits, self._clock(), job.id
            )
        return credits
