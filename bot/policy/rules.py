"""What the host settled about people: who hosts, which chats are served, how much each person may draw."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:  # reading settings costs 0.2 s of imports, which judging does not need
    from bot.settings import Settings


@dataclass(frozen=True, slots=True)
class Rules:
    """The host's decisions; by default nobody is a host and only this machine's own chats are served.

    Attributes:
        hosts: ``platform:user_id`` of each host.
        allow: ``platform:chat_id`` of each served chat, ``discord:guild_id``, or ``platform:*``.
        daily_credits: To how many credits each person is filled up every day at 00:00 UTC.
        max_waiting: How many jobs of one person may wait or run at once.
    """

    hosts: frozenset[str] = frozenset()
    allow: frozenset[str] = frozenset()
    daily_credits: int = 40
    max_waiting: int = 4

    @classmethod
    def from_settings(cls, settings: "Settings") -> Self:
        """The rules as the host wrote them in the settings."""
        return cls(
            hosts=frozenset(settings.hosts),
            allow=frozenset(settings.allow),
            daily_credits=settings.quota.daily_credits,
            max_waiting=settings.quota.max_waiting,
        )
