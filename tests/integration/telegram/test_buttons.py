"""Presses: answered first, worked on later, and as good after a restart as before."""

import pytest

from bot.chats.telegram_.place import Place
from bot.commands.values import Cancel, Reroll
from tests.fakes.desk import ScriptedDesk
from tests.fakes.telegram_house import serving
from tests.fakes.telegram_server import TelegramServer
from tests.fakes.telegram_world import Group, Sent, World


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
async def test_a_cancelled_job_is_told_by_its_own_message_alone(
    server: TelegramServer, world: World, desk: ScriptedDesk
) -> None:
    world.press(await placeholder(server, world, desk), "Cancel")
    await server.until(lambda: len(desk.settled) == 2)
    assert len(world.in_chat(11)) == 1


@pytest.mark.usefixtures("chat")
async def test_a_press_is_answered_before_the_desk_is_asked(
    server: TelegramServer, world: World, desk: ScriptedDesk
) -> None:
    sent = await placeholder(server, world, desk)
    answered_when_asked: list[bool] = []
    answer = desk.answer
    desk.answer = lambda command, visit: (
        answered_when_asked.append(bool(world.answered_presses)) or answer(command, visit)  # type: ignore[func-returns-value]
    )
    world.press(sent, "Cancel")
    await server.until(lambda: len(desk.settled) == 2)
    assert answered_when_asked == [True]


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
    world.press(shown, "Reroll")
    await server.until(lambda: "j1" in desk.addresses)
    assert desk.handled[0][0] == Reroll("j9")
    place = Place.of(desk.addresses["j1"])
    assert (place.reply_to, place.thread_id) == (80, 55)


@pytest.mark.usefixtures("chat")
async def test_a_button_of_another_version_is_explained(
    server: TelegramServer, world: World, desk: ScriptedDesk
) -> None:
    world.press(Sent(11, 80, "text", "old", (("Odd", "v0:x"),)), "Odd")
    await server.until(lambda: world.in_chat(11))
    assert not desk.handled
    assert "/help" in world.texts(11)[0]
