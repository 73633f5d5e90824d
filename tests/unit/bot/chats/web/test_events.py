import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bot.chats.web import events
from bot.chats.web.conversation import MAX_ENTRIES, Conversation
from bot.chats.web.events import follow
from tests.unit.bot.chats.making import make_receipt, make_status


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "FRAME_S", 0.0)
    monkeypatch.setattr(events, "CARD_EVERY_S", 0.001)


async def panel(_: Conversation) -> str:
    return "<p>the card"


def parsed(chunk: str) -> list[tuple[str, dict[str, Any]]]:
    parts = [part.split("\n", 1) for part in chunk.split("\n\n") if part]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in parts]


async def begin(talk: Conversation) -> tuple[AsyncIterator[str], list[tuple[str, dict[str, Any]]]]:
    stream = follow(talk, panel)
    assert (await anext(stream)).startswith("retry: ")
    return stream, parsed(await anext(stream))


async def test_a_stream_begins_with_the_whole_conversation_and_the_card() -> None:
    talk = Conversation("page", "en")
    talk.say("hello")

    _, first = await begin(talk)

    assert [name for name, _ in first] == ["talk", "card"]
    assert "hello" in first[0][1]["html"]


async def test_a_change_sends_the_bubbles_that_changed_and_no_others() -> None:
    talk = Conversation("page", "en")
    talk.say("hello")
    talk.answer(make_receipt())
    stream, _ = await begin(talk)

    talk.show(make_status(step=4))
    talk.show(make_status(step=5))
    async with asyncio.timeout(5):
        news = parsed(await anext(stream))

    assert [(name, facts["number"]) for name, facts in news] == [("turn", 1)]
    assert "step 5" in news[0][1]["html"]


async def test_an_oldest_bubble_that_made_room_is_named() -> None:
    talk = Conversation("page", "en")
    for number in range(MAX_ENTRIES):
        talk.say(str(number))
    stream, _ = await begin(talk)

    talk.say("one more")

    ((_, facts),) = parsed(await anext(stream))
    assert (facts["first"], facts["number"]) == (1, MAX_ENTRIES)


async def test_another_language_sends_everything_again() -> None:
    talk = Conversation("page", "en")
    talk.answer(make_receipt())
    stream, first = await begin(talk)

    talk.locale = "zh-CN"

    ((name, facts),) = parsed(await anext(stream))
    assert name == "talk"
    assert facts["html"] != first[0][1]["html"]


async def test_a_card_that_stays_the_same_is_not_sent_again() -> None:
    talk = Conversation("page", "en")
    stream, _ = await begin(talk)
    asyncio.get_running_loop().call_later(0.02, talk.say, "later")

    ((name, _),) = parsed(await anext(stream))

    assert name == "turn"


async def test_a_quiet_stream_shows_that_it_is_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "HEARTBEAT_S", 0.005)
    stream, _ = await begin(Conversation("page", "en"))

    async with asyncio.timeout(5):
        assert await anext(stream) == ": still here\n\n"


async def test_a_released_conversation_ends_its_streams() -> None:
    talk = Conversation("page", "en")
    stream, _ = await begin(talk)
    waiting = asyncio.create_task(anext(stream, None), name="stream")
    await asyncio.sleep(0)

    talk.release()

    async with asyncio.timeout(5):
        assert await waiting is None
