"""A deleted job disappears from its chats: messages go, and those that are too old are emptied."""

import asyncio
from pathlib import Path

import pytest

from bot.chats.telegram_ import TelegramChat
from bot.chats.telegram_.address import ChatAddress
from bot.commands.values import Delete
from bot.outcomes import Platform
from tests.fakes.desk import ScriptedDesk, delete_if_sure
from tests.fakes.desk_harness import DeskHarness, is_delivered
from tests.fakes.renderer import FakeRenderer
from tests.fakes.telegram_app import make_result, png
from tests.fakes.telegram_server import TelegramServer
from tests.fakes.telegram_values import MEMBER, Person, Sent
from tests.fakes.telegram_world import World
from tests.integration.telegram.test_end_to_end import GROUP, HOST, pictures, serve_bot

HERE = ChatAddress(11, reply_to=1, message_id=50)


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("fate", ["young", "old", "closed"])
async def test_every_message_of_the_job_is_deleted_or_emptied(
    server: TelegramServer,
    world: World,
    chat: TelegramChat,
    desk: ScriptedDesk,
    tmp_path: Path,
    count: int,
    fate: str,
) -> None:
    world.messages[11, 50] = Sent(11, 50, "text", "waiting")
    await chat.deliver(make_result(HERE, tmp_path, *[png(), png("navy"), png("teal")][:count]))
    elsewhere = Sent(11, 60, "photo", "another job", file=png())
    world.messages[11, 60] = elsewhere
    desk.answer = delete_if_sure
    if fate != "young":
        world.older_than_two_days |= {sent.message_id for sent in world.in_chat(11)}
    if fate == "closed":
        server.fail("editMessageMedia", 400, "Bad Request: message can't be edited", times=9)
        server.fail("editMessageText", 400, "Bad Request: message can't be edited", times=9)
    first = world.press(world.messages[11, 50], "Delete")
    await server.until(lambda: desk.settled)
    assert "for good? Press the button again" in world.alerts[first]
    assert [command for command, _ in desk.handled] == [Delete("j1", is_sure=False)]
    query_id = world.press(world.messages[11, 50], "Delete")
    await server.until(lambda: len(desk.settled) == 2)
    assert desk.handled[1][0] == Delete("j1")
    left = [sent for sent in world.in_chat(11) if sent != elsewhere]
    if fate == "young":
        assert left == []
        assert "are deleted" in world.toasts[query_id]
    elif fate == "old":
        assert {sent.text for sent in left} == {"Deleted."}
        assert not {png(), png("navy"), png("teal")} & {sent.file for sent in left}
        assert not any(sent.buttons for sent in left)
    else:
        assert f"{count + (count > 1)} messages of this job" in left[-1].text
    assert not desk.messages


async def drawn(server: TelegramServer, folder: Path) -> Sent:
    """Ask for a picture in the group and return the message that shows it, once its delivery is over."""
    server.world.say("/sugar a fox", group=GROUP)
    await server.until(lambda: pictures(server.world, GROUP.id) and is_delivered(folder))
    [shown] = pictures(server.world, GROUP.id)
    return shown


async def settled(harness: DeskHarness) -> None:
    """Wait until every update is answered, and the bot knows that its answer was shown."""
    while await harness.desk.pending_events(Platform.TELEGRAM):  # noqa: ASYNC110 - nothing signals it
        await asyncio.sleep(0.01)


async def pressed(server: TelegramServer, harness: DeskHarness, shown: Sent, by: Person = MEMBER) -> str:
    """Press Delete and return what the presser reads."""
    world = server.world
    query_id = world.press(shown, "Delete", by=by)
    await server.until(lambda: query_id in world.answered_presses)
    await settled(harness)
    return world.alerts.get(query_id) or world.toasts[query_id]


async def test_only_its_person_or_a_host_deletes_a_job_also_after_a_restart(
    server: TelegramServer, world: World, tmp_path: Path
) -> None:
    async with serve_bot(server, tmp_path, FakeRenderer()):
        shown = await drawn(server, tmp_path)
    async with serve_bot(server, tmp_path, FakeRenderer()) as harness:
        for _ in range(2):
            assert "someone else" in await pressed(server, harness, shown, Person(77))
        for by in (MEMBER, HOST):
            assert "Press the button again" in await pressed(server, harness, shown, by)
    async with serve_bot(server, tmp_path, FakeRenderer()) as harness:  # people are asked again
        assert "Press the button again" in await pressed(server, harness, shown)
        assert pictures(world, GROUP.id) == [shown]
        assert "are deleted" in await pressed(server, harness, shown)
        assert not world.in_chat(GROUP.id)


async def test_a_press_that_came_before_the_question_was_shown_deletes_nothing(
    server: TelegramServer, world: World, tmp_path: Path
) -> None:
    """People press again when nothing happens: while the bot does not run, or is slow."""
    async with serve_bot(server, tmp_path, FakeRenderer()):
        shown = await drawn(server, tmp_path)
    presses = [world.press(shown, "Delete") for _ in range(3)]
    world.late_presses.add(presses[0])
    async with serve_bot(server, tmp_path, FakeRenderer()) as harness:
        await server.until(lambda: set(presses[1:]) <= set(world.alerts))
        assert "Press the button again" in world.texts(11)[-1], "too late for an alert"
        assert all("Press the button again" in world.alerts[each] for each in presses[1:])
        assert pictures(world, GROUP.id) == [shown]
        assert "are deleted" in await pressed(server, harness, shown)


async def test_a_press_whose_question_nobody_could_read_was_no_first_press(
    server: TelegramServer, world: World, tmp_path: Path
) -> None:
    world.never_started.add(11)
    async with serve_bot(server, tmp_path, FakeRenderer()) as harness:
        shown = await drawn(server, tmp_path)
        late = world.press(shown, "Delete")
        world.late_presses.add(late)
        await server.until(lambda: server.named("answerCallbackQuery"))
        await settled(harness)
        assert "Press the button again" in await pressed(server, harness, shown)
        assert "are deleted" in await pressed(server, harness, shown)


async def test_a_press_that_deleted_is_not_asked_about_again_after_a_crash(
    server: TelegramServer, world: World, tmp_path: Path
) -> None:
    async with serve_bot(server, tmp_path, FakeRenderer()) as harness:
        shown = await drawn(server, tmp_path)
        assert "Press the button again" in await pressed(server, harness, shown)
        before = len(server.named("answerCallbackQuery"))
        server.fail("answerCallbackQuery", 502, "Bad Gateway", times=99)
        second = world.press(shown, "Delete")
        await server.until(lambda: len(server.named("answerCallbackQuery")) > before)
    server.faults.clear()
    async with serve_bot(server, tmp_path, FakeRenderer()):
        await server.until(lambda: second in world.alerts or second in world.toasts)
        assert "are deleted" in world.toasts.get(second, "")
