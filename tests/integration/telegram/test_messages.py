"""Messages of people become placeholders and pictures; commands and refusals get an answer."""

from pathlib import Path

import pytest
from structlog.typing import EventDict

from bot.chats.telegram_ import TelegramChat
from bot.chats.telegram_.address import ChatAddress
from bot.chats.telegram_.outgoing.sender import Sender
from bot.commands.values import Cancel, Command, Draw, Quota
from bot.errors import NoCreditsLeft
from bot.outcomes import CommandContext, Outcome
from tests.fakes.desk import ScriptedDesk
from tests.fakes.telegram_app import buttons_of, make_result, make_status, png, serving
from tests.fakes.telegram_server import TelegramServer
from tests.fakes.telegram_values import GENERAL, Group, Person, Sent
from tests.fakes.telegram_world import World

CHINESE = Person(12, "成员", "zh-hans")
GROUP = Group()
FORUM = Group(-100_300, is_forum=True)


def only(world: World, chat_id: int = 11) -> Sent:
    sent = world.in_chat(chat_id)
    assert len(sent) == 1
    return sent[0]


async def test_a_prompt_becomes_a_placeholder_that_becomes_the_picture(
    server: TelegramServer, world: World, chat: TelegramChat, desk: ScriptedDesk, tmp_path: Path
) -> None:
    message_id = world.say("a red fox --seed 7")
    await server.until(lambda: "j1" in desk.addresses and not desk.inbox)

    command, context = desk.handled[0]
    assert isinstance(command, Draw)
    assert (command.prompt, command.seed) == ("a red fox", 7)
    assert (context.user_id, context.user_name, context.locale) == ("11", "Member", "en")
    placeholder = only(world)
    assert placeholder.reply_to == message_id
    assert "Got it" in placeholder.text
    assert placeholder.buttons == (("Cancel", "v2:cancel:j1"),)
    address = ChatAddress.parse(desk.addresses["j1"])
    assert address == ChatAddress(11, reply_to=message_id, message_id=placeholder.message_id)

    await chat.show(make_status(address, step=3))
    await server.until(lambda: "3" in only(world).text)
    await server.until(lambda: world.actions == [(11, "upload_photo")])

    result = make_result(address, tmp_path, png())
    await chat.deliver(result)
    shown = only(world)
    assert (shown.message_id, shown.kind, shown.file) == (placeholder.message_id, "photo", png())
    assert "64 × 64" in shown.text
    assert shown.buttons == buttons_of(result)


async def test_a_chinese_speaker_is_answered_in_chinese(
    server: TelegramServer, world: World, chat: TelegramChat, desk: ScriptedDesk, tmp_path: Path
) -> None:
    world.say("Sugar面部, 清透水光肌，张数 1", by=CHINESE)
    await server.until(lambda: "j1" in desk.addresses)
    assert desk.handled[0][1].locale == "zh-CN"
    assert only(world, 12).buttons == (("取消", "v2:cancel:j1"),)
    await chat.deliver(make_result(ChatAddress.parse(desk.addresses["j1"]), tmp_path, png(), locale="zh-CN"))
    assert "种子" in only(world, 12).text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/sugar@sugar_test_bot a fox", "a fox"),
        ("/SUGAR@Sugar_Test_Bot a fox", "a fox"),
        ("/sugar a fox", "a fox"),
        ("@sugar_test_bot a fox", "a fox"),
        ("😀 a fox @Sugar_Test_Bot please", "😀 a fox  please"),
        ("/sugar@another_bot a fox", None),
        ("@another_bot a fox", None),
        ("a fox", None),
        ("/roll 20", None),
    ],
)
@pytest.mark.usefixtures("chat")
async def test_in_a_group_only_messages_for_the_bot_are_answered(
    server: TelegramServer, world: World, desk: ScriptedDesk, text: str, expected: str | None
) -> None:
    world.say(text, group=GROUP)
    await server.until(lambda: desk.settled)
    prompts = [command.prompt for command, _ in desk.handled if isinstance(command, Draw)]
    assert prompts == ([] if expected is None else [expected])
    assert len(world.reactions) == len(prompts)
    assert not world.in_chat(GROUP.id)


@pytest.mark.usefixtures("chat")
async def test_in_a_group_a_reply_to_the_bot_is_a_prompt(
    server: TelegramServer, world: World, desk: ScriptedDesk
) -> None:
    world.say("/quota", group=GROUP)
    await server.until(lambda: world.in_chat(GROUP.id))
    world.say("now a hare", group=GROUP, reply_to=only(world, GROUP.id))
    await server.until(lambda: len(desk.handled) == 2)
    assert desk.handled[1][0] == Draw("now a hare")


