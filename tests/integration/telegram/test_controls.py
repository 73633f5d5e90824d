"""Presses: spinners end soon, only the presser sees a refusal, and a restart loses no press."""

import asyncio
from dataclasses import replace

import pytest
from structlog.typing import EventDict

from bot.chats.telegram_.address import ChatAddress
from bot.chats.telegram_.incoming import handler, press_answer
from bot.commands.values import Cancel, Command, Reroll
from bot.errors import AlreadyEnded, NotYours, PersonError
from bot.outcomes import CancelAccepted, CommandContext, Outcome
from tests.fakes.desk import ScriptedDesk
from tests.fakes.telegram_app import serving
from tests.fakes.telegram_server import TelegramServer
from tests.fakes.telegram_values import Group, Person, Sent
from tests.fakes.telegram_world import World
from tests.unit.bot.chats.making import LORA


async def placeholder(server: TelegramServer, world: World, desk: ScriptedDesk, text: str = "a fox") -> Sent:
    world.say(text)
    await server.until(lambda: "j1" in desk.addresses and not desk.inbox)
    return world.in_chat(11)[0]


async def test_a_button_works_after_a_restart(
    server: TelegramServer, world: World, desk: ScriptedDesk
) -> None:
    async with serving(server, desk):
        sent = await placeholder(server, world, desk)
    async with serving(server, desk):
        query_id = world.press(sent, "Cancel")
        await server.until(lambda: len(desk.handled) == 2)
        await server.until(lambda: not desk.inbox)
    assert desk.handled[1][0] == Cancel("j1")
    assert world.answered_presses == [query_id]


@pytest.mark.usefixtures("chat")
async def test_a_cancelled_job_is_reported_by_its_own_message_only(
    server: TelegramServer, world: World, desk: ScriptedDesk
) -> None:
    world.press(await placeholder(server, world, desk), "Cancel")
    await server.until(lambda: len(desk.settled) == 2)
    assert len(world.in_chat(11)) == 1


