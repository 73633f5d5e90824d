"""What hosts see of everybody: people with their credits, jobs and bans, and what hosts did."""

from collections.abc import Callable, Iterable

from bot.commands.values import ListHostActions, ListPeople
from bot.desk.hosting.subjects import who_of
from bot.desk.people.ledger import TierMembership
from bot.outcomes import (
    BanShown,
    CommandContext,
    HostAction,
    HostActionListing,
    PeopleListing,
    PersonSummary,
    Who,
)
from bot.policy.live import LiveRules
from bot.policy.rules import DAY_S, is_host_identity, require_private_chat, top_up
from bot.store import Store
from bot.store.hosting.identities import IdentityRow
from bot.store.hosting.oversight import PersonRow

PAGE_LENGTH = 20


class Oversight:
    """Answers ``ListPeople`` and ``ListHostActions``; it changes nothing.

    Args:
        clock: UTC milliseconds.
    """

    def __init__(
        self, *, store: Store, rules: LiveRules, tiers: TierMembership, clock: Callable[[], int]
    ) -> None:
        self._store = store
        self._rules = rules
        self._tiers = tiers
        self._clock = clock

    async def list_people(self, command: ListPeople, context: CommandContext) -> PeopleListing:
        """Return one page of the people, who asked last first.

        Raises:
            NotInPublic: Others read this chat.
        """
        require_private_chat(command, context)
        now_s, found = self._clock() // 1_000, self._store.oversight
        today_ms = now_s // DAY_S * DAY_S * 1_000
        async with self._store.atomic():
            total = await found.count_people(command.search)
            page, pages = _page_of(command.page, total)
            offset = (page - 1) * PAGE_LENGTH
            rows = await found.people(command.search, today_ms, PAGE_LENGTH, offset)
            identities = await self._store.identities.of(row.account.person for row in rows)
            people = []
            for row in rows:
                theirs = [each for each in identities if each.person == row.account.person]
                people.append(await self._summary(row, theirs, now_s))
        return PeopleListing(tuple(people), command.search, page=page, pages=pages, total=total)

    async def list_actions(self, command: ListHostActions, context: CommandContext) -> HostActionListing:
        """Return one page of what hosts did, the newest first.

        Raises:
            NotInPublic: Others read this chat.
        """
        require_private_chat(command, context)
        async with self._store.atomic():
            total = await self._store.oversight.count_actions()
            page, pages = _page_of(command.page, total)
            rows = await self._store.oversight.actions(PAGE_LENGTH, (page - 1) * PAGE_LENGTH)
        actions = (
            HostAction(
                row.at_ms // 1_000,
                Who(f"{row.platform}:{row.user_id}", name),
                row.action,
                row.subject,
                row.detail,
            )
            for row, name in rows
        )
        return HostActionListing(tuple(actions), page=page, pages=pages, total=total)

    async def _summary(self, row: PersonRow, identities: list[IdentityRow], now_s: int) -> PersonSummary:
        entitled = await self._tiers.entitlement_of(row.account)
        account, daily = row.account, entitled.daily_credits
        given = daily if account.given is None else account.given
        given = given if account.renews_at_s > now_s else 0  # the next request adds today's allowance
        credits = account.credits + top_up(account.credits, daily, given)
        first = who_of(identities, row.platform)
        whole = [Who(f"{each.platform}:{each.user_id}", each.name) for each in identities]
        names = [first, *(who for who in whole if who != first)]
        return PersonSummary(
            identities=tuple(names),
            credits=credits,
            daily=daily,
            weight=entitled.weight,
            jobs_today=row.jobs_since,
            unfinished=row.unfinished,
            last_s=None if row.last_ms is None else row.last_ms // 1_000,
            is_host=any(is_host_identity(who.identity, self._rules.now) for who in names),
            ban=self._ban_of(names, now_s),
        )

    def _ban_of(self, names: Iterable[Who], now_s: int) -> BanShown | None:
        for who in names:
            ban = self._rules.now.bans.get(who.identity)
            if ban is not None and (ban.until_ms is None or ban.until_ms > now_s * 1_000):
                return BanShown(who, None if ban.until_ms is None else ban.until_ms // 1_000, ban.reason)
        return None


def _page_of(wanted: int, total: int) -> tuple[int, int]:
    """Return the page that exists and is nearest, and how many there are."""
    pages = max(1, -(-total // PAGE_LENGTH))
    return min(wanted, pages), pages
