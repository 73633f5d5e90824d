"""A job that is deleted before its delivery edits its progress message and sends no new one."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from telegram.error import TelegramError

from bot.chats.telegram_ import TelegramChat
from bot.chats.telegram_.address import ChatAddress
from bot.outcomes import Platform, Receipt, Undeliverable
from tests.fakes.desk import ScriptedDesk
from tests.fakes.desk_harness import DeskHarness
from tests.fakes.renderer import FakeRenderer
from tests.fakes.telegram_app import RECIPE, make_result, png
from tests.fakes.telegram_server import Call, Fault, TelegramServer
from tests.fakes.telegram_values import Person, Refusal, Sent
from tests.fakes.telegram_world import World
from tests.integration.telegram.test_deletion import pressed
from tests.integration.telegram.test_end_to_end import GROUP, pictures, serve_bot

HERE = ChatAddress(11, reply_to=1, message_id=50)
IN_GROUP = ChatAddress(-100_300, reply_to=1, message_id=50)
SENTENCE = "Job j1 is deleted; nothing more comes of it."


@pytest.fixture(autouse=True)
def placeholder(world: World) -> None:
    for address in (HERE, IN_GROUP):
        chat_id = address.chat_id
        world.messages[chat_id, 50] = Sent(chat_id, 50, "text", "waiting", (("Cancel", "v1:c:j1"),))


def address_now(desk: ScriptedDesk) -> ChatAddress:
    """Where the desk knows the message of the job."""
    return ChatAddress.parse(desk.addresses["j1"]) if "j1" in desk.addresses else HERE


@pytest.mark.parametrize("count", [0, 1, 2])
async def test_a_deleted_job_ends_its_placeholder_and_takes_back_what_may_have_arrived(
    chat: TelegramChat, world: World, desk: ScriptedDesk, tmp_path: Path, count: int
) -> None:
    """Telegram's answer to an earlier delivery of ``count`` pictures was lost."""
    if count:
        await chat.deliver(make_result(HERE, tmp_path, *[png("peru"), png("navy")][:count]))
    for _ in range(2):
        await chat.deliver(replace(make_result(address_now(desk), tmp_path), is_deleted=True))
    (left,) = world.in_chat(11)
    assert (left.text, left.buttons) == (SENTENCE, ())


@pytest.mark.parametrize("count", [1, 2])
async def test_the_old_pictures_go_also_if_their_deletion_failed_at_first(
    server: TelegramServer,
    chat: TelegramChat,
    world: World,
    desk: ScriptedDesk,
    tmp_path: Path,
    count: int,
) -> None:
    await chat.deliver(make_result(HERE, tmp_path, *[png("peru"), png("navy")][:count]))
    server.fail("deleteMessage", 502, "Bad Gateway", times=1)
    with pytest.raises(TelegramError):
        await chat.deliver(replace(make_result(address_now(desk), tmp_path), is_deleted=True))
    await chat.deliver(replace(make_result(address_now(desk), tmp_path), is_deleted=True))
    assert [(each.text, bool(each.file)) for each in world.in_chat(11)] == [(SENTENCE, False)]


@pytest.mark.parametrize("count", [0, 1, 2])
async def test_a_message_that_is_gone_gets_no_successor_and_its_pictures_go(
    chat: TelegramChat, world: World, desk: ScriptedDesk, tmp_path: Path, count: int
) -> None:
    """The person, or *Delete*, removed the message while the news of its arrival was lost."""
    if count:
        await chat.deliver(make_result(HERE, tmp_path, *[png("peru"), png("navy")][:count]))
    del world.messages[11, 50]
    for _ in range(2):
        await chat.deliver(replace(make_result(address_now(desk), tmp_path), is_deleted=True))
    assert world.in_chat(11) == []


