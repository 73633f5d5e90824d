"""Time without waiting: a loop's clock that jumps to what is due next once nothing else is left to do."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from unittest.mock import patch

LONGEST_S = 36_000.0  # whoever waits in vain waits as long as this

Clock = Callable[[], float]
"""Seconds since the test began to jump."""


@asynccontextmanager
async def jumping_clock() -> AsyncIterator[Clock]:
    """Let the running loop's clock jump, for tests whose sockets have both ends in this process.

    Where everybody waits and nothing is due, the end is a TimeoutError at once.
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
