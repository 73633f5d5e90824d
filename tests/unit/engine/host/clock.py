"""Time without waiting: the clock of a loop jumps to the next timer when nothing else can run."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from unittest.mock import patch

LONGEST_S = 36_000.0  # a test that waits in vain ends after this

Clock = Callable[[], float]
"""Seconds since the test began to jump."""


@asynccontextmanager
async def jumping_clock() -> AsyncIterator[Clock]:
    """Let the running loop's clock jump; for tests whose sockets have both ends in this process.

    If every task waits and no timer is set, raise TimeoutError at once.
    """
    loop = asyncio.get_running_loop()
    selector = loop._selector  # type: ignore[attr-defined]
    began_s = now_s = loop.time()
    look = selector.select

    def select(timeout_s: float | None = None) -> object:
        nonlocal now_s
        events = look(0)
        if not events and timeout_s is not None:
            now_s += max(0.0, timeout_s)
        return events

    with patch.object(loop, "time", lambda: now_s), patch.object(selector, "select", select):
        async with asyncio.timeout(LONGEST_S):
            yield lambda: now_s - began_s
