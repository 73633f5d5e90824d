"""A group that becomes a supergroup has a new id; its data in the desk and replies follow it."""

from dataclasses import replace
from pathlib import Path

import pytest

from bot.chats.telegram_ import TelegramChat
from bot.chats.telegram_.address import ChatAddress
from tests.fakes.desk import ScriptedDesk
from tests.fakes.telegram_app import make_result, png
from tests.fakes.telegram_server import TelegramServer
from tests.fakes.telegram_values import Group, Sent
from tests.fakes.telegram_world import World

OLD, NEW = -200, -100_200


@pytest.mark.parametrize("service_field", ["migrate_to_chat_id", "migrate_from_chat_id"])
@pytest.mark.usefixtures("chat")
async def test_either_service_message_reports_the_migration_to_the_desk(
    server: TelegramServer, world: World, desk: ScriptedDesk, service_field: str
) -> None:
    world.migrate(OLD, NEW, service_field=service_field)
    await server.until(lambda: desk.settled)
    assert desk.migrations == [(str(OLD), str(NEW))]
    assert not world.messages


@pytest.mark.usefixtures("chat")
async def test_a_reply_follows_the_group_and_reports_the_migration(
    server: TelegramServer, world: World, desk: ScriptedDesk
) -> None:
    world.migrated[OLD] = NEW
    world.say("/quota", group=Group(OLD))
    await server.until(lambda: desk.settled)
    assert len(world.in_chat(NEW)) == 1
    assert desk.migrations == [(str(OLD), str(NEW))]


@pytest.mark.parametrize("count", [1, 2])
async def test_a_result_follows_the_group(
    chat: TelegramChat, world: World, desk: ScriptedDesk, tmp_path: Path, count: int
) -> None:
    world.migrated[OLD] = NEW
    address = ChatAddress(OLD, reply_to=7, message_id=50)
    await chat.deliver(make_result(address, tmp_path, *[png()] * count))
    assert len([sent for sent in world.in_chat(NEW) if sent.file]) == count
    assert desk.migrations[0] == (str(OLD), str(NEW))


async def test_message_ids_of_the_old_group_are_not_used_in_the_new_one(
    chat: TelegramChat, world: World, tmp_path: Path
) -> None:
    """The desk has moved the job to the new id; a message there with the old number is another one."""
    other = Sent(NEW, 50, "text", "somebody else's placeholder")
    world.messages[NEW, 50] = other
    result = make_result(ChatAddress(OLD, reply_to=7, message_id=50, thread_id=3), tmp_path, png())
    await chat.deliver(replace(result, address=replace(result.address, chat_id=str(NEW))))
    first, shown = world.in_chat(NEW)
    assert first == other
    assert shown.file == png()
    assert (shown.reply_to, shown.thread_id) == (None, None)
