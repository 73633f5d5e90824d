"""Server-sent events: the newest state of the conversation and the card, for one tab.

A stream has no queue. It remembers the version that it sent last, so a slow tab gets fewer events and needs
no more memory. Events: ``conversation`` (the whole conversation as HTML), ``message`` (one bubble, and the
number of the oldest that is kept) and ``card`` (the panel). With the conversation comes its language: a page
around it in another one loads again.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable

from bot.chats.web.conversation import Conversation
from bot.chats.web.rendering import render_conversation, render_message

FRAME_S = 0.1  # at most ten updates a second reach the browser
CARD_EVERY_S = 1.5
HEARTBEAT_S = 15.0  # a write to a closed browser fails at the latest then
RETRY_MS = 1_000  # after a lost connection

PanelHtml = Callable[[Conversation], Awaitable[str]]


async def stream_events(conversation: Conversation, panel: PanelHtml) -> AsyncIterator[str]:
    """Yield the events of one tab, from the current state on, until the conversation is released."""
    yield f"retry: {RETRY_MS}\n\n"
    card, card_at_s, sent_at_s, version = "", 0.0, 0.0, -1
    while not conversation.is_released:
        now_s = time.monotonic()
        events = []
        if conversation.version > version:
            events += _changed_messages(conversation, version)
            version = conversation.version
        if now_s >= card_at_s:
            card_at_s = now_s + CARD_EVERY_S
            if (new_card := await panel(conversation)) != card:
                card = new_card
                events.append(_event("card", html=card))
        if events or now_s - sent_at_s >= HEARTBEAT_S:
            sent_at_s = now_s
            yield "".join(events) or ": still here\n\n"
        await asyncio.sleep(FRAME_S)
        try:
            async with asyncio.timeout(max(0.0, card_at_s - time.monotonic())):
                await conversation.wait_for_change(version)
        except TimeoutError:
            pass  # the card is due


def _changed_messages(conversation: Conversation, since: int) -> list[str]:
    """The whole conversation at first and if ``whole_version`` is newer, otherwise the changed messages."""
    items = conversation.items
    if since < conversation.whole_version or since < 0:
        html = render_conversation(conversation)
        return [_event("conversation", locale=conversation.locale, html=html)]
    return [
        _event("message", first=items[0].number, number=item.number, html=render_message(item, conversation))
        for item in items
        if item.version > since
    ]


def _event(name: str, **facts: object) -> str:
    return f"event: {name}\ndata: {json.dumps(facts, ensure_ascii=False)}\n\n"
