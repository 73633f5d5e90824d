import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bot.chats.web import event_stream
from bot.chats.web.conversation import MAX_ENTRIES, Conversation
from bot.chats.web.event_stream import stream_events
from tests.unit.bot.chats.making import make_receipt, make_status


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "FRAME_S", 0.0)
    monkeypatch.setattr(event_stream, "CARD_EVERY_S", 0.001)


async def panel(_: Conversation) -> str:
    return "<p>the card"


def parsed(chunk: str) -> list[tuple[str, dict[str, Any]]]:
    parts = [part.split("\n", 1) for part in chunk.split("\n\n") if part]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in parts]


async def begin(conversation: Conversation) -> tuple[AsyncIterator[str], list[tuple[str, dict[str, Any]]]]:
    stream = stream_events(conversation, panel)
    assert (await anext(stream)).startswith("retry: ")
    return stream, parsed(await anext(stream))


async def test_a_stream_begins_with_the_whole_conversation_and_the_card() -> None:
    conversation = Conversation("page", "en")
    conversation.say("hello")

    _, first = await begin(conversation)

    assert [name for name, _ in first] == ["conversation", "card"]
    assert "hello" in first[0][1]["html"]


async def test_a_change_sends_only_the_changed_messages() -> None:
    conversation = Conversation("page", "en")
    conversation.say("hello")
    conversation.answer(make_receipt())
    stream, _ = await begin(conversation)

    conversation.show(make_status(step=4))
    conversation.show(make_status(step=5))
    async with asyncio.timeout(30):
        news = parsed(await anext(stream))

    assert [(name, facts["number"]) for name, facts in news] == [("message", 1)]
    assert "step 5" in news[0][1]["html"]


async def test_an_event_names_the_oldest_kept_message() -> None:
    conversation = Conversation("page", "en")
    for number in range(MAX_ENTRIES):
        conversation.say(str(number))
    stream, _ = await begin(conversation)

    conversation.say("one more")

    ((_, facts),) = parsed(await anext(stream))
    assert (facts["first"], facts["number"]) == (1, MAX_ENTRIES)


async def test_another_language_sends_everything_again() -> None:
    conversation = Conversation("page", "en")
    conversation.answer(make_receipt())
    stream, first = await begin(conversation)

    conversation.locale = "zh-CN"

    ((name, facts),) = parsed(await anext(stream))
    assert name == "conversation"
    assert (first[0][1]["locale"], facts["locale"]) == ("en", "zh-CN")
    assert facts["html"] != first[0][1]["html"]


async def test_a_card_that_stays_the_same_is_not_sent_again() -> None:
    conversation = Conversation("page", "en")
    stream, _ = await begin(conversation)
    asyncio.get_running_loop().call_later(0.02, conversation.say, "later")

    ((name, _),) = parsed(await anext(stream))

    assert name == "message"


async def test_a_quiet_stream_shows_that_it_is_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "HEARTBEAT_S", 0.005)
    stream, _ = await begin(Conversation("page", "en"))

    async with asyncio.timeout(30):
        assert await anext(stream) == ": still here\n\n"


async def test_a_released_conversation_ends_its_streams() -> None:
    conversation = Conversation("page", "en")
    stream, _ = await begin(conversation)
    waiting = asyncio.create_task(anext(stream, None), name="stream")
    await asyncio.sleep(0)

    conversation.release()

    async with asyncio.timeout(30):
        assert await waiting is None
