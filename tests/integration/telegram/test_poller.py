"""The poller loses no update: it stores before it confirms, and handles each update once."""

import asyncio
import json
from collections.abc import Sequence

import pytest
from structlog.typing import EventDict

from bot.chats import supervisor
from bot.chats.telegram_ import TelegramChat, TelegramConfig
from bot.chats.telegram_.incoming.parsing import event_id_of
from bot.commands.values import Command, Draw
from bot.outcomes import CommandContext, Outcome, Platform
from tests.fakes.desk import ScriptedDesk
from tests.fakes.telegram_app import TOKEN, Script, serving
from tests.fakes.telegram_server import TelegramServer
from tests.fakes.telegram_values import Person
from tests.fakes.telegram_world import World

ELSEWHERE = Person(12)


def prompts(desk: ScriptedDesk) -> list[str]:
    return [command.prompt for command, _ in desk.handled if isinstance(command, Draw)]


async def test_a_batch_is_stored_before_it_is_confirmed(
    server: TelegramServer, world: World, desk: ScriptedDesk
) -> None:
    confirmed_when_stored: list[list[int]] = []
    store_events = desk.store_events

    async def watched(platform: Platform, events: list[tuple[str, str]]) -> None:
        await asyncio.sleep(0.05)
        confirmed_when_stored.append(list(world.forgotten))
        await store_events(platform, events)

    desk.store_events = watched  # type: ignore[method-assign, assignment]
    for number in range(3):
        world.say(f"fox {number}")
    async with serving(server, desk):
        await server.until(lambda: world.forgotten and len(desk.settled) == 3)
    assert confirmed_when_stored == [[]]
    assert world.forgotten == [1000, 1001, 1002]
    assert prompts(desk) == ["fox 0", "fox 1", "fox 2"]


async def test_a_hundred_and_ten_waiting_messages_are_all_answered(
    server: TelegramServer, world: World, desk: ScriptedDesk
) -> None:
    for number in range(110):
        world.say("/quota", by=Person(1000 + number))
    async with serving(server, desk):
        await server.until(lambda: len(desk.settled) == 110, timeout_s=60.0)
    assert len(world.messages) == 110


async def test_updates_stored_but_not_settled_before_a_crash_are_answered_first(
    server: TelegramServer, world: World, desk: ScriptedDesk
) -> None:
    world.say("kept from before")
    (raw,) = world.updates
    await desk.store_events(Platform.TELEGRAM, [(event_id_of(raw), json.dumps(raw))])
    world.updates.clear()
    world.say("new")
    async with serving(server, desk):
        await server.until(lambda: len(desk.settled) == 2)
    assert prompts(desk) == ["kept from before", "new"]


async def test_a_repeated_update_makes_one_job_and_one_placeholder(
    server: TelegramServer, world: World, desk: ScriptedDesk
) -> None:
    async with serving(server, desk):
        world.say("a fox")
        (raw,) = world.updates
        await server.until(lambda: desk.settled and world.forgotten)
    world.updates.append(raw)
    async with serving(server, desk):
        await server.until(lambda: len(desk.settled) == 2)
    assert isinstance(desk.answer, Script)
    assert list(desk.answer.jobs.values()) == ["j1"]
    assert len(world.in_chat(11)) == 1


async def test_a_job_accepted_before_a_crash_but_never_announced_gets_its_placeholder(
    server: TelegramServer, world: World, desk: ScriptedDesk
) -> None:
    message_id = world.say("a fox")
    assert isinstance(desk.answer, Script)
    desk.answer.jobs[f"11:{message_id}"] = "j1"
    async with serving(server, desk):
        await server.until(lambda: "j1" in desk.addresses)
    assert "Got it" in world.texts(11)[0]


