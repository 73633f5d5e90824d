"""Polls Telegram for updates without losing one: it stores a batch, then confirms it, then handles it.

Telegram deletes an update once a later ``getUpdates`` has a higher offset, so the poller stores a batch
before the next call. Only the call right after a batch has an offset; a call after an empty answer or a
failure has none. After a week without updates Telegram restarts at random ids, which can be lower (Bot API,
``Update``), and a remembered offset would delete those unread. A crash can only repeat work, and the desk
recognizes what it already handled.
"""

import asyncio
import json
import random
import time
from collections import deque
from collections.abc import Callable, Coroutine
from functools import partial
from urllib.parse import urlencode

import structlog
from telegram.error import Conflict, InvalidToken, RetryAfter, TelegramError
from telegram.request import BaseRequest

from bot.chats.contract import Desk
from bot.chats.event_table import RawEvent
from bot.chats.telegram_.incoming.event_kinds import REQUESTED, UNSTORED
from bot.chats.telegram_.incoming.parsing import chat_key_of, event_id_of
from bot.chats.telegram_.rate_limiter import retry_after_s
from bot.monitoring.figures import note_flood_wait
from bot.outcomes import Platform
from engine.backoff import Backoff

POLL_S = 25  # Telegram holds an empty answer this long; home routers drop connections idle for a minute
NETWORK_MARGIN_S = 10  # on top of POLL_S
RETRY_PAUSES_S = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)

log = structlog.get_logger(__name__)

HandleUpdate = Callable[[str, str, float], Coroutine[None, None, asyncio.Task[None] | None]]
"""Answers and finishes one stored update (id, JSON, when it came). The next start repeats an unfinished one.

It returns the task that does so if that takes long; the next update of the chat does not wait for it.
"""

StartUnstored = Callable[[RawEvent], None]
"""Starts to answer an update of ``UNSTORED``; a crash loses it."""


class UpdatePoller:
    """Polls, stores and dispatches updates: in order within a chat, and several chats at once.

    Attributes:
        is_answered: Whether Telegram answered the last request for updates.
    """

    def __init__(
        self,
        request: BaseRequest,
        api_url: str,
        desk: Desk,
        handle: HandleUpdate,
        start_unstored: StartUnstored,
    ) -> None:
        self.is_answered = True
        self._request = request
        self._api_url = api_url
        self._desk = desk
        self._handle = handle
        self._start_unstored = start_unstored
        self._dispatched: set[str] = set()  # event ids
        self._queues: dict[str, deque[tuple[str, str, float]]] = {}  # by chat
        self._handling: dict[str, asyncio.Task[asyncio.Task[None] | None]] = {}  # by event id

    async def run(self) -> None:
        """Take updates until cancelled, first the stored ones that are not finished.

        After an error it may run again, and goes on where it was.
        """
        async with asyncio.TaskGroup() as tasks:
            for chat in self._queues:
                tasks.create_task(self._process_chat(chat), name=f"telegram chat {chat}")
            await self._dispatch(tasks)
            offset: int | None = None
            while True:
                batch = await self._fetch_batch(offset)
                for raw in batch:
                    if not UNSTORED.isdisjoint(raw):
                        self._start_unstored(raw)
                kept = [raw for raw in batch if UNSTORED.isdisjoint(raw)]
                stored = [(event_id_of(raw), json.dumps(raw)) for raw in kept]
                if stored:
                    await self._desk.store_events(Platform.TELEGRAM, stored)
                    await self._dispatch(tasks)
                offset = max(raw["update_id"] for raw in batch) + 1 if batch else None

    async def drain(self, timeout_s: float) -> None:
        """Wait for the handlers that still run after ``run`` ended; cancel those that take longer."""
        if not self._handling:
            return
        _, late = await asyncio.wait(self._handling.values(), timeout=timeout_s)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _fetch_batch(self, offset: int | None) -> list[RawEvent]:
        """Call ``getUpdates`` until it succeeds; a failure drops the offset."""
        backoff = Backoff(RETRY_PAUSES_S)
        while True:
            min_pause_s = 0.0
            try:
                updates = await self._get_updates(offset)
                self.is_answered = True
                return updates
            except RetryAfter as error:
                min_pause_s = retry_after_s(error)
                note_flood_wait("telegram", min_pause_s)
                log.warning("telegram asks to wait", seconds=min_pause_s)
            except Conflict:
                log.warning("another process takes this bot's updates; only one may run")
            except InvalidToken:
                log.error("telegram now refuses the token; was it revoked?")
            except (TelegramError, TimeoutError) as error:
                log.warning("no updates from telegram", reason=repr(error))
            offset, self.is_answered = None, False
            pause_s = max(backoff.next_pause_s(), min_pause_s)
            await asyncio.sleep(pause_s * random.uniform(1.0, 1.3))  # noqa: S311 - spreads retries, no secret

    async def _get_updates(self, offset: int | None) -> list[RawEvent]:
        """Call once, for raw JSON: in the library's ``get_updates`` one bad update fails the whole batch."""
        params = {"timeout": POLL_S, "allowed_updates": json.dumps(REQUESTED)}
        if offset is not None:
            params["offset"] = offset
        async with asyncio.timeout(POLL_S + 2 * NETWORK_MARGIN_S):
            answer = await self._request.post(
                f"{self._api_url}/getUpdates?{urlencode(params)}", read_timeout=POLL_S + NETWORK_MARGIN_S
            )
        if not (
            isinstance(answer, list)
            and all(isinstance(raw, dict) and isinstance(raw.get("update_id"), int) for raw in answer)
        ):
            raise TelegramError("the answer to getUpdates is no list of updates")
        return answer

    async def _dispatch(self, tasks: asyncio.TaskGroup) -> None:
        """Queue the stored updates of each chat, and start a task for each chat without one."""
        now_s = time.monotonic()
        for event_id, payload in await self._desk.pending_events(Platform.TELEGRAM):
            if event_id in self._dispatched:
                continue
            self._dispatched.add(event_id)
            try:
                chat = chat_key_of(json.loads(payload))
            except ValueError:
                chat = ""
            if chat in self._queues:
                self._queues[chat].append((event_id, payload, now_s))
            else:
                self._queues[chat] = deque([(event_id, payload, now_s)])
                tasks.create_task(self._process_chat(chat), name=f"telegram chat {chat}")

    async def _process_chat(self, chat: str) -> None:
        """Handle the updates of a chat one after the other; a chat that cannot be reached delays no other."""
        queue = self._queues[chat]
        while queue:
            event_id, payload, came_s = queue[0]
            if event_id not in self._handling:  # else it was begun before an error ended ``run``
                self._handling[event_id] = asyncio.create_task(
                    self._handle(event_id, payload, came_s), name=f"telegram event {event_id}"
                )
            try:
                # A stop lets the handler finish: its reply would be sent twice if the stop cut it off.
                long = await asyncio.shield(self._handling[event_id])
            except Exception:
                # Supervision point: the id stays in the set, so only the next start tries it again.
                log.exception("event not finished", event_id=event_id)
            else:
                if long is None:
                    self._forget(event_id)
                else:
                    long.add_done_callback(partial(self._forget, event_id))
            queue.popleft()
            del self._handling[event_id]
        del self._queues[chat]

    def _forget(self, event_id: str, _: object = None) -> None:
        """Forget an update that was dispatched: it is finished, or is dispatched again."""
        self._dispatched.discard(event_id)
