"""A deleted job disappears from its chats: messages go, and those that are too old are emptied."""

from pathlib import Path

import pytest

from bot.chats.telegram_ import TelegramChat
from bot.chats.telegram_.address import ChatAddress
from bot.commands.values import Delete
from bot.outcomes import Deleted
from tests.fakes.desk import ScriptedDesk
from tests.fakes.renderer import FakeRenderer
from tests.fakes.telegram_app import make_result, png
from tests.fakes.telegram_server import TelegramServer
from tests.fakes.telegram_values import Person, Sent
from tests.fakes.telegram_world import World
from tests.integration.telegram.test_end_to_end import GROUP, pictures, serve_bot

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
    desk.answer = lambda *_: Deleted("j1")
    if fate != "young":
        world.older_than_two_days |= {sent.message_id for sent in world.in_chat(11)}
    if fate == "closed":
        server.fail("editMessageMedia", 400, "Bad Request: message can't be edited", times=9)
        server.fail("editMessageText", 400, "Bad Request: message can't be edited", times=9)
    first = world.press(world.messages[11, 50], "Delete")
    await server.until(lambda: desk.settled)
    assert "for good? Press the button again" in world.alerts[first]
    assert not desk.handled
    query_id = world.press(world.messages[11, 50], "Delete")
    await server.until(lambda: len(desk.settled) == 2)
    assert desk.handled[0][0] == Delete("j1")
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


async def test_only_its_person_or_a_host_deletes_a_job_also_after_a_restart(
    server: TelegramServer, world: World, tmp_path: Path
) -> None:
    async with serve_bot(server, tmp_path, FakeRenderer()):
        world.say("/sugar a fox", group=GROUP)
        await server.until(lambda: pictures(world, GROUP.id))
    async with serve_bot(server, tmp_path, FakeRenderer()):
        shown = pictures(world, GROUP.id)[0]
        for press in ("first", "second"):
            query_id = world.press(shown, "Delete", by=Person(77))
            await server.until(lambda query_id=query_id: query_id in world.alerts)
            assert ("someone else" in world.alerts[query_id]) is (press == "second")
        assert pictures(world, GROUP.id) == [shown]
        asked = world.press(shown, "Delete")
        await server.until(lambda: asked in world.alerts)
        assert pictures(world, GROUP.id) == [shown]
    async with serve_bot(server, tmp_path, FakeRenderer()):
        for _ in range(2):  # after a restart, people are asked again
            world.press(shown, "Delete")
        await server.until(lambda: not world.in_chat(GROUP.id))
