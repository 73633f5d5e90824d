"""Stores events so that a crash loses none: first stored, then acknowledged, answered, and settled.

Discord sends an event once. A crash between "thinking…" and the answer would leave "thinking…" on the screen.
So an event that needs an answer is stored before it is acknowledged and settled after it is answered. The
next start handles again what a crash left in between. The inbox also drops events that a resumed connection
repeats.

A disk that does not respond must not delay the acknowledgement: storing has a time limit, and an event that
was not stored in time is refused.
"""

import asyncio
import json
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog

from bot.chats.contract import Desk
from bot.chats.event_table import RawEvent
from bot.errors import CannotSave
from bot.outcomes import Platform

log = structlog.get_logger()
REMEMBERED_EVENTS = 2_000  # a resume repeats the last few seconds, no more than the last thousand events
STORE_TIMEOUT_S = 2.0  # Discord waits 3 s for the acknowledgement; a refusal needs the rest


@dataclass(slots=True, eq=False)
class _PendingEvent:
    """One event on its way to the disk."""

    event_id: str
    payload: str = field(repr=False)
    stored: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    is_given_up: bool = False


class EventInbox:
    """The latest events in memory, and the inbox of the desk behind them."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._seen: OrderedDict[str, RawEvent | None] = OrderedDict()
        self._pending: list[_PendingEvent] = []
        self._writing: asyncio.Task[None] | None = None

    def mark_seen(self, event: RawEvent) -> bool:
        """Remember an event; False if this process has seen it before.

        Raises:
            KeyError: It has no id, so it is no event.
        """
        event_id = str(event["id"])
        if event_id in self._seen:
            log.info("event repeated", event_id=event_id)
            return False
        self._seen[event_id] = event
        while len(self._seen) > REMEMBERED_EVENTS:
            self._seen.popitem(last=False)
        return True

    def take_payload(self, event_id: str) -> RawEvent | None:
        """Return the event and forget it, but remember that it was seen."""
        event = self._seen.get(event_id)
        if event_id in self._seen:
            self._seen[event_id] = None
        return event

    async def store(self, event_id: str) -> None:
        """Return once the event is on the disk; events that wait at the same time share a commit.

        Raises:
            CannotSave: Not stored, or not in time; the caller refuses the event, and no later start handles
                it.
            Exception: Any other error of the store; the event is not stored.
        """
        event = _PendingEvent(event_id, json.dumps(self.take_payload(event_id)))
        self._pending.append(event)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write(), name="discord stores events")
        try:
            async with asyncio.timeout(STORE_TIMEOUT_S):
                await asyncio.shield(event.stored)
        except TimeoutError:
            if event.stored.done():  # in the same turn of the loop
                event.stored.result()
                return
            event.is_given_up = True
            log.info("event not stored in time", event_id=event_id)
            raise CannotSave(detail=f"not stored within {STORE_TIMEOUT_S:g} s") from None
        except asyncio.CancelledError:  # the bot stops: if the event is stored, the next start answers it
            event.stored.cancel()
            raise

    async def settle(self, event_id: str) -> None:
        """The event is answered, or can never be answered."""
        await self._desk.finish_event(Platform.DISCORD, event_id)

    async def close(self) -> None:
        """Stop storing; an event that is not stored yet is not accepted."""
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.wait({self._writing})

    async def replay_unsettled(self, handle: Callable[[RawEvent], None]) -> None:
        """Handle again the events that were stored but not settled before the last crash or stop."""
        for event_id, payload in await self._desk.pending_events(Platform.DISCORD):
            event = json.loads(payload)
            if event_id in self._seen:  # this process already handles it
                continue
            if event is None:  # so many events arrived meanwhile that it was forgotten before it was stored
                await self.settle(event_id)
                continue
            log.info("event found unanswered", event_id=event_id)
            handle(event)

    async def _write(self) -> None:
        """Store pending events, a batch at a time, until none is left."""
        try:
            while self._pending:
                batch = [event for event in self._pending if not event.is_given_up]
                self._pending.clear()
                await self._store_batch(batch)
        finally:
            self._writing = None

    async def _store_batch(self, batch: Sequence[_PendingEvent]) -> None:
        try:
            await self._desk.store_events(
                Platform.DISCORD, [(event.event_id, event.payload) for event in batch]
            )
        except CannotSave as error:
            _fail(batch, error)
            return
        except Exception as error:  # noqa: BLE001 - the caller of ``store`` gets it and answers the person
            if len(batch) == 1:
                _fail(batch, error)
            else:  # one event that cannot be stored must not fail the others
                for event in batch:
                    await self._store_batch([event])
            return
        for event in batch:
            if event.is_given_up:
                await self.settle(event.event_id)  # it was refused, so no later start may handle it
            elif not event.stored.done():
                event.stored.set_result(None)


def _fail(batch: Sequence[_PendingEvent], error: Exception) -> None:
    for event in batch:
        if not event.stored.done():
            event.stored.set_exception(error)
            event.stored.exception()  # marks it as retrieved, in case the caller gave up
