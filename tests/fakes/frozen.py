"""A frozen event loop clock that a test moves forward: for waits of seconds and minutes."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable

import pytest


class FrozenLoop:
    """Freezes the running loop's time; sleeps and timeouts end after a ``leap``."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._loop = loop = asyncio.get_running_loop()
        self._now_s = loop.time()
        monkeypatch.setattr(loop, "time", lambda: self._now_s)

    def leap(self, seconds: float) -> None:
        """Move the time forward."""
        self._now_s += seconds

    def waits(self, seconds: float) -> int:
        """Return how many timers end in exactly this many seconds."""
        timers = self._loop._scheduled  # type: ignore[attr-defined]
        left_s = [timer.when() - self._now_s for timer in timers if not timer.cancelled()]
        return sum(abs(left - seconds) < 0.001 for left in left_s)

    async def until(self, is_so: Callable[[], bool | Awaitable[bool]]) -> None:
        """Return as soon as ``is_so``, without moving the time; AssertionError if it does not come true."""
        give_up_s = time.monotonic() + 30
        while True:
            answer = is_so()
            if (await answer) if inspect.isawaitable(answer) else answer:
                return
            assert time.monotonic() < give_up_s, "it did not come true without more time"
            await asyncio.sleep(0)

    async def settle(self) -> None:
        """Let all tasks run for a moment, without moving the time."""
        until_s = time.monotonic() + 0.05
        while time.monotonic() < until_s:  # noqa: ASYNC110 - no signal says that no work is left
            await asyncio.sleep(0)
