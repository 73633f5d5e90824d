"""What the host decided about people: the hosts, the allowed chats, and how much each person may draw."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:  # importing the settings takes 0.2 s, and only `from_settings` needs them
    from bot.settings import Settings


@dataclass(frozen=True, slots=True)
class Entitlement:
    """What a person is entitled to.

    Attributes:
        weight: Share of the card while others wait, in usual shares.
        daily_credits: The account is filled up to this number every day at 00:00 UTC.
    """

    weight: int = 1
    daily_credits: int = 40


@dataclass(frozen=True, slots=True)
class Tier:
    """People with a higher entitlement; ``people`` as ``platform:user_id``."""

    people: frozenset[str]
    entitlement: Entitlement


@dataclass(frozen=True, slots=True)
class Rules:
    """The host's decisions; by default nobody is a host and the bot serves only the console and the page.

    Attributes:
        hosts: ``platform:user_id`` of each host.
        allow: ``platform:chat_id`` of each served chat, ``discord:guild_id``, or ``platform:*``.
        daily_credits: As in ``Entitlement``, for people outside all tiers.
        max_waiting: How many jobs of one person may wait or run at once.
    """

    hosts: frozenset[str] = frozenset()
    allow: frozenset[str] = frozenset()
    daily_credits: int = 40
    max_waiting: int = 4
    tiers: tuple[Tier, ...] = ()

    @classmethod
    def from_settings(cls, settings: "Settings") -> Self:
        """The rules as the host wrote them in the settings."""
        quota = settings.quota
        tiers = []
        for tier in quota.tiers.values():
            daily = quota.daily_credits if tier.daily_credits is None else tier.daily_credits
            tiers.append(Tier(frozenset(tier.people), Entitlement(tier.weight, daily)))
        return cls(
            hosts=frozenset(settings.hosts),
            allow=frozenset(settings.allow),
            daily_credits=quota.daily_credits,
            max_waiting=quota.max_waiting,
            tiers=tuple(tiers),
        )

    def entitlement_of(self, identities: Iterable[str]) -> Entitlement:
        """The best of the tiers that name any of a person's identities (``platform:user_id``)."""
        names = frozenset(identities)
        found = [tier.entitlement for tier in self.tiers if not names.isdisjoint(tier.people)]
        found = found or [Entitlement(daily_credits=self.daily_credits)]
        return Entitlement(max(one.weight for one in found), max(one.daily_credits for one in found))
