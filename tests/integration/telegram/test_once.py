"""What a message asks is done once and told until it arrives, whatever the network or a stop cuts off."""

import asyncio

import pytest

from bot.chats.telegram_ import adapter
from bot.commands.values import Cancel, Command
from bot.desk.outcomes import CancelAsked, Outcome, Visit
from bot.errors import Closing
from tests.fakes.desk import ScriptedDesk
from tests.fakes.telegram_house import Script, serving
from tests.fakes.telegram_server import TelegramServer
from tests.fakes.telegram_world import World


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapter, "RETRY_PAUSES_S", (0.02, 0.02, 0.02))


async def test_a_cancel_whose_answer_was_lost_stops_no_second_job(
    server: TelegramServer, world: World, desk: ScriptedDesk
) -> None:
    server.fail("sendMessage", 502, "Bad Gateway", times=2)
    async with serving(server, desk):
        world.say("/cancel")
        await server.until(lambda: world.in_chat(11))
    assert [command for command, _ in desk.handled] == [Cancel("")]


async def test_what_was_done_or_refused_is_settled_before_it_is_told(
    server: TelegramServer, world: World
) -> None:
    """Else a crash in between would do it once more, or accept what the person was told is refused."""

    def answer(command: Command, _visit: Visit) -> Outcome:
        if isinstance(command, Cancel):
            return CancelAsked("j1", was_running=False, refund=1)
        raise Closing

    desk = ScriptedDesk(answer)
    settled_when_told = []
    async with serving(server, desk):
        for told, text in enumerate(("/cancel", "a fox")):
            server.delays_s["sendMessage"] = 0.2
            world.say(text)
            await server.until(lambda told=told: len(server.named("sendMessage")) > told)
            settled_when_told.append(len(desk.settled))
            await server.until(lambda told=told: len(world.in_chat(11)) > told)
    assert settled_when_told == [1, 2]


async def test_a_draw_is_settled_only_once_it_was_told(
    server: TelegramServer, world: World, desk: ScriptedDesk
) -> None:
    server.delays_s["sendMessage"] = 0.2
    async with serving(server, desk):
        world.say("a fox")
        await server.until(lambda: server.named("sendMessage"))
        assert not desk.settled
        await server.until(lambda: desk.settled)
    assert len(world.in_chat(11)) == 1


@pytest.mark.filterwarnings("ignore:Deprecated since version v22.2")  # the library is between two types
@pytest.mark.parametrize(
    ("code", "times", "facts"), [(502, 4, {}), (429, 3, {"retry_after": 1})], ids=["outage", "flood"]
)
async def test_an_accepted_job_is_never_apologised_for(
    server: TelegramServer, world: World, desk: ScriptedDesk, code: int, times: int, facts: dict[str, int]
) -> None:
    """Its picture is on its way; whoever is told to try again would pay twice."""
    server.fail("sendMessage", code, "not now", times=times, **facts)
    async with serving(server, desk):
        world.say("a fox")
        await server.until(lambda: desk.settled)
    assert len(server.named("sendMessage")) == times
    assert world.in_chat(11) == []


async def test_a_stop_lets_the_placeholder_on_its_way_be_stored(
    server: TelegramServer, world: World, desk: ScriptedDesk
) -> None:
    server.delays_s["sendMessage"] = 0.3
    async with serving(server, desk):
        world.say("a fox")
        await server.until(lambda: server.named("sendMessage"))
    assert desk.settled
    async with serving(server, desk):
        await asyncio.sleep(0.1)
    assert len(world.in_chat(11)) == 1


async def test_a_stop_cuts_off_an_answer_that_takes_too_long(
    server: TelegramServer, world: World, desk: ScriptedDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter, "DRAIN_S", 0.05)
    server.delays_s["sendMessage"] = 5.0
    async with serving(server, desk):
        world.say("a fox")
        await server.until(lambda: server.named("sendMessage"))
    assert not desk.settled
    async with serving(server, desk):
        await server.until(lambda: desk.settled)
    assert isinstance(desk.answer, Script)
    assert len(desk.answer.jobs) == 1
