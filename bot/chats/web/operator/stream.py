"""Server-sent events of the operator tab: the parts of one tab that changed since they were sent last.

Events: ``part`` (name and HTML) and ``closed`` (the login has ended; the page shows the form again).
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

EVERY_S = 1.0
SLOWLY_S = 3.0  # for parts that the database answers
HEARTBEAT_S = 15.0  # a write to a closed browser fails at the latest then
RETRY_MS = 1_000  # after a lost connection

RenderParts = Callable[[], Awaitable[Mapping[str, str]]]
"""Returns the parts of a tab as HTML, by name."""


async def stream_parts(
    render: RenderParts, is_open: Callable[[], bool], every_s: float
) -> AsyncIterator[str]:
    """Yield the events of one tab while it is open, at most one in ``every_s``."""
    yield f"retry: {RETRY_MS}\n\n"
    sent: dict[str, str] = {}
    sent_at_s = 0.0
    while is_open():
        parts = await render()
        events = [
            _event("part", name=name, html=html) for name, html in parts.items() if sent.get(name) != html
        ]
        sent = dict(parts)
        if events or time.monotonic() - sent_at_s >= HEARTBEAT_S:
            sent_at_s = time.monotonic()
            yield "".join(events) or ": still here\n\n"
        await asyncio.sleep(every_s)
    yield _event("closed")


def _event(event: str, **facts: object) -> str:
    return f"event: {event}\ndata: {json.dumps(facts, ensure_ascii=False)}\n\n"