@pytest.mark.parametrize("later_id", [5, 2_000_000_000])
async def test_after_a_quiet_week_random_ids_are_not_skipped(
    server: TelegramServer, world: World, desk: ScriptedDesk, later_id: int
) -> None:
    server.longest_poll_s = 0.1
    async with serving(server, desk):
        world.say("before")
        await server.until(lambda: desk.settled)
        polls = len(server.named("getUpdates"))
        await server.until(lambda: len(server.named("getUpdates")) > polls + 2)  # the quiet week
        world.say("after", update_id=later_id)
        await server.until(lambda: len(desk.settled) == 2)
    assert prompts(desk) == ["before", "after"]


async def test_an_old_update_id_with_another_message_is_a_new_event(
    server: TelegramServer, world: World, desk: ScriptedDesk
) -> None:
    async with serving(server, desk):
        world.say("before", update_id=700)
        await server.until(lambda: desk.settled and world.forgotten)
    world.say("after", update_id=700)
    async with serving(server, desk):
        await server.until(lambda: len(desk.settled) == 2)
    assert len(set(desk.settled)) == 2
    assert prompts(desk) == ["before", "after"]


@pytest.mark.parametrize(
    "content",
    [
        {"message": {"message_id": 1}},
        {"message": "text"},
        {"message": {"message_id": 1, "chat": [], "date": "x"}},
        {"callback_query": {"id": 5}},
        {"callback_query": None, "unheard_of": {"x": 1}},
        {},
    ],
)
async def test_an_odd_update_is_settled_and_stops_nothing(
    server: TelegramServer, world: World, desk: ScriptedDesk, content: dict[str, object]
) -> None:
    world.push(content)
    world.say("a fox")
    async with serving(server, desk):
        await server.until(lambda: len(desk.settled) == 2)
    assert prompts(desk) == ["a fox"]


async def test_a_malformed_update_leaves_a_log_line_with_its_id(
    server: TelegramServer, world: World, desk: ScriptedDesk, events: list[EventDict]
) -> None:
    world.push({"message": {"message_id": 1}})
    async with serving(server, desk):
        await server.until(lambda: desk.settled)
    assert [event["event_id"] for event in events if event["event"] == "event failed"] == desk.settled


async def test_a_second_poller_is_logged_and_polling_goes_on_after_it(
    server: TelegramServer, world: World, desk: ScriptedDesk, events: list[EventDict]
) -> None:
    server.fail("getUpdates", 409, "Conflict: terminated by other getUpdates request")
    world.say("a fox")
    async with serving(server, desk):
        await server.until(lambda: desk.settled)
    assert any("another process" in event["event"] for event in events)
    refused, accepted = server.named("getUpdates")[:2]
    assert accepted.at_s - refused.at_s > 0.5


@pytest.mark.filterwarnings("ignore:Deprecated since version v22.2")  # the library is between two types
async def test_polling_obeys_retry_after(server: TelegramServer, world: World, desk: ScriptedDesk) -> None:
    server.fail("getUpdates", 429, "Too Many Requests", retry_after=2)
    world.say("a fox")
    async with serving(server, desk):
        await server.until(lambda: desk.settled)
    refused, accepted = server.named("getUpdates")[:2]
    assert accepted.at_s - refused.at_s >= 2.0


async def test_after_a_failed_poll_no_offset_is_used_and_nothing_is_lost_or_repeated(
    server: TelegramServer, world: World, desk: ScriptedDesk
) -> None:
    async with serving(server, desk):
        world.say("before")
        await server.until(lambda: desk.settled and world.forgotten)  # the next poll waits for updates
        server.fail("getUpdates", 502, "Bad Gateway")
        world.say("after")
        await server.until(lambda: len(server.named("getUpdates")) == 5)
    offsets = [call.params.get("offset") for call in server.named("getUpdates")]
    assert offsets == [None, "1001", "1002", None, "1002"]
    assert len(world.in_chat(11)) == 2


