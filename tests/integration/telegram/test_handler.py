"""Each command runs once, and its reply is retried until it arrives, also after an outage or a stop."""

import asyncio
import re

import pytest
from structlog.typing import EventDict
from telegram import Bot

from bot.chats.telegram_ import adapter
from bot.chats.telegram_.incoming import handler
from bot.commands.values import Cancel, Command
from bot.errors import NotYours
from bot.outcomes import Address, CommandContext, Outcome, Platform
from tests.fakes.desk import ScriptedDesk
from tests.fakes.telegram_app import Script, serving
from tests.fakes.telegram_server import Call, Fault, TelegramServer
from tests.fakes.telegram_values import Person, Refusal, Sent
from tests.fakes.telegram_world import World


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handler, "RETRY_PAUSES_S", (0.02,))


async def test_a_cancel_whose_answer_is_lost_stops_no_second_job(
    server: TelegramServer, world: World, desk: ScriptedDesk
) -> None:
    server.fail("sendMessage", 502, "Bad Gateway", times=2)
    async with serving(server, desk):
        world.say("/cancel")
        await server.until(lambda: world.in_chat(11))
    assert [command for command, _ in desk.handled] == [Cancel("")]


@pytest.mark.parametrize("text", ["/cancel", "/quota", "/sugr", "x" * 9_000, "a fox"])
async def test_an_answer_is_settled_only_once_it_was_sent(
    server: TelegramServer, world: World, desk: ScriptedDesk, text: str
) -> None:
    server.delays_s["sendMessage"] = 0.2
    async with serving(server, desk):
        world.say(text)
        await server.until(lambda: server.named("sendMessage"))
        assert not desk.settled
        await server.until(lambda: desk.settled)
    assert len(world.in_chat(11)) == 1