async def test_a_chat_that_never_had_a_message_of_the_job_gets_none(
    server: TelegramServer, chat: TelegramChat, tmp_path: Path
) -> None:
    """A group saw a reaction only, or the pictures were to be published there."""
    for address in (ChatAddress(12, reply_to=1), ChatAddress(12)):
        await chat.deliver(replace(make_result(address, tmp_path), is_deleted=True))
    assert not server.named("sendMessage")


async def test_a_group_that_became_a_supergroup_gets_no_message(
    chat: TelegramChat, world: World, desk: ScriptedDesk, tmp_path: Path
) -> None:
    """Its messages have other ids now, so none can be edited, and none is deleted by an old id."""
    world.migrated[IN_GROUP.chat_id] = -100_999
    elsewhere = world.messages[-100_999, 51] = Sent(-100_999, 51, "photo", "another", file=png())
    before = replace(make_result(replace(IN_GROUP, album=(51,)), tmp_path), is_deleted=True)
    await chat.deliver(before)
    assert desk.migrations == [(str(IN_GROUP.chat_id), "-100999")]
    await chat.deliver(replace(before, address=replace(before.address, chat_id="-100999")))
    assert world.in_chat(-100_999) == [elsewhere]


async def test_a_closed_chat_is_undeliverable_also_for_a_deleted_job(
    chat: TelegramChat, world: World, tmp_path: Path
) -> None:
    world.blocked.add(11)
    with pytest.raises(Undeliverable, match="blocked"):
        await chat.deliver(replace(make_result(HERE, tmp_path), is_deleted=True))


@pytest.mark.usefixtures("chat")
async def test_an_update_that_comes_again_gets_no_placeholder_once_its_job_is_deleted(
    server: TelegramServer, world: World, desk: ScriptedDesk
) -> None:
    desk.answer = lambda *_: Receipt("j1", RECIPE, 1, 9, 0, repeated=True)
    world.say("a fox")
    await server.until(lambda: desk.settled)
    assert not server.named("sendMessage")


async def until_result_is(state: str, harness: DeskHarness) -> None:
    async with asyncio.timeout(30):
        while [tuple(row) for row in await harness.store._run("SELECT state FROM outbox")] != [(state,)]:  # noqa: ASYNC110 - nothing signals it
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("is_reply", [True, False])
async def test_a_placeholder_that_is_being_sent_ends_once_it_is_there(
    server: TelegramServer, world: World, chat: TelegramChat, tmp_path: Path, is_reply: bool
) -> None:
    """The one of a private request in a group is no reply: it stands in another chat."""
    server.delays_s["sendMessage"] = 0.2
    asked = world.say("a fox", by=Person(12))
    await server.until(lambda: server.named("sendMessage"))
    address = ChatAddress(12, reply_to=asked if is_reply else None)
    await chat.deliver(replace(make_result(address, tmp_path), is_deleted=True))
    assert world.texts(12) == [SENTENCE]


async def test_a_group_is_not_told_of_a_private_job_that_was_deleted_before_its_publication_came(
    server: TelegramServer, world: World, tmp_path: Path
) -> None:
    def is_out_of_reach(call: Call) -> Fault | None:
        return Fault(Refusal(502, "Bad Gateway")) if call.params.get("chat_id") == str(GROUP.id) else None

    async with serve_bot(server, tmp_path, FakeRenderer()) as harness:
        world.say("/sugar a fox --private", group=GROUP)
        await server.until(lambda: pictures(world) and world.reactions)
        await until_result_is("sent", harness)
        server.choose_fault = is_out_of_reach
        [shown] = pictures(world)
        world.press(shown, "Publish")
        await server.wake()
        await until_result_is("maybe", harness)
        for _ in range(2):
            await pressed(server, harness, shown)
        assert pictures(world) == []
    server.choose_fault = None
    async with serve_bot(server, tmp_path, FakeRenderer()) as harness:
        harness.clock.advance(days=1)  # the next try is due
        harness.desk.parts.result_ready[Platform.TELEGRAM].set()
        await until_result_is("sent", harness)
    assert world.in_chat(GROUP.id) == []