@pytest.mark.usefixtures("chat")
async def test_an_unknown_command_with_the_bot_s_name_is_explained_in_a_group(
    server: TelegramServer, world: World
) -> None:
    world.say("/sugr@sugar_test_bot a fox", group=GROUP)
    await server.until(lambda: world.in_chat(GROUP.id))
    assert "/help" in only(world, GROUP.id).text


@pytest.mark.parametrize(("topic", "sent_to"), [(55, 55), (GENERAL, None), (None, None)])
@pytest.mark.usefixtures("chat")
async def test_answers_stay_in_their_topic_and_general_is_left_out(
    server: TelegramServer, world: World, desk: ScriptedDesk, topic: int | None, sent_to: int | None
) -> None:
    world.no_reactions.add(FORUM.id)
    world.say("/sugar a fox", group=FORUM, topic=topic)
    await server.until(lambda: "j1" in desk.addresses)
    assert only(world, FORUM.id).thread_id == sent_to
    assert ChatAddress.parse(desk.addresses["j1"]).thread_id == sent_to
    assert len(server.named("sendMessage")) == 1


@pytest.mark.usefixtures("chat")
async def test_a_deleted_topic_is_answered_in_the_group(server: TelegramServer, world: World) -> None:
    world.closed_threads.add(55)
    world.say("/quota", group=FORUM, topic=55)
    await server.until(lambda: world.in_chat(FORUM.id))
    assert only(world, FORUM.id).thread_id is None


@pytest.mark.parametrize(("text", "kind"), [("/quota", Quota), ("/cancel j9", Cancel)])
@pytest.mark.usefixtures("chat")
async def test_commands_are_answered_with_a_sentence(
    server: TelegramServer, world: World, desk: ScriptedDesk, text: str, kind: type
) -> None:
    world.say(text)
    await server.until(lambda: world.in_chat(11))
    assert isinstance(desk.handled[0][0], kind)
    assert not only(world).buttons


async def test_a_refusal_is_a_reply_in_the_person_s_language(server: TelegramServer, world: World) -> None:
    def refuse(_command: Command, _context: CommandContext) -> Outcome:
        raise NoCreditsLeft(price=4, credits=1, renews_at_s=1_790_000_000)

    async with serving(server, ScriptedDesk(refuse)):
        message_id = world.say("a fox", by=CHINESE)
        await server.until(lambda: world.in_chat(12))
    assert only(world, 12).reply_to == message_id
    assert "额度" in only(world, 12).text


@pytest.mark.usefixtures("chat")
async def test_a_reply_to_a_deleted_message_is_sent_anyway(server: TelegramServer, world: World) -> None:
    world.say("/quota")
    await server.until(lambda: server.named("sendMessage"))
    assert '"allow_sending_without_reply": true' in server.named("sendMessage")[0].params["reply_parameters"]


async def test_an_unexpected_error_is_logged_apologised_for_and_settled(
    server: TelegramServer, world: World, events: list[EventDict]
) -> None:
    def fail(_command: Command, _context: CommandContext) -> Outcome:
        raise RuntimeError("unexpected")

    desk = ScriptedDesk(fail)
    async with serving(server, desk):
        world.say("a fox")
        await server.until(lambda: desk.settled)
    assert "Something went wrong" in only(world).text
    assert [event["event_id"] for event in events if event["event"] == "event failed"] == desk.settled


async def test_an_apology_that_fails_too_stops_nothing(
    server: TelegramServer, world: World, desk: ScriptedDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise RuntimeError("unexpected")

    monkeypatch.setattr(Sender, "show_text", fail)
    async with serving(server, desk):
        world.say("a fox")
        await server.until(lambda: desk.settled)
        world.say("a hare")
        await server.until(lambda: len(desk.settled) == 2)


@pytest.mark.usefixtures("chat")
async def test_other_bots_make_no_job(server: TelegramServer, world: World, desk: ScriptedDesk) -> None:
    world.push(
        {
            "message": {
                "message_id": 900,
                "date": 1_790_000_000,
                "chat": {"id": 13, "type": "private"},
                "from": {"id": 13, "is_bot": True, "first_name": "Bot"},
                "text": "a fox",
            }
        }
    )
    await server.until(lambda: desk.settled)
    assert not desk.handled
    assert not world.messages


@pytest.mark.usefixtures("chat")
async def test_a_reply_is_retried_after_a_network_failure(
    server: TelegramServer, world: World, desk: ScriptedDesk
) -> None:
    server.fail("sendMessage", 502, "Bad Gateway")
    world.say("/quota")
    await server.until(lambda: world.in_chat(11))
    await server.until(lambda: desk.settled)
    assert len(server.named("sendMessage")) == 2
