"""Stores events so that none is lost once it was acknowledged: stored first, acknowledged second.

Discord sends an event once. A crash after "thinking…" and before the answer would leave that word standing,
so what asks for an answer is stored before it is acknowledged and settled after it was answered; what a crash
left in between is handled again at the next start. What a resumed connection repeats is dropped here.

A disk that takes nothing must not hold up the acknowledgement: storing has a time limit, and what could not
be stored in it is refused.
"""

import asyncio
import json
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog

from bot.chats.contract import Desk
from bot.chats.discord_.events.kinds import Raw
from bot.errors import CannotSave
from bot.outcomes import Platform

log = structlog.get_logger()
REMEMBERED = 2_000  # events; a resume repeats the last few seconds, not more than the last thousand
STORE_TIMEOUT_S = 2.0  # Discord waits 3 s for the acknowledgement, which a refusal needs the rest of


@dataclass(slots=True, eq=False)
class _Event:
    """One event on its way to the disk."""

    event_id: str
    payload: str = field(repr=False)
    stored: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    is_given_up: bool = False


class Intake:
    """What came in lately, and the desk's inbox behind it."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._seen: OrderedDict[str, Raw | None] = OrderedDict()
        self._waiting: list[_Event] = []
        self._writing: asyncio.Task[None] | None = None

    def is_new(self, raw: Raw) -> bool:
        """Note an event; False for one that this process has seen.

        Raises:
            KeyError: It has no id, so it is none.
        """
        event_id = str(raw["id"])
        if event_id in self._seen:
            log.info("event repeated", event_id=event_id)
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
        """Return once the event is on the disk; those that wait at the same time share a commit.

        Raises:
            CannotSave: Not stored, or not in time; the caller refuses, and nothing is handled later.
            Exception: What else the store raises; it is not stored.
        """
        event = _Event(event_id, json.dumps(self.forget(event_id)))
        self._waiting.append(event)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write(), name="discord stores events")
        try:
            async with asyncio.timeout(STORE_TIMEOUT_S):
                await asyncio.shield(event.stored)
        except TimeoutError:
            event.is_given_up = True
            log.info("event not stored in time", event_id=event_id)
            raise CannotSave(detail=f"not stored within {STORE_TIMEOUT_S:g} s") from None
        except asyncio.CancelledError:  # our stop: if it is stored, the next start answers it
            event.stored.cancel()
            raise

    async def settle(self, event_id: str) -> None:
        """The event was answered, or can never be."""
        await self._desk.finish_event(Platform.DISCORD, event_id)

    async def close(self) -> None:
        """Stop storing; what is not stored yet is not accepted."""
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.wait({self._writing})

    async def _write(self) -> None:
        """Store what waits, a batch at a time, until nothing does."""
        try:
            while self._waiting:
                batch = [event for event in self._waiting if not event.is_given_up]
                self._waiting.clear()
                await self._store_batch(batch)
        finally:
            self._writing = None

    async def _store_batch(self, batch: Sequence["_Event"]) -> None:
        try:
            await self._desk.store_events(
                Platform.DISCORD, [(event.event_id, event.payload) for event in batch]
            )
        except CannotSave as error:
            _fail(batch, error)
            return
        except Exception as error:  # noqa: BLE001 - the caller gets it and answers its person
            if len(batch) == 1:
                _fail(batch, error)
            else:  # one event that cannot be stored must not cost the others
                for event in batch:
                    await self._store_batch([event])
            return
        for event in batch:
            if event.is_given_up:
                await self.settle(event.event_id)  # it was refused; it must not come back
            elif not event.stored.done():
                event.stored.set_result(None)

    async def recall(self, handle: Callable[[Raw], None]) -> None:
        """Handle again what was stored and not settled before the last crash or stop."""
        for event_id, payload in await self._desk.pending_events(Platform.DISCORD):
            raw = json.loads(payload)
            if event_id in self._seen:  # this process has it in hand
                continue
            if raw is None:  # so many came meanwhile that it was forgotten before it was stored
                await self.settle(event_id)
                continue
            log.info("event found unanswered", event_id=event_id)
            handle(raw)


def _fail(batch: Sequence[_Event], error: Exception) -> None:
    for event in batch:
        if not event.stored.done():
            event.stored.set_exception(error)
            event.stored.exception()  # seen, also where the caller gave up
