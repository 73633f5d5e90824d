"""What each person is entitled to, by the tiers that the host named; answered from memory for the line."""

from collections import defaultdict

from bot.policy.rules import Entitlement, Rules
from bot.store import Store


class TierMembership:
    """Looks people up in the host's tiers, under every name the platforms know them by."""

    def __init__(self, *, store: Store, rules: Rules) -> None:
        self._store = store
        self._rules = rules
        self._usual = rules.entitlement_of(())
        self._known: dict[int, Entitlement] = {}  # of the tiers' people alone: they are few

    async def recall(self) -> None:
        """Find the people of all tiers, before stored jobs join the line again."""
        names = [name for tier in self._rules.tiers for name in tier.people]
        found: defaultdict[int, list[str]] = defaultdict(list)
        for person, name in await self._store.links.people_of(names):
            found[person].append(name)
        self._known = {person: self._rules.entitlement_of(named) for person, named in found.items()}

    async def of(self, person: int) -> Entitlement:
        """The person's standing, which may have changed by linking."""
        if not self._rules.tiers:
            return self._usual
        identities = await self._store.links.identities_of(person)
        standing = self._rules.entitlement_of(f"{platform}:{user_id}" for platform, user_id in identities)
        if standing == self._usual:
            self._known.pop(person, None)
        else:
            self._known[person] = standing
        return standing

    def weight_of(self, person: int) -> int:
        """The person's share of the card, as it was when last asked."""
        return self._known.get(person, self._usual).weight
