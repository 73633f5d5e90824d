"""Server-sent events: what a tab needs to follow its conversation and the card, newest state only.

A stream holds no queue. It remembers the version that it sent last, so a slow tab gets fewer events and not
more memory. Events: ``talk`` (the whole conversation as HTML), ``turn`` (one bubble, and the number of the
oldest that is kept) and ``card`` (the panel).
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable

from bot.chats.web.conversation import Conversation
from bot.chats.web.view import talk_html, turn_html

FRAME_S = 0.1  # at most ten updates a second reach the browser
CARD_EVERY_S = 1.5
HEARTBEAT_S = 15.0  # a browser that is gone is noticed by then
RETRY_MS = 1_000  # after a lost connection

PanelHtml = Callable[[Conversation], Awaitable[str]]


async def follow(talk: Conversation, panel: PanelHtml) -> AsyncIterator[str]:
    """Events of one tab, from the present state on, until the conversation is released."""
    yield f"retry: {RETRY_MS}\n\n"
    card, card_at_s, sent_at_s, version = "", 0.0, 0.0, -1
    while not talk.is_released:
        now_s = time.monotonic()
        events = []
        if talk.version > version:
            events += _news(talk, version)
            version = talk.version
        if now_s >= card_at_s:
            card_at_s = now_s + CARD_EVERY_S
            if (newest := await panel(talk)) != card:
                card = newest
                events.append(_event("card", html=card))
        if events or now_s - sent_at_s >= HEARTBEAT_S:
            sent_at_s = now_s
            yield "".join(events) or ": still here\n\n"
        await asyncio.sleep(FRAME_S)
        try:
            async with asyncio.timeout(max(0.0, card_at_s - time.monotonic())):
                await talk.wait_beyond(version)
        except TimeoutError:
            pass  # the card is due


def _news(talk: Conversation, since: int) -> list[str]:
    """Everything at first and after a change of language, else the bubbles that changed."""
    items = talk.items
    if since < talk.spoken_since or since < 0:
        return [_event("talk", html=talk_html(talk))]
    return [
        _event("turn", first=items[0].number, number=item.number, html=turn_html(item, talk))
        for item in items
        if item.version > since
    ]


def _event(name: str, **facts: object) -> str:
    return f"event: {name}\ndata: {json.dumps(facts, ensure_ascii=False)}\n\n"