@pytest.mark.parametrize("text", ["/cancel", "/quota", "/sugr", "x" * 9_000, "a fox"])
async def test_an_answer_that_a_stop_interrupts_is_sent_after_the_restart(
    server: TelegramServer, world: World, desk: ScriptedDesk, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr(adapter, "DRAIN_S", 0.0)
    server.delays_s["sendMessage"] = 5.0
    async with serving(server, desk):
        world.say(text)
        await server.until(lambda: server.named("sendMessage"))
    assert not world.messages
    async with serving(server, desk):
        await server.until(lambda: desk.settled)
    assert len(world.in_chat(11)) == 1
    assert len(desk.handled) == (1 if text in ("/cancel", "/quota", "a fox") else 0), "done once"


async def test_an_alert_that_a_stop_interrupts_is_sent_after_the_restart(
    server: TelegramServer, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_command: Command, _context: CommandContext) -> Outcome:
        raise NotYours(job_id="j9")

    desk = ScriptedDesk(refuse)
    monkeypatch.setattr(adapter, "DRAIN_S", 0.0)
    server.delays_s["answerCallbackQuery"] = 5.0
    async with serving(server, desk):
        query_id = world.press(Sent(-100_200, 80, "photo", "done", (("Cancel", "v1:c:j9"),)), "Cancel")
        await server.until(lambda: server.named("answerCallbackQuery"))
    assert not world.alerts
    async with serving(server, desk):
        await server.until(lambda: desk.settled)
    assert list(world.alerts) == [query_id]


@pytest.mark.parametrize(
    "fault",
    [(403, "Forbidden: bot was blocked by the user"), (400, "Bad Request: chat not found"), (400, "?")],
)
async def test_an_answer_that_can_never_be_sent_is_settled_with_one_log_line(
    server: TelegramServer,
    world: World,
    desk: ScriptedDesk,
    events: list[EventDict],
    fault: tuple[int, str],
) -> None:
    server.fail("sendMessage", *fault)
    async with serving(server, desk):
        world.say("/quota")
        await server.until(lambda: desk.settled)
    assert len(server.named("sendMessage")) == 1
    [line] = [event for event in events if event["log_level"] != "info"]
    assert (line["event"], line["event_id"]) == ("answer cannot be sent", desk.settled[0])


async def test_an_unreachable_chat_delays_no_other_and_keeps_its_order(
    server: TelegramServer, world: World, desk: ScriptedDesk
) -> None:
    unreachable = [Person(1_000 + number) for number in range(20)]
    is_down = True

    def inject(call: Call) -> Fault | None:
        chat_id = int(call.params.get("chat_id", 0))
        return Fault(Refusal(502, "Bad Gateway")) if is_down and chat_id >= 1_000 else None

    server.choose_fault = inject
    async with serving(server, desk):
        for person in unreachable:
            world.say("/quota", by=person)
            world.say("/help", by=person)
        world.say("/quota")
        await server.until(lambda: desk.settled)
        assert len(desk.settled) == len(world.messages) == 1
        is_down = False
        await server.until(lambda: len(desk.settled) == 41)
    for person in unreachable:
        quota, help_text = world.texts(person.id)
        assert "Credits left" in quota
        assert "/sugar" in help_text


@pytest.mark.filterwarnings("ignore:Deprecated since version v22.2")  # the library is between two types
@pytest.mark.parametrize(
    ("code", "times", "facts"), [(502, 6, {}), (429, 4, {"retry_after": 0})], ids=["outage", "flood"]
)
async def test_a_placeholder_is_retried_until_it_arrives_without_an_apology(
    server: TelegramServer, world: World, desk: ScriptedDesk, code: int, times: int, facts: dict[str, int]
) -> None:
    """An apology would make the person ask, and pay, twice."""
    server.fail("sendMessage", code, "not now", times=times, **facts)
    async with serving(server, desk):
        world.say("a fox")
        await server.until(lambda: desk.settled)
    assert len(server.named("sendMessage")) == times + 1
    assert ["Got it" in text for text in world.texts(11)] == [True]


async def test_a_fault_of_ours_after_a_job_is_accepted_causes_no_apology(
    server: TelegramServer, world: World, desk: ScriptedDesk, events: list[EventDict]
) -> None:
    async def fail(job_id: str, address: Address) -> None:
        raise RuntimeError("unexpected")

    desk.store_placeholder = fail  # type: ignore[method-assign]
    async with serving(server, desk):
        world.say("a fox")
        await server.until(lambda: desk.settled)
    assert ["Got it" in text for text in world.texts(11)] == [True]
    assert [event["event_id"] for event in events if event["event"] == "event failed"] == desk.settled


async def test_an_answer_that_fails_for_a_day_is_given_up(
    server: TelegramServer,
    world: World,
    desk: ScriptedDesk,
    events: list[EventDict],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(handler, "MAX_TRIES", 3)
    server.fail("sendMessage", 502, "Bad Gateway", times=100)
    async with serving(server, desk):
        world.say("/quota")
        await server.until(lambda: desk.settled)
    assert [event["event"] for event in events].count("answer cannot be sent") == 1


async def test_a_stop_does_not_wait_for_a_network_that_fails(
    server: TelegramServer, world: World, desk: ScriptedDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handler, "RETRY_PAUSES_S", (60.0,))
    server.fail("sendMessage", 502, "Bad Gateway")
    async with serving(server, desk):
        world.say("/quota")
        await server.until(lambda: server.named("sendMessage"))
        stops_at_s = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - stops_at_s < 20.0  # the next try would be after 60 s
    assert not desk.settled
    async with serving(server, desk):
        await server.until(lambda: desk.settled)
    assert len(world.in_chat(11)) == 1


async def test_a_connection_that_does_not_close_ends_the_close_all_the_same(
    server: TelegramServer, desk: ScriptedDesk, monkeypatch: pytest.MonkeyPatch, events: list[EventDict]
) -> None:
    monkeypatch.setattr(adapter, "CLOSE_TIMEOUT_S", 0.05)

    async def hang(_: Bot) -> None:
        await asyncio.sleep(60)

    async with serving(server, desk) as chat:
        with monkeypatch.context() as patch:
            patch.setattr(Bot, "shutdown", hang)
            await chat.close()
    assert any(event["event"] == "telegram not closed in time" for event in events)


async def test_an_update_that_cannot_be_settled_stops_nothing_and_is_not_repeated_at_once(
    server: TelegramServer, world: World, desk: ScriptedDesk, events: list[EventDict]
) -> None:
    finish_event, poison = desk.finish_event, []

    async def failing(platform: Platform, event_id: str) -> None:
        if not poison or event_id in poison:
            poison.append(event_id)
            raise RuntimeError("the database is locked")
        await finish_event(platform, event_id)

    desk.finish_event = failing  # type: ignore[method-assign]
    async with serving(server, desk):
        world.say("/quota")
        await server.until(lambda: poison)
        world.say("/quota")
        world.say("/quota", by=Person(12))
        await server.until(lambda: len(desk.settled) == 2)
    assert len(poison) == 1
    assert [event["event_id"] for event in events if event["event"] == "event not finished"] == poison


async def test_a_stored_event_that_is_no_update_is_settled_and_logged_with_its_id(
    server: TelegramServer, world: World, desk: ScriptedDesk, events: list[EventDict]
) -> None:
    desk.inbox = {(Platform.TELEGRAM, "odd 1"): "{", (Platform.TELEGRAM, "odd 2"): "[]"}
    world.say("/quota")
    async with serving(server, desk):
        await server.until(lambda: len(desk.settled) == 3)
    logged = {event["event_id"]: event["event"] for event in events if "event_id" in event}
    assert logged == {"odd 1": "event failed", "odd 2": "update ignored"}


async def test_a_stop_waits_until_a_sent_placeholder_is_stored(
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


async def test_an_answer_is_in_the_language_that_its_person_has_chosen(
    server: TelegramServer, world: World, desk: ScriptedDesk
) -> None:
    desk.languages = {"11": "zh-CN"}
    async with serving(server, desk):
        world.say("/cancel")
        world.say("/sugr")
        await server.until(lambda: len(world.in_chat(11)) == 2)
    assert all(re.search("[\u4e00-\u9fff]", str(message)) for message in world.in_chat(11))
    assert [context.locale for _, context in desk.handled] == ["zh-CN"]
