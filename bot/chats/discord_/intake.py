"""Takes interactions in so that none is lost once it was acknowledged: stored first, acknowledged second.

Discord sends an interaction once. A crash after "thinking…" and before the job is accepted would leave that
word standing for ever, so what asks for pictures is stored before the acknowledgement and settled when it was
answered; what a crash left in between is handled again at the next start, where Discord itself says whether
the person had seen an acknowledgement. What a resumed connection repeats is dropped here.
"""

import asyncio
import json
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import structlog

from bot.chats.contract import Desk
from bot.desk.outcomes import Platform

log = structlog.get_logger()
REMEMBERED = 2_000  # interactions; a resume repeats the last few seconds, not more than the last thousand

Raw = dict[str, Any]
"""An INTERACTION_CREATE event as Discord wrote it."""


class Intake:
    """What came in lately, and the desk's inbox behind it."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._seen: OrderedDict[str, Raw | None] = OrderedDict()
        self._waiting: list[tuple[str, str]] = []
        self._storing = asyncio.Lock()

    def is_new(self, raw: Raw) -> bool:
        """Note an interaction; False for one that this process has seen.

        Raises:
            KeyError: It has no id, so it is none.
        """
        event_id = str(raw["id"])
        if event_id in self._seen:
            log.info("interaction repeated", interaction_id=event_id)
            return False
        self._seen[event_id] = raw
        while len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        return True

    def forget(self, event_id: str) -> Raw | None:
        """What it said, which is not needed any more; that it was seen is still known."""
        raw = self._seen.get(event_id)
        if event_id in self._seen:
            self._seen[event_id] = None
        return raw

    async def store(self, event_id: str) -> None:
        """Return once the interaction is on the disk; those that wait at the same time share a commit.

        Raises:
            Exception: What the store raises; it is not stored.
        """
        event = (event_id, json.dumps(self.forget(event_id)))
        self._waiting.append(event)
        async with self._storing:
            if event not in self._waiting:
                return  # the one before took it along
            batch, self._waiting = self._waiting, []
            try:
                await self._desk.take_in(Platform.DISCORD, batch)
            except BaseException:
                # The others find out by themselves: each tries again with its own commit.
                self._waiting = [one for one in batch if one != event] + self._waiting
                raise

    async def settle(self, event_id: str) -> None:
        """The interaction was answered, or can never be."""
        await self._desk.settle(Platform.DISCORD, event_id)

    async def recall(self, handle: Callable[[Raw], None]) -> None:
        """Handle again what was stored and not settled before the last crash or stop."""
        for event_id, payload in await self._desk.taken_in(Platform.DISCORD):
            raw = json.loads(payload)
            if raw is None or event_id in self._seen:  # this process has it in hand
                continue
            log.info("interaction found unanswered", interaction_id=event_id)
            handle(raw)
