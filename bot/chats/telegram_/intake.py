"""Takes updates from Telegram without ever losing one: stored first, confirmed second, answered third.

Telegram forgets an update once a later ``getUpdates`` names a higher offset, so a batch is stored before the
next call. Only the call right after a batch has an offset, none after an empty answer or a failure: after a
week of quiet Telegram goes on with random, perhaps lower ids (Bot API, ``Update``), which a remembered offset
would delete unread. A crash anywhere repeats work at most; the desk knows what it has seen.
"""

import asyncio
import json
import random
from collections import deque
from collections.abc import Callable, Coroutine
from urllib.parse import urlencode

import structlog
from telegram.error import Conflict, InvalidToken, RetryAfter, TelegramError
from telegram.request import BaseRequest

from bot.chats.contract import Desk
from bot.chats.event_table import RawEvent
from bot.chats.telegram_.event_kinds import REQUESTED
from bot.chats.telegram_.gate import retry_after_s
from bot.chats.telegram_.incoming import chat_key, event_key
from bot.outcomes import Platform

POLL_S = 25  # Telegram holds an empty answer so long; home routers drop connections idle for a minute
ANSWER_MARGIN_S = 10  # beyond POLL_S, for the network
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0

log = structlog.get_logger(__name__)

Answer = Callable[[str, str], Coroutine[None, None, None]]
"""Answers one stored event, (id, JSON), and settles it; one left unsettled comes back after a restart."""


class Intake:
    """Polls, stores, and hands each event on: in order within a chat, several chats at once."""

    def __init__(self, request: BaseRequest, api_url: str, desk: Desk, answer: Answer) -> None:
        self._request = request
        self._api_url = api_url
        self._desk = desk
        self._answer = answer
        self._in_hand: set[str] = set()
        self._lanes: dict[str, deque[tuple[str, str]]] = {}
        self._answering: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Take updates until cancelled; those left from before a crash come first."""
        async with asyncio.TaskGroup() as tasks:
            await self._hand_on(tasks)
            offset: int | None = None
            while True:
                batch = await self._poll_until_answered(offset)
                stored = [(event_key(raw), json.dumps(raw)) for raw in batch]
                if stored:
                    await self._desk.store_events(Platform.TELEGRAM, stored)
                    await self._hand_on(tasks)
                offset = max(raw["update_id"] for raw in batch) + 1 if batch else None

    async def drain(self, timeout_s: float) -> None:
        """After ``run``: let the answers under way end; those that take longer are cut off."""
        if not self._answering:
            return
        _, late = await asyncio.wait(self._answering, timeout=timeout_s)
        for answering in late:
            answering.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _poll_until_answered(self, offset: int | None) -> list[RawEvent]:
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                return await self._poll(offset)
            except RetryAfter as error:
                pause_s = max(pause_s, retry_after_s(error))
                log.warning("telegram asks to wait", seconds=pause_s)
            except Conflict:
                log.warning("another process takes this bot's updates; only one may run")
            except InvalidToken:
                log.error("telegram refuses the token now; was it withdrawn?")
            except (TelegramError, TimeoutError) as error:
                log.warning("no updates from telegram", reason=repr(error))
            offset = None
            await asyncio.sleep(pause_s * random.uniform(1.0, 1.3))  # noqa: S311 - spreads retries, no secret
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _poll(self, offset: int | None) -> list[RawEvent]:
        """Ask once, for raw JSON: the library's ``get_updates`` fails a whole batch for one odd update."""
        asked = {"timeout": POLL_S, "allowed_updates": json.dumps(REQUESTED)}
        if offset is not None:
            asked["offset"] = offset
        async with asyncio.timeout(POLL_S + 2 * ANSWER_MARGIN_S):
            answer = await self._request.post(
                f"{self._api_url}/getUpdates?{urlencode(asked)}", read_timeout=POLL_S + ANSWER_MARGIN_S
            )
        if not (
            isinstance(answer, list)
            and all(isinstance(raw, dict) and isinstance(raw.get("update_id"), int) for raw in answer)
        ):
            raise TelegramError("the answer to getUpdates is no list of updates")
        return answer

    async def _hand_on(self, tasks: asyncio.TaskGroup) -> None:
        for event in await self._desk.pending_events(Platform.TELEGRAM):
            event_id, payload = event
            if event_id in self._in_hand:
                continue
            self._in_hand.add(event_id)
            chat = _chat_of(payload)
            if chat in self._lanes:
                self._lanes[chat].append(event)
            else:
                self._lanes[chat] = deque([event])
                tasks.create_task(self._walk(chat), name=f"telegram chat {chat}")

    async def _walk(self, chat: str) -> None:
        """Answer a chat's events one after the other; a chat that cannot be reached holds up no other."""
        lane = self._lanes[chat]
        while lane:
            event_id, payload = lane.popleft()
            # Our stop lets it end: cut off, it would be answered twice after the next start.
            answer = self._answer(event_id, payload)
            answering = asyncio.create_task(answer, name=f"telegram event {event_id}")
            self._answering.add(answering)
            answering.add_done_callback(self._answering.discard)
            try:
                await asyncio.shield(answering)
            except Exception:
                # Supervision point: it stays in hand, so it is tried again after a restart and not before.
                log.exception("event not settled", event_id=event_id)
            else:
                self._in_hand.discard(event_id)
        del self._lanes[chat]


def _chat_of(payload: str) -> str:
    """The chat of a stored event; those that cannot be read share the empty name."""
    try:
        raw = json.loads(payload)
    except ValueError:
        return ""
    return chat_key(raw)
