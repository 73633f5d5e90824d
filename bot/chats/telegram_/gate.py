"""When Telegram may be asked again, per chat and over all.

Telegram publishes no exact limits; these are the ones its clients live by: about one message a second in a
chat, 20 a minute in a group, 30 a second over all, edits included. What counts in the end is ``retry_after``:
a chat that answered with it is left alone until then. Results may spend all of a chat's allowance, progress
only what results leave. State is lost with the process, and Telegram then says 429 at worst once a chat.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from itertools import islice
from typing import TypeVar

from telegram.error import RetryAfter

from bot.outcomes import RetryLater

GROUP_MESSAGES_PER_MINUTE = 20
MINUTE_S = 61.0  # what counts is when Telegram gets it: a second for the way there
GROUP_PROGRESS_PER_MINUTE = 14  # the rest is left to results
OVERALL_PER_SECOND = 30
OVERALL_PROGRESS_PER_SECOND = 20
PRIVATE_EDIT_GAP_S = 1.0
GROUP_EDIT_GAP_S = 5.0
FLOOD_TRIES = 3  # a chat that still floods after this is left to the desk's next delivery
FULL_S = 10.0  # a delivery that must wait longer makes room for other chats
REQUEST_S = 90.0  # an album of four photos of 10 MB on a slow line

LOOKED_AT = 4  # idle chats are forgotten faster than new ones come

T = TypeVar("T")


class Urgency(Enum):
    """What waits for what."""

    RESULT = "result"
    PROGRESS = "progress"


@dataclass(slots=True)
class _Traffic:
    """What one chat got lately."""

    sent_at_s: deque[float] = field(default_factory=deque)
    held_until_s: float = 0.0
    results_waiting: int = 0

    def is_idle(self, now_s: float) -> bool:
        """Whether the chat may be forgotten: it has all its room, and nobody waits for more."""
        is_quiet = not self.sent_at_s or self.sent_at_s[-1] <= now_s - MINUTE_S
        return is_quiet and self.held_until_s <= now_s and not self.results_waiting


def retry_after_s(error: RetryAfter) -> float:
    """Read the seconds Telegram asks to wait; the library is between two types for them."""
    after = error.retry_after
    return after.total_seconds() if isinstance(after, timedelta) else float(after)


class Gate:
    """Lets requests through when the chat and Telegram as a whole can take them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._chats: dict[int, _Traffic] = {}
        self._all_sent_at_s: deque[float] = deque()

    def wait_s(self, chat_id: int, urgency: Urgency, messages: int = 1) -> float:
        """Say in how many seconds ``messages`` may go to the chat; 0 means now."""
        now = self._clock()
        chat = self._chats.get(chat_id) or _Traffic()
        is_progress = urgency is Urgency.PROGRESS
        overall = OVERALL_PROGRESS_PER_SECOND if is_progress else OVERALL_PER_SECOND
        waits = [chat.held_until_s - now, _full_for_s(self._all_sent_at_s, overall, messages, 1.0, now)]
        if chat_id < 0:
            a_minute = GROUP_PROGRESS_PER_MINUTE if is_progress else GROUP_MESSAGES_PER_MINUTE
            waits.append(_full_for_s(chat.sent_at_s, a_minute, messages, MINUTE_S, now))
        if is_progress:
            gap_s = GROUP_EDIT_GAP_S if chat_id < 0 else PRIVATE_EDIT_GAP_S
            waits.append(chat.sent_at_s[-1] + gap_s - now if chat.sent_at_s else 0.0)
            waits.append(gap_s if chat.results_waiting else 0.0)
        return max(0.0, *waits)

    def note(self, chat_id: int, messages: int = 1) -> None:
        """Count what goes out now."""
        now = self._clock()
        times = [now] * messages
        chat = self._traffic(chat_id)
        chat.sent_at_s.extend(times)
        self._all_sent_at_s.extend(times)
        _forget_before(chat.sent_at_s, now - MINUTE_S)
        _forget_before(self._all_sent_at_s, now - 1.0)

    def hold(self, chat_id: int, seconds: float) -> None:
        """Leave the chat alone for so long: Telegram asked for it."""
        chat = self._traffic(chat_id)
        chat.held_until_s = max(chat.held_until_s, self._clock() + seconds)

    def require_room(self, chat_id: int, messages: int) -> None:
        """Return when ``messages`` results may go to the chat soon.

        Raises:
            NotNow: The chat got all it may get for now; meanwhile other chats can be served.
        """
        wait_s = self.wait_s(chat_id, Urgency.RESULT, messages)
        if wait_s > FULL_S:
            raise RetryLater(f"chat {chat_id} can take no more for {wait_s:.0f} s", wait_s)

    async def call(self, chat_id: int, request: Callable[[], Awaitable[T]], messages: int = 1) -> T:
        """Make a request that a person waits for, as soon as it may go out.

        Raises:
            RetryAfter: Telegram asked to wait ``FLOOD_TRIES`` times; try again much later.
            TimeoutError: No answer within ``REQUEST_S``.
            TelegramError: Whatever else the request raises.
        """
        for last_try in (False,) * (FLOOD_TRIES - 1) + (True,):
            entered_s = await self._enter(chat_id, messages)
            try:
                async with asyncio.timeout(REQUEST_S):
                    return await request()
            except RetryAfter as error:
                self.hold(chat_id, retry_after_s(error))
                if last_try:
                    raise
            finally:
                self._arrived(chat_id, entered_s, messages)
        raise AssertionError("the last try returns or raises")

    async def _enter(self, chat_id: int, messages: int) -> float:
        """Wait for room and take it; the time it was taken at."""
        chat = self._traffic(chat_id)
        chat.results_waiting += 1
        try:
            wait_s = self.wait_s(chat_id, Urgency.RESULT, messages)
            while wait_s > 0:
                await asyncio.sleep(wait_s)
                wait_s = self.wait_s(chat_id, Urgency.RESULT, messages)
            self.note(chat_id, messages)
            return self._traffic(chat_id).sent_at_s[-1]
        finally:
            chat.results_waiting -= 1

    def _arrived(self, chat_id: int, entered_s: float, messages: int) -> None:
        """Count an upload from when it was answered: on a slow line that is long after it left."""
        times, now = self._traffic(chat_id).sent_at_s, self._clock()
        for _ in range(min(messages, times.count(entered_s))):
            times.remove(entered_s)
            times.append(now)

    def _traffic(self, chat_id: int) -> _Traffic:
        self._forget_idle()
        return self._chats.setdefault(chat_id, _Traffic())

    def _forget_idle(self) -> None:
        """Look at the ``LOOKED_AT`` chats not looked at for longest, so that no call takes long."""
        now_s = self._clock()
        for chat_id in list(islice(self._chats, LOOKED_AT)):
            chat = self._chats.pop(chat_id)
            if not chat.is_idle(now_s):
                self._chats[chat_id] = chat  # last again


def _full_for_s(sent_at_s: deque[float], limit: int, messages: int, window_s: float, now: float) -> float:
    """Seconds until ``messages`` more fit under ``limit`` in any window."""
    recent = [at for at in sent_at_s if at > now - window_s]
    excess = len(recent) + messages - limit
    return recent[min(excess, len(recent)) - 1] + window_s - now if excess > 0 and recent else 0.0


def _forget_before(times: deque[float], start: float) -> None:
    while times and times[0] <= start:
        times.popleft()
