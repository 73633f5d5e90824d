"""The record of what hosts did."""

from collections.abc import Callable

import structlog

from bot.outcomes import CommandContext
from bot.store import Store
from bot.store.hosting.permissions import HostActionRow

log = structlog.get_logger("bot.desk")


class HostAudit:
    """Writes ``host_action``.

    Args:
        clock: UTC milliseconds.
    """

    def __init__(self, store: Store, clock: Callable[[], int]) -> None:
        self._store = store
        self._clock = clock

    async def note(
        self, context: CommandContext, action: str, subject: str = "", **detail: str | int | None
    ) -> None:
        """Record what a host did, in the transaction of its effect."""
        who = (str(context.platform), context.user_id)
        await self._store.permissions.record(HostActionRow(self._clock(), *who, action, subject, detail))
        facts = {"platform": context.platform, "action": action, "subject": subject}
        self._store.after_commit(lambda: log.info("host acted", **facts))
