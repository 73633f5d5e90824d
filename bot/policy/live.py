"""The rules that count now: what the settings say, and what hosts have decided since in chats."""

from collections.abc import Iterable
from dataclasses import replace

from bot.policy.rules import Ban, Rules


class LiveRules:
    """Holds the rules that count now. Read ``now`` each time, because a decision replaces it at once.

    Attributes:
        settings: What the settings say.
        now: The settings are the base, decisions add to it. A ban never concerns a host.
    """

    def __init__(self, settings: Rules) -> None:
        self.settings = settings
        self._hosts: frozenset[str] = frozenset()
        self._allow: frozenset[str] = frozenset()
        self._bans: dict[str, Ban] = {}
        self.now = settings

    def replace_settings(self, settings: Rules) -> None:
        """Let other settings be the base; decisions stay."""
        self.settings = settings
        self._combine()

    def replace_decisions(self, *, hosts: Iterable[str], allow: Iterable[str], bans: Iterable[Ban]) -> None:
        """Let these decisions count, and no earlier ones."""
        self._hosts, self._allow = frozenset(hosts), frozenset(allow)
        self._bans = {ban.name: ban for ban in bans}
        self._combine()

    def _combine(self) -> None:
        base = self.settings
        self.now = replace(
            base,
            hosts=base.hosts | self._hosts,
            allow=base.allow | self._allow,
            bans={**base.bans, **self._bans},
        )