async def test_a_chat_is_answered_in_order_while_another_does_not_wait_for_it(
    server: TelegramServer, world: World, desk: ScriptedDesk
) -> None:
    release = asyncio.Event()
    handle = desk.handle

    async def slow_at_first(command: Draw, context: object) -> object:
        if command.prompt == "slow":
            await release.wait()
        return await handle(command, context)  # type: ignore[arg-type]

    desk.handle = slow_at_first  # type: ignore[method-assign, assignment]
    async with serving(server, desk):
        world.say("slow")
        world.say("second")
        world.say("elsewhere", by=ELSEWHERE)
        await server.until(lambda: prompts(desk) == ["elsewhere"])
        release.set()
        await server.until(lambda: len(desk.settled) == 3)
    assert prompts(desk) == ["elsewhere", "slow", "second"]


async def test_a_command_that_takes_long_is_carried_out_once_while_others_wait_in_its_chat(
    server: TelegramServer, world: World, desk: ScriptedDesk
) -> None:
    may_end, handle, called = {"long": asyncio.Event(), "slow": asyncio.Event()}, desk.handle, list[str]()

    async def slowly(command: Command, context: CommandContext) -> Outcome:
        name = command.prompt if isinstance(command, Draw) else "long"
        called.append(name)
        if name in may_end:
            await may_end[name].wait()
        return await handle(command, context)

    desk.handle = slowly  # type: ignore[method-assign]
    async with serving(server, desk):
        world.say("/lora reload")
        await server.until(lambda: called == ["long"])
        world.say("slow")
        await server.until(lambda: called == ["long", "slow"])
        world.say("elsewhere", by=ELSEWHERE)
        await server.until(lambda: len(desk.settled) == 1)
        may_end["long"].set()
        await server.until(lambda: len(desk.settled) == 2)
        may_end["slow"].set()
        await server.until(lambda: len(desk.settled) == 3)
        world.say("last")
        await server.until(lambda: called[-1] == "last")
    assert called == ["long", "slow", "elsewhere", "last"]


async def test_what_waits_in_a_chat_is_answered_after_a_fault_closed_and_opened_the_connection(
    server: TelegramServer, world: World, desk: ScriptedDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    release, failed, opened = asyncio.Event(), asyncio.Event(), asyncio.Event()
    handle, store_events, pending_events = desk.handle, desk.store_events, desk.pending_events

    async def slow_at_first(command: Draw, context: CommandContext) -> Outcome:
        if command.prompt == "slow":
            await release.wait()
        return await handle(command, context)

    async def fail_once(platform: Platform, events: Sequence[tuple[str, str]]) -> None:
        if world.forgotten and not failed.is_set():
            failed.set()
            raise RuntimeError("a fault")
        await store_events(platform, events)

    async def note_opening(platform: Platform) -> tuple[tuple[str, str], ...]:
        if failed.is_set():
            opened.set()
        return await pending_events(platform)

    desk.handle, desk.store_events = slow_at_first, fail_once  # type: ignore[method-assign, assignment]
    desk.pending_events = note_opening  # type: ignore[method-assign]
    monkeypatch.setattr(supervisor, "RETRY_PAUSES_S", (0.01,))
    chat = TelegramChat(TelegramConfig(TOKEN, server.base_url, server.base_url), desk)
    keeping = asyncio.create_task(supervisor.ChatSupervisor([chat], lambda: "en").keep_open(chat))
    try:
        world.say("slow")
        world.say("second")
        await server.until(lambda: len(world.forgotten) == 2)
        world.say("third")
        await opened.wait()
        release.set()
        await server.until(lambda: len(desk.settled) == 3)
    finally:
        keeping.cancel()
        await asyncio.wait([keeping])
        await chat.close()
    assert prompts(desk) == ["slow", "second", "third"]


async def test_the_chat_counts_as_connected_while_telegram_answers(
    server: TelegramServer, desk: ScriptedDesk
) -> None:
    server.longest_poll_s = 0.05
    async with serving(server, desk) as chat:
        await server.until(lambda: server.named("getUpdates"))
        assert chat.is_connected
        server.fail("getUpdates", 502, "Bad Gateway", times=1_000)
        await server.until(lambda: not chat.is_connected)
        server.faults.clear()
        await server.until(lambda: chat.is_connected)
