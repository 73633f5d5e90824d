"""Rate limits: when the bot may send to a chat again, per chat and for all chats together.

Telegram publishes no exact limits. These are the limits that its clients respect: about one message a second
in a chat, 20 messages a minute in a group and 30 messages a second in total, edits included. ``retry_after``
overrides them: when Telegram answers with it, the limiter pauses the chat until then. Results may use the
whole limit of a chat; progress updates use only a part of it. The state is not stored. After a restart
Telegram answers 429 at most once per chat.
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

from bot.monitoring.figures import note_flood_wait
from bot.outcomes import RetryLater

GROUP_MESSAGES_PER_MINUTE = 20
MINUTE_S = 61.0  # Telegram counts when it receives a message, so this adds a second for the network
GROUP_PROGRESS_PER_MINUTE = 14  # the other six are reserved for results
MESSAGES_PER_SECOND = 30
PROGRESS_PER_SECOND = 20
PRIVATE_EDIT_GAP_S = 1.0
GROUP_EDIT_GAP_S = 5.0
MAX_FLOOD_TRIES = 3  # after these the desk retries the whole delivery later
MAX_DELIVERY_WAIT_S = 10.0  # a delivery that must wait longer gives other chats a turn
REQUEST_TIMEOUT_S = 90.0  # enough for an album of four photos of 10 MB on a slow line
CLEANED_PER_CALL = 4  # the limiter forgets idle chats faster than new ones appear

T = TypeVar("T")


class RequestPriority(Enum):
    """Which limits a request must respect."""

    RESULT = "result"
    PROGRESS = "progress"


@dataclass(slots=True)
class _ChatUsage:
    """What the bot sent to one chat recently."""

    sent_at_s: deque[float] = field(default_factory=deque)
    paused_until_s: float = 0.0
    waiting_results: int = 0

    def is_idle(self, now_s: float) -> bool:
        """Whether the limiter may forget the chat: nothing limits it, and no request waits for it."""
        is_quiet = not self.sent_at_s or self.sent_at_s[-1] <= now_s - MINUTE_S
        return is_quiet and self.paused_until_s <= now_s and not self.waiting_results


def retry_after_s(error: RetryAfter) -> float:
    """Read how many seconds Telegram asks to wait; the library may give a number or a ``timedelta``."""
    after = error.retry_after
    return after.total_seconds() if isinstance(after, timedelta) else float(after)


class RateLimiter:
    """Delays requests until the limits of the chat and of the whole bot allow them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._chats: dict[int, _ChatUsage] = {}
        self._all_sent_at_s: deque[float] = deque()

    def wait_s(self, chat_id: int, priority: RequestPriority, messages: int = 1) -> float:
        """Compute in how many seconds ``messages`` may go to the chat; 0 means now."""
        now_s = self._clock()
        chat = self._chats.get(chat_id) or _ChatUsage()
        is_progress = priority is RequestPriority.PROGRESS
        per_second = PROGRESS_PER_SECOND if is_progress else MESSAGES_PER_SECOND
        waits = [
            chat.paused_until_s - now_s,
            _seconds_until_free(self._all_sent_at_s, per_second, messages, 1.0, now_s),
        ]
        if chat_id < 0:
            per_minute = GROUP_PROGRESS_PER_MINUTE if is_progress else GROUP_MESSAGES_PER_MINUTE
            waits.append(_seconds_until_free(chat.sent_at_s, per_minute, messages, MINUTE_S, now_s))
        if is_progress:
            gap_s = GROUP_EDIT_GAP_S if chat_id < 0 else PRIVATE_EDIT_GAP_S
            waits.append(chat.sent_at_s[-1] + gap_s - now_s if chat.sent_at_s else 0.0)
            waits.append(gap_s if chat.waiting_results else 0.0)
        return max(0.0, *waits)

    def record_sent(self, chat_id: int, messages: int = 1) -> None:
        """Count messages that the bot sends now."""
        now_s = self._clock()
        times = [now_s] * messages
        chat = self._usage_of(chat_id)
        chat.sent_at_s.extend(times)
        self._all_sent_at_s.extend(times)
        _drop_until(chat.sent_at_s, now_s - MINUTE_S)
        _drop_until(self._all_sent_at_s, now_s - 1.0)

    def pause(self, chat_id: int, seconds: float) -> None:
        """Send nothing to the chat for so many seconds, because Telegram asked for it."""
        note_flood_wait("telegram", seconds)
        chat = self._usage_of(chat_id)
        chat.paused_until_s = max(chat.paused_until_s, self._clock() + seconds)

    def require_capacity(self, chat_id: int, messages: int) -> None:
        """Return if ``messages`` results may go to the chat soon.

        Raises:
            RetryLater: The chat is at its limit; the desk can serve other chats first.
        """
        wait_s = self.wait_s(chat_id, RequestPriority.RESULT, messages)
        if wait_s > MAX_DELIVERY_WAIT_S:
            raise RetryLater(f"chat {chat_id} can take no more for {wait_s:.0f} s", wait_s)

    async def run(self, chat_id: int, request: Callable[[], Awaitable[T]], messages: int = 1) -> T:
        """Make a request that a person waits for, as soon as the limits allow it.

        Raises:
            RetryAfter: Telegram asked ``MAX_FLOOD_TRIES`` times to wait; try again much later.
            TimeoutError: No answer within ``REQUEST_TIMEOUT_S``.
            TelegramError: Any other error of the request.
        """
        for is_last_try in (False,) * (MAX_FLOOD_TRIES - 1) + (True,):
            sent_at_s = await self._acquire(chat_id, messages)
            try:
                async with asyncio.timeout(REQUEST_TIMEOUT_S):
                    return await request()
            except RetryAfter as error:
                self.pause(chat_id, retry_after_s(error))
                if is_last_try:
                    raise
            finally:
                self._restamp(chat_id, sent_at_s, messages)
        raise AssertionError("the last try returns or raises")

    async def _acquire(self, chat_id: int, messages: int) -> float:
        """Wait until the limits allow ``messages`` and count them; returns the time of the count."""
        chat = self._usage_of(chat_id)
        chat.waiting_results += 1
        try:
            wait_s = self.wait_s(chat_id, RequestPriority.RESULT, messages)
            while wait_s > 0:
                await asyncio.sleep(wait_s)
                wait_s = self.wait_s(chat_id, RequestPriority.RESULT, messages)
            self.record_sent(chat_id, messages)
            return self._usage_of(chat_id).sent_at_s[-1]
        finally:
            chat.waiting_results -= 1

    def _restamp(self, chat_id: int, sent_at_s: float, messages: int) -> None:
        """Count an upload from its answer on: on a slow line the answer comes long after the start."""
        times, now_s = self._usage_of(chat_id).sent_at_s, self._clock()
        for _ in range(min(messages, times.count(sent_at_s))):
            times.remove(sent_at_s)
            times.append(now_s)

    def _usage_of(self, chat_id: int) -> _ChatUsage:
        """Find or create the usage of a chat, and forget a few idle chats, so that no call takes long."""
        now_s = self._clock()
        for oldest_id in list(islice(self._chats, CLEANED_PER_CALL)):
            usage = self._chats.pop(oldest_id)
            if not usage.is_idle(now_s):
                self._chats[oldest_id] = usage  # moves it to the end
        return self._chats.setdefault(chat_id, _ChatUsage())


def _seconds_until_free(
    sent_at_s: deque[float], limit: int, messages: int, window_s: float, now_s: float
) -> float:
    """Compute the seconds until ``messages`` more stay within ``limit`` in every window."""
    recent = [at_s for at_s in sent_at_s if at_s > now_s - window_s]
    excess = len(recent) + messages - limit
    return recent[min(excess, len(recent)) - 1] + window_s - now_s if excess > 0 and recent else 0.0


def _drop_until(times: deque[float], end_s: float) -> None:
    while times and times[0] <= end_s:
        times.popleft()