@pytest.mark.usefixtures("chat")
async def test_a_button_stops_spinning_while_the_desk_is_busy(
    server: TelegramServer, world: World, desk: ScriptedDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(press_answer, "MAX_SPIN_S", 0.02)
    sent = await placeholder(server, world, desk)
    handle, is_free = desk.handle, asyncio.Event()

    async def busy(command: Command, context: CommandContext) -> Outcome:
        await is_free.wait()
        return await handle(command, context)

    desk.handle = busy  # type: ignore[method-assign]
    query_id = world.press(sent, "Cancel")
    await server.until(lambda: world.answered_presses == [query_id])
    is_free.set()
    await server.until(lambda: len(desk.settled) == 2)
    assert world.answered_presses == [query_id]


def refusing(error: PersonError) -> ScriptedDesk:
    def refuse(_command: Command, _context: CommandContext) -> Outcome:
        raise error

    return ScriptedDesk(refuse)


GROUP = Group()
SHOWN = Sent(GROUP.id, 80, "photo", "done", (("Reroll", "v1:r:j9"), ("Cancel", "v1:c:j9")))


async def test_only_the_presser_sees_the_refusal_of_another_persons_button(
    server: TelegramServer, world: World
) -> None:
    world.messages[GROUP.id, 80] = SHOWN
    desk = refusing(NotYours(job_id="j9"))
    async with serving(server, desk):
        query_id = world.press(SHOWN, "Cancel")
        await server.until(lambda: desk.settled)
    assert "someone else" in world.alerts[query_id]
    assert world.in_chat(GROUP.id) == [SHOWN]
    assert not server.named("sendMessage")


async def test_a_refusal_of_an_old_press_goes_to_the_private_chat(
    server: TelegramServer, world: World
) -> None:
    """An alert is possible for a while only, and the press may have waited for our restart."""
    desk = refusing(NotYours(job_id="j9"))
    async with serving(server, desk):
        world.late_presses.add("q1")
        world.press(SHOWN, "Cancel")
        await server.until(lambda: desk.settled)
    assert "someone else" in world.texts(11)[0]
    assert not world.in_chat(GROUP.id)


async def test_a_refusal_that_reaches_nobody_is_one_log_line(
    server: TelegramServer, world: World, events: list[EventDict]
) -> None:
    desk = refusing(NotYours(job_id="j9"))
    world.never_started.add(11)
    async with serving(server, desk):
        world.late_presses.add("q1")
        world.press(SHOWN, "Cancel")
        await server.until(lambda: desk.settled)
    assert not world.messages
    assert [event["event"] for event in events if event["log_level"] != "info"] == ["answer cannot be sent"]


async def test_an_alert_is_retried_while_the_network_fails(
    server: TelegramServer, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handler, "RETRY_PAUSES_S", (0.02,))
    server.fail("answerCallbackQuery", 502, "Bad Gateway", times=3)
    desk = refusing(NotYours(job_id="j9"))
    async with serving(server, desk):
        world.press(SHOWN, "Cancel")
        await server.until(lambda: desk.settled)
    assert list(world.alerts) == ["q1"]
    assert len(desk.handled) == 1


@pytest.mark.usefixtures("chat")
async def test_a_running_job_that_is_to_stop_says_so_for_a_moment(
    server: TelegramServer, world: World, desk: ScriptedDesk
) -> None:
    sent = await placeholder(server, world, desk)
    desk.answer = lambda *_: CancelAccepted("j1", was_running=True)
    query_id = world.press(sent, "Cancel")
    await server.until(lambda: len(desk.settled) == 2)
    assert "after its current step" in world.toasts[query_id]
    assert len(world.messages) == 1


@pytest.mark.usefixtures("chat")
async def test_a_press_on_a_second_placeholder_removes_its_button(
    server: TelegramServer, world: World, desk: ScriptedDesk
) -> None:
    """A crash between sending a placeholder and storing it leaves one behind."""
    sent = await placeholder(server, world, desk)
    duplicate = replace(sent, message_id=50)
    world.messages[11, 50] = duplicate
    world.press(duplicate, "Cancel")
    await server.until(lambda: len(desk.settled) == 2)
    left, kept = world.in_chat(11)
    assert (left.text, left.buttons) == ("This job continues in another message.", ())
    assert kept == sent


@pytest.mark.usefixtures("chat")
async def test_a_press_on_a_second_placeholder_of_an_ended_job_removes_its_button(
    server: TelegramServer, world: World, desk: ScriptedDesk
) -> None:
    def refuse(_command: Command, _context: CommandContext) -> Outcome:
        raise AlreadyEnded(job_id="j1")

    sent = await placeholder(server, world, desk)
    duplicate = replace(sent, message_id=50)
    world.messages[11, 50] = duplicate
    desk.answer = refuse
    query_id = world.press(duplicate, "Cancel")
    await server.until(lambda: len(desk.settled) == 2)
    assert query_id in world.alerts
    assert [message.buttons for message in world.in_chat(11)] == [(), sent.buttons]


@pytest.mark.usefixtures("chat")
async def test_a_press_under_a_message_sent_through_the_bot_is_explained(
    server: TelegramServer, world: World, desk: ScriptedDesk
) -> None:
    world.push({"callback_query": {"id": "q7", "from": Person().user(), "chat_instance": "c"}})
    await server.until(lambda: desk.settled)
    assert "another version" in world.alerts["q7"]


@pytest.mark.parametrize("fault", [(400, "Bad Request: query is too old"), (502, "Bad Gateway")])
@pytest.mark.usefixtures("chat")
async def test_a_press_that_cannot_be_answered_still_does_its_work(
    server: TelegramServer, world: World, desk: ScriptedDesk, fault: tuple[int, str]
) -> None:
    sent = await placeholder(server, world, desk)
    server.fail("answerCallbackQuery", *fault)
    world.press(sent, "Cancel")
    await server.until(lambda: len(desk.settled) == 2)
    assert desk.handled[1][0] == Cancel("j1")


@pytest.mark.usefixtures("chat")
async def test_a_reroll_makes_a_new_job_in_the_same_topic(
    server: TelegramServer, world: World, desk: ScriptedDesk
) -> None:
    forum = Group(-100_300, is_forum=True)
    shown = Sent(forum.id, 80, "photo", "done", (("Reroll", "v1:r:j9"),), thread_id=55)
    world.messages[forum.id, 80] = shown
    world.no_reactions.add(forum.id)
    world.press(shown, "Reroll")
    await server.until(lambda: "j1" in desk.addresses)
    assert desk.handled[0][0] == Reroll("j9")
    address = ChatAddress.parse(desk.addresses["j1"])
    assert (address.reply_to, address.thread_id) == (80, 55)


@pytest.mark.usefixtures("chat")
async def test_a_button_of_another_version_is_explained(
    server: TelegramServer, world: World, desk: ScriptedDesk
) -> None:
    query_id = world.press(Sent(11, 80, "text", "old", (("Odd", "v0:x"),)), "Odd")
    await server.until(lambda: desk.settled)
    assert not desk.handled
    assert "/help" in world.alerts[query_id]


@pytest.mark.usefixtures("chat")
async def test_dangerous_buttons_are_red_and_rows_stay_rows(
    server: TelegramServer, world: World, desk: ScriptedDesk
) -> None:
    sent = await placeholder(server, world, desk)
    assert sent.styles == (("Cancel", "danger"),)
    assert sent.rows == (("Cancel",),)


async def test_what_is_known_of_a_lora_has_its_controls(server: TelegramServer, world: World) -> None:
    async with serving(server, ScriptedDesk(lambda *_: LORA)):
        world.say("/lorainfo sugar")
        await server.until(lambda: world.in_chat(11))
    [sent] = world.in_chat(11)
    assert [data for _, data in sent.buttons] == [
        f"v2:{action}:{'a' * 40}" for action in ("example", "default")
    ]
