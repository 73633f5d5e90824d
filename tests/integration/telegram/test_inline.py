"""Inline mode: a person finds and posts their own pictures, and nothing private or of others ever appears."""

import asyncio
import json
from pathlib import Path

import pytest

from bot.chats.telegram_.incoming import inline
from bot.errors import ChatNotAllowed
from bot.outcomes import OwnPicture
from tests.fakes.desk import ScriptedDesk
from tests.fakes.renderer import FakeRenderer
from tests.fakes.telegram_server import TelegramServer
from tests.fakes.telegram_values import Person, Sent
from tests.fakes.telegram_world import World
from tests.integration.telegram.test_end_to_end import GROUP, serve_bot


async def test_only_ones_own_pictures_without_private_ones_are_found(
    server: TelegramServer, world: World, tmp_path: Path
) -> None:
    async with serve_bot(server, tmp_path, FakeRenderer()) as harness:
        world.say("a fox in snow --seed 7")
        world.say("a red fox --seed 8 --private")
        world.say("a hare -n 2")
        world.say("/sugar a fox of somebody", group=GROUP, by=Person(77))
        await server.until(
            lambda: len([sent for sent in world.messages.values() if "Delete" in dict(sent.buttons)]) == 4
        )
        inbox = await harness.desk.pending_events("telegram")
        queries = {}
        for words in ("", "fox", "fox snow", "bear"):
            queries[words] = world.ask_inline(words)
            await server.until(lambda words=words: queries[words] in world.inline_answers)
        stranger = world.ask_inline("fox", by=Person(88))
        await server.until(lambda: stranger in world.inline_answers)
        assert await harness.desk.pending_events("telegram") == inbox == (), "queries are not stored"
    found = {
        words: [each["title"] for each in world.inline_answers[query_id]["results"]]
        for words, query_id in queries.items()
    }
    assert found == {
        "": ["a hare", "a hare", "a fox in snow"],
        "fox": ["a fox in snow"],
        "fox snow": ["a fox in snow"],
        "bear": [],
    }
    for query_id, answer in world.inline_answers.items():
        assert answer["is_personal"] == "true"
        assert int(answer["cache_time"]) <= 10
        assert ("button" in answer) == (not answer["results"]), query_id
        assert all(each["caption"] == "AI-generated" for each in answer["results"])
    assert world.inline_answers[stranger]["results"] == []


@pytest.fixture
def own(desk: ScriptedDesk, world: World) -> list[OwnPicture]:
    """Pictures that the desk finds on one page; their files are in the world."""
    world.history.append(Sent(11, 9, "photo", "", file=b"a photo"))
    found = [OwnPicture(f"j{number}", 0, "f9", f"a fox {number}") for number in range(120)]
    desk.own = tuple(found)
    return found


@pytest.mark.usefixtures("chat", "own")
async def test_a_query_is_answered_in_portions_of_fifty(server: TelegramServer, world: World) -> None:
    shown, offset = [], ""
    for _ in range(4):
        query_id = world.ask_inline("fox", offset=offset)
        await server.until(lambda query_id=query_id: query_id in world.inline_answers)
        answer = world.inline_answers[query_id]
        shown += [each["id"] for each in answer["results"]]
        offset = answer["next_offset"]
    assert offset == ""
    assert shown == [f"j{number}:0" for number in range(120)]
    for odd in ("x", "1.x", "-1.-1", "9" * 70):
        query_id = world.ask_inline("fox", offset=odd)
        await server.until(lambda query_id=query_id: query_id in world.inline_answers)


@pytest.mark.usefixtures("chat", "own")
async def test_only_the_newest_query_of_a_person_is_answered(
    server: TelegramServer, world: World, desk: ScriptedDesk
) -> None:
    is_free = asyncio.Event()
    find_own = desk.find_own

    async def busy(search: str, *args: object) -> tuple[OwnPicture, ...]:
        await is_free.wait()
        return await find_own(search, *args)  # type: ignore[arg-type]

    desk.find_own = busy  # type: ignore[method-assign]
    older = [world.ask_inline("f"), world.ask_inline("fo")]
    newest, other = world.ask_inline("fox"), world.ask_inline("fox", by=Person(12))
    await server.until(lambda: not world.waiting({}))
    is_free.set()
    await server.until(lambda: {newest, other} <= set(world.inline_answers))
    assert not set(older) & set(world.inline_answers)


@pytest.mark.usefixtures("chat")
async def test_what_fails_leaves_the_next_query_alone(
    server: TelegramServer, world: World, desk: ScriptedDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> tuple[OwnPicture, ...]:
        raise ChatNotAllowed(chat="telegram:11")

    async def fail(*_: object) -> tuple[OwnPicture, ...]:
        raise RuntimeError("a bug")

    async def hang(*_: object) -> tuple[OwnPicture, ...]:
        await asyncio.Event().wait()
        return ()

    world.push({"inline_query": {"id": 1}})
    monkeypatch.setattr(inline, "ANSWER_TIMEOUT_S", 0.05)
    for broken in (fail, hang):
        desk.find_own = broken  # type: ignore[method-assign]
        world.ask_inline("fox")
        await server.until(lambda: not world.waiting({}))
        await asyncio.sleep(0.1)
    assert not world.inline_answers
    monkeypatch.undo()
    late = world.ask_inline("fox")
    world.late_presses.add(late)
    desk.find_own = refuse  # type: ignore[method-assign]
    query_id = world.ask_inline("fox", by=Person(12, language="zh-hans"))
    await server.until(lambda: query_id in world.inline_answers)
    assert "打开我们的私聊" in json.loads(world.inline_answers[query_id]["button"])["text"]
