"""A message passes through the real desk and database and becomes a picture; hosts and strangers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.outcomes import Platform
from bot.policy.rules import Rules
from tests.fakes.desk_harness import DeskHarness, open_harness
from tests.fakes.renderer import Act, FakeRenderer, tiny_png
from tests.fakes.telegram_app import serving
from tests.fakes.telegram_server import TelegramServer
from tests.fakes.telegram_values import Group, Person, Sent
from tests.fakes.telegram_world import World

HOST, GROUP = Person(1, "The host"), Group()
RULES = Rules(hosts=frozenset({"telegram:1"}), allow=frozenset({"telegram:11", f"telegram:{GROUP.id}"}))


@asynccontextmanager
async def serve_bot(
    server: TelegramServer, folder: Path, renderer: FakeRenderer, rules: Rules = RULES
) -> AsyncIterator[DeskHarness]:
    async with (
        open_harness(folder, rules=rules, renderer=renderer) as harness,
        serving(server, harness.desk) as chat,
    ):
        run = asyncio.create_task(harness.desk.run({Platform.TELEGRAM: chat}), name="desk")
        try:
            yield harness
        finally:
            await harness.desk.drain(5.0)
            await run


def pictures(world: World, chat_id: int = 11) -> list[Sent]:
    return [sent for sent in world.in_chat(chat_id) if sent.kind == "photo"]


@pytest.mark.parametrize("step_s", [0.0, 0.05])
async def test_a_message_becomes_a_picture_in_place_of_its_placeholder(
    server: TelegramServer, world: World, tmp_path: Path, step_s: float
) -> None:
    async with serve_bot(server, tmp_path, FakeRenderer(step_s=step_s)):
        message_id = world.say("a fox --seed 7 --lora sugar")
        await server.until(lambda: pictures(world))
        (shown,) = world.in_chat(11)
        assert (shown.reply_to, shown.file) == (message_id, tiny_png(7))
        assert "sugar 0.8" in shown.text
        world.press(shown, "Reroll")
        await server.until(lambda: len(pictures(world)) == 2)


async def test_a_picture_that_is_faster_than_its_receipt_is_the_only_message_of_its_job(
    server: TelegramServer, world: World, tmp_path: Path
) -> None:
    world.no_reactions.add(GROUP.id)
    async with serve_bot(server, tmp_path, FakeRenderer()) as harness:
        world.say("a fox")
        await server.until(lambda: pictures(world))
        server.delays_s["answerCallbackQuery"] = 0.5
        world.press(pictures(world)[0], "Reroll")
        server.delays_s["setMessageReaction"] = 0.5
        world.say("/sugar a hare", group=GROUP)
        await server.until(lambda: len(pictures(world)) == 2 and pictures(world, GROUP.id))
        async with asyncio.timeout(30):
            while await harness.desk.pending_events(Platform.TELEGRAM):  # noqa: ASYNC110 - nothing signals it
                await asyncio.sleep(0.01)
    assert [sent.kind for sent in (*world.in_chat(11), *world.in_chat(GROUP.id))] == ["photo"] * 3


async def test_trigger_words_are_shown_apart_from_what_was_typed(
    server: TelegramServer, world: World, tmp_path: Path
) -> None:
    async with serve_bot(server, tmp_path, FakeRenderer()) as harness:
        world.say("a fox --lora sugar")
        await server.until(lambda: pictures(world))
        assert "trigger words: sugar face" in pictures(world)[0].text
        world.say("/mine")
        await server.until(lambda: any("latest jobs" in text for text in world.texts(11)))
        [listed] = [text for text in world.texts(11) if "latest jobs" in text]
    assert harness.renderer.requests[0].prompt == "sugar face, a fox"
    assert "sugar face, a fox" not in listed
    assert "a fox" in listed
    assert "trigger words: sugar face" in listed


async def test_two_pictures_are_an_album_and_one_message_with_buttons(
    server: TelegramServer, world: World, tmp_path: Path
) -> None:
    async with serve_bot(server, tmp_path, FakeRenderer()):
        world.say("/sugar@sugar_test_bot a fox -n 2 --seed 7", group=GROUP)
        await server.until(
            lambda: any(label == "Reroll" for s in world.in_chat(GROUP.id) for label, _ in s.buttons)
        )
    assert [sent.file for sent in pictures(world, GROUP.id)] == [tiny_png(7), tiny_png(8)]
    assert len(world.in_chat(GROUP.id)) == 3


async def test_a_running_job_is_cancelled_by_its_button_and_says_so(
    server: TelegramServer, world: World, tmp_path: Path
) -> None:
    async with serve_bot(server, tmp_path, FakeRenderer([Act.HANG], step_s=0.01)):
        world.say("a fox")
        await server.until(lambda: world.in_chat(11))
        world.press(world.in_chat(11)[0], "Cancel")
        await server.until(lambda: world.texts(11)[0].startswith("Cancelled."))
    assert len(world.in_chat(11)) == 1


async def test_a_typed_cancel_is_answered_once_and_deletes_the_placeholder(
    server: TelegramServer, world: World, tmp_path: Path
) -> None:
    async with serve_bot(server, tmp_path, FakeRenderer([Act.HANG, Act.HANG], step_s=0.01)):
        for number, text in enumerate(("a fox", "a hare", "a lynx"), start=1):
            world.say(text)
            await server.until(lambda number=number: len(world.in_chat(11)) == number)
        world.say("/cancel")
        await server.until(lambda: len(world.in_chat(11)) == 3 and "cancelled" in world.texts(11)[-1])
        assert [text.startswith("Got it") for text in world.texts(11)][1:] == [True, False]
        running = world.in_chat(11)[0]
        world.press(running, "Cancel")
        world.press(world.in_chat(11)[1], "Cancel")
        await server.until(lambda: all("ancelled" in text for text in world.texts(11)))


async def test_mine_in_a_group_shows_only_pictures_of_that_group(
    server: TelegramServer, world: World, tmp_path: Path
) -> None:
    async with serve_bot(server, tmp_path, FakeRenderer()):
        world.say("a private fox")
        world.say("/sugar an open hare", group=GROUP)
        await server.until(lambda: pictures(world) and pictures(world, GROUP.id))
        world.say("/sugar a secret lynx --private", group=GROUP)
        await server.until(lambda: len(pictures(world)) == 2)
        world.say("/mine", group=GROUP)
        await server.until(lambda: len(pictures(world, GROUP.id)) == 2)
        [listed] = [text for text in world.texts(GROUP.id) if "latest jobs" in text]
    assert "open hare" in listed
    assert "fox" not in listed
    assert "lynx" not in listed


async def test_a_host_switches_the_lora_and_a_member_may_not(
    server: TelegramServer, world: World, tmp_path: Path
) -> None:
    async with serve_bot(server, tmp_path, FakeRenderer()):
        world.say("/lora_switch anime", group=GROUP)
        await server.until(lambda: world.in_chat(GROUP.id))
        assert "host" in world.texts(GROUP.id)[0]
        world.say("/lora_switch anime", by=HOST, group=GROUP)
        await server.until(lambda: len(world.in_chat(GROUP.id)) == 2)
        assert "anime" in world.texts(GROUP.id)[1]


async def test_a_stranger_learns_how_the_host_allows_the_chat(
    server: TelegramServer, world: World, tmp_path: Path
) -> None:
    async with serve_bot(server, tmp_path, FakeRenderer()):
        world.say("a fox", by=Person(99))
        await server.until(lambda: world.in_chat(99))
    assert "telegram:99" in world.texts(99)[0]
