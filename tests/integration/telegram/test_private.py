"""--private in a group: the picture goes to the private chat, or nothing is drawn."""

import pytest

from bot.chats.telegram_ import TelegramChat
from bot.chats.telegram_.address import ChatAddress
from bot.commands.values import Command, Draw
from bot.errors import NoPrivateChat
from bot.outcomes import CommandContext, Outcome
from tests.fakes.desk import ScriptedDesk
from tests.fakes.telegram_app import Script, serving
from tests.fakes.telegram_server import TelegramServer
from tests.fakes.telegram_values import Group, Person
from tests.fakes.telegram_world import World

GROUP = Group()


class Private(Script):
    """As the desk does: a private picture in a group needs the person's private chat."""

    def __call__(self, command: Command, context: CommandContext) -> Outcome:
        if isinstance(command, Draw) and command.private and context.is_group and not context.private_address:
            raise NoPrivateChat
        return super().__call__(command, context)


@pytest.fixture
def desk() -> ScriptedDesk:
    script = Private()
    scripted = ScriptedDesk(script)
    script.addresses = scripted.addresses
    return scripted


@pytest.mark.parametrize("text", ["/sugar a fox --private", "/画图 一只狐狸 --私密"])
@pytest.mark.usefixtures("chat")
async def test_the_placeholder_is_in_the_private_chat_and_the_group_sees_a_mark_only(
    server: TelegramServer, world: World, desk: ScriptedDesk, text: str
) -> None:
    asked = world.say(text, group=GROUP)
    await server.until(lambda: desk.settled)
    assert world.reactions == {(GROUP.id, asked): "👀"}
    [placeholder] = world.in_chat(11)
    assert "Got it" in placeholder.text
    assert placeholder.reply_to is None
    assert not world.in_chat(GROUP.id)
    assert ChatAddress.parse(desk.addresses["j1"]) == ChatAddress(11, message_id=placeholder.message_id)
    [(_, context)] = desk.handled
    assert context.is_group
    assert context.private_address == ChatAddress(11).to_address()


@pytest.mark.usefixtures("chat")
async def test_a_group_without_reactions_reads_where_the_answer_is(
    server: TelegramServer, world: World, desk: ScriptedDesk
) -> None:
    world.no_reactions.add(GROUP.id)
    world.say("/sugar a fox --private", group=GROUP)
    await server.until(lambda: desk.settled)
    assert world.texts(GROUP.id) == ["I'm answering in our private chat."]


@pytest.mark.parametrize("is_blocked", [False, True])
@pytest.mark.usefixtures("chat")
async def test_a_person_without_an_open_private_chat_gets_a_link_and_is_not_charged(
    server: TelegramServer, world: World, desk: ScriptedDesk, *, is_blocked: bool
) -> None:
    (world.blocked if is_blocked else world.never_started).add(12)
    world.say("/sugar a fox --private", group=GROUP, by=Person(12, "成员", "zh-hans"))
    await server.until(lambda: desk.settled)
    [refusal] = world.in_chat(GROUP.id)
    assert "https://t.me/sugar_test_bot?start=private" in refusal.text
    assert isinstance(desk.answer, Script)
    assert not desk.answer.jobs


async def test_a_network_failure_is_not_a_refusal(
    server: TelegramServer, world: World, desk: ScriptedDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.chats.telegram_.incoming.handler.RETRY_PAUSES_S", (0.02,))
    server.fail("sendChatAction", 502, "Bad Gateway")
    async with serving(server, desk):
        world.say("/sugar a fox --private", group=GROUP)
        await server.until(lambda: desk.settled)
    assert len(world.in_chat(11)) == 1


@pytest.mark.usefixtures("chat")
async def test_the_private_chat_is_checked_only_for_private_pictures_in_groups(
    server: TelegramServer, world: World, desk: ScriptedDesk, chat: TelegramChat
) -> None:
    world.say("a fox --private")
    world.say("/sugar a fox", group=GROUP)
    world.say("/quota", group=GROUP)
    await server.until(lambda: len(desk.settled) == 3)
    assert not server.named("sendChatAction")
    assert [context.is_group for _, context in desk.handled].count(True) == 2
