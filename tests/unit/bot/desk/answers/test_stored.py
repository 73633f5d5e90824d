"""A stored event is carried out once, and answered the same until the chat has sent the answer."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.commands.values import Cancel, Command, Draw, Link, LoraSwitch, LoraWish, Quota, Scope, Unlink
from bot.errors import (
    BadLinkCode,
    CannotSave,
    ChatNotAllowed,
    HostsOnly,
    NoCreditsLeft,
    NothingToCancel,
    PersonError,
)
from bot.outcomes import (
    CancelAsked,
    CommandContext,
    CreditBalance,
    LinkAsked,
    LinkCode,
    Linked,
    LoraSwitched,
    Platform,
    Receipt,
    Unlinked,
)
from bot.policy.rules import Rules
from bot.store.rows import JobRow
from tests.fakes.clock import FakeClock
from tests.fakes.renderer import Act, FakeRenderer
from tests.fakes.room import HOST, Room, a_context, open_room, until

RULES = Rules(daily_credits=3, max_waiting=9, allow=frozenset({"discord:*", "telegram:*"}))


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    async with open_room(tmp_path, rules=RULES) as opened:
        yield opened


async def ask(room: Room, command: Command, context: CommandContext) -> object:
    """What the chat would say: the outcome, or the refusal's class and facts."""
    try:
        return await room.desk.handle(command, context)
    except PersonError as refusal:
        return type(refusal), refusal.facts


async def stored(
    room: Room, event_id: str, user: str = "ann", platform: Platform = Platform.CONSOLE
) -> CommandContext:
    """An event that its chat has stored."""
    await room.desk.store_events(platform, [(event_id, "{}")])
    return a_context(event_id, user, platform=platform, chat_id=user)


async def draw(room: Room, event_id: str, user: str = "ann", platform: Platform = Platform.CONSOLE) -> str:
    receipt = await room.desk.handle(
        Draw(prompt="a"), a_context(event_id, user, platform=platform, chat_id=user)
    )
    assert isinstance(receipt, Receipt)
    return receipt.job_id


async def answers(room: Room) -> list[str | None]:
    return [row[0] for row in await room.store._run("SELECT answer FROM inbox ORDER BY id")]


async def test_a_cancel_handled_again_after_a_crash_cancels_no_other_job(tmp_path: Path) -> None:
    async with open_room(tmp_path, rules=RULES) as room:
        older, newest = await draw(room, "1"), await draw(room, "2")
        context = await stored(room, "c")
        first = await ask(room, Cancel(), context)
    async with open_room(tmp_path, rules=RULES) as room:
        assert await room.desk.pending_events(Platform.CONSOLE) == (("c", "{}"),)
        again = await ask(room, Cancel(), context)
        assert first == again == CancelAsked(newest, was_running=False, refund=1)
        job = await room.store.jobs.find(older)
        assert isinstance(job, JobRow)
        assert job.state == "queued"
        await room.desk.finish_event(Platform.CONSOLE, "c")
        other = await ask(room, Cancel(), await stored(room, "d"))
        assert other == CancelAsked(older, was_running=False, refund=1)


async def test_the_cancel_of_a_running_job_reaches_the_worker_once_and_answers_twice(tmp_path: Path) -> None:
    renderer = FakeRenderer(acts=[Act.HANG])
    async with open_room(tmp_path, renderer=renderer) as room, room.running():
        job_id = await draw(room, "1")
        await until(lambda: renderer.running == job_id)
        context = await stored(room, "c")
        first = await ask(room, Cancel(), context)
        await room.chat.wait_for_results(1)
        assert first == await ask(room, Cancel(), context) == CancelAsked(job_id, was_running=True)


async def test_a_refusal_stays_a_refusal_when_the_reason_is_gone(room: Room) -> None:
    for number in range(3):
        await draw(room, str(number))
    context = await stored(room, "r")
    refused = await ask(room, Draw(prompt="a"), context)
    assert isinstance(refused, tuple)
    assert refused[0] is NoCreditsLeft
    room.clock.advance(days=1)
    assert await ask(room, Draw(prompt="a"), context) == refused
    assert await ask(room, Quota(), a_context("q", chat_id="ann")) == CreditBalance(
        3, 3, room.clock() // 86_400_000 * 86_400 + 86_400
    )
    assert isinstance(await ask(room, Draw(prompt="a"), await stored(room, "s")), Receipt)


async def test_nothing_to_cancel_stays_so_when_a_job_came_since(room: Room) -> None:
    context = await stored(room, "c")
    assert await ask(room, Cancel(), context) == (NothingToCancel, {})
    job_id = await draw(room, "1")
    assert await ask(room, Cancel(), context) == (NothingToCancel, {})
    job = await room.store.jobs.find(job_id)
    assert job is not None
    assert job.state == "queued"


async def test_rights_are_refused_the_same_way_twice(room: Room) -> None:
    context = await stored(room, "s")
    for _ in range(2):
        assert await ask(room, LoraSwitch(LoraWish("sugar")), context) == (
            HostsOnly,
            {"command": "lora switch"},
        )
    await room.desk.store_events(Platform.WEB, [("w", "{}")])
    closed = Rules()
    async with open_room(room.folder / "closed", rules=closed) as other:
        context = await stored(other, "t", platform=Platform.TELEGRAM)
        for _ in range(2):
            assert await ask(other, Cancel(), context) == (ChatNotAllowed, {"chat": "telegram:ann"})


async def test_a_switch_repeated_does_not_undo_a_later_one(room: Room) -> None:
    first = await stored(room, "1", HOST)
    wanted = LoraSwitch(LoraWish("sugar"), Scope.BOT)
    answer = await ask(room, wanted, first)
    await ask(room, LoraSwitch(LoraWish("anime"), Scope.BOT), await stored(room, "2", HOST))
    assert await ask(room, wanted, first) == answer == LoraSwitched("sugar", 0.8, Scope.BOT)
    assert room.desk.queue_status().default_lora == "anime"
    stored_default = await room.store.defaults.of_bot()
    assert stored_default is not None
    assert stored_default.lora == "anime"


async def test_link_and_unlink_answer_the_same_and_act_once(room: Room) -> None:
    asks = await stored(room, "1", platform=Platform.DISCORD)
    code = await ask(room, Link(), asks)
    assert isinstance(code, LinkCode)
    assert await ask(room, Link(), asks) == code
    typed = await stored(room, "2", "555", Platform.TELEGRAM)
    for _ in range(2):
        assert isinstance(await ask(room, Link(code.code), typed), LinkAsked)
    confirms = await stored(room, "3", "555", Platform.TELEGRAM)
    for _ in range(2):
        assert isinstance(await ask(room, Link(code.code), confirms), Linked)
    parts = await stored(room, "4", "555", Platform.TELEGRAM)
    for _ in range(2):
        assert await ask(room, Unlink(), parts) == Unlinked(Platform.TELEGRAM)


async def test_a_wrong_code_handled_again_is_not_counted_again(room: Room) -> None:
    context = await stored(room, "1", "555", Platform.TELEGRAM)
    for _ in range(20):
        assert await ask(room, Link("WRNGWRNG"), context) == (BadLinkCode, {})


async def test_a_settled_event_leaves_no_answer_behind(room: Room) -> None:
    context = await stored(room, "1", platform=Platform.DISCORD)
    code = await ask(room, Link(), context)
    assert isinstance(code, LinkCode)
    [answer] = await answers(room)
    assert answer is not None
    assert code.code in answer
    await room.desk.finish_event(Platform.DISCORD, "1")
    assert await answers(room) == [None]


async def test_what_a_read_only_command_answered_is_not_stored(room: Room) -> None:
    context = await stored(room, "q")
    await ask(room, Quota(), context)
    await draw(room, "1")
    credits = await ask(room, Quota(), context)
    assert isinstance(credits, CreditBalance)
    assert credits.credits == 2
    assert await answers(room) == [None]


async def test_a_receipt_comes_again_from_its_job_and_knows_its_turn(room: Room) -> None:
    await draw(room, "1")
    context = await stored(room, "2")
    first = await ask(room, Draw(prompt="a"), context)
    again = await ask(room, Draw(prompt="a"), context)
    assert isinstance(first, Receipt)
    assert isinstance(again, Receipt)
    assert (first.position, first.repeated, again.position, again.repeated) == (1, False, 1, True)
    assert first.job_id == again.job_id
    assert await answers(room) == [None]


async def test_a_disk_that_takes_nothing_is_no_lasting_answer(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = await stored(room, "1")
    keep = room.store.people.find_or_create

    async def fail(*_: object) -> int:
        raise CannotSave(detail="disk full")

    monkeypatch.setattr(room.store.people, "find_or_create", fail)
    assert await ask(room, Draw(prompt="a"), context) == (CannotSave, {"detail": "disk full"})
    monkeypatch.setattr(room.store.people, "find_or_create", keep)
    assert isinstance(await ask(room, Draw(prompt="a"), context), Receipt)


async def test_an_effect_whose_answer_cannot_be_stored_does_not_happen(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = await draw(room, "1")
    context = await stored(room, "c")

    async def fail(*_: object) -> None:
        raise CannotSave(detail="disk full")

    monkeypatch.setattr(room.store.inbox, "save_answer", fail)
    assert await ask(room, Cancel(), context) == (CannotSave, {"detail": "disk full"})
    job = await room.store.jobs.find(job_id)
    assert job is not None
    assert job.state == "queued"
    assert job_id in room.desk.parts.queue.jobs


async def test_the_same_cancel_many_times_at_once_cancels_one_job(tmp_path: Path) -> None:
    async with open_room(tmp_path, rules=Rules(max_waiting=9)) as room:
        for number in range(5):
            await draw(room, str(number))
        context = await stored(room, "c")
        said = await asyncio.gather(*(ask(room, Cancel(), context) for _ in range(20)))
        assert len(set(said)) == 1
        assert len(room.desk.parts.queue.scheduler.queue()) == 4


async def test_a_cancel_killed_at_any_moment_is_whole_or_absent(tmp_path: Path) -> None:
    """Cut off anywhere and handled again: one job is cancelled, and the answer names it."""
    clock = FakeClock()
    async with open_room(tmp_path, rules=Rules(daily_credits=400, max_waiting=400), clock=clock) as room:
        for turns in range(40):
            user = f"person {turns}"
            jobs = [await draw(room, f"{turns} {number}", user) for number in range(2)]
            context = await stored(room, f"cancel {turns}", user)
            cancelling = asyncio.create_task(room.desk.handle(Cancel(), context))
            for _ in range(turns):
                await asyncio.sleep(0.0001)
            cancelling.cancel()
            await asyncio.gather(cancelling, return_exceptions=True)
            assert await ask(room, Cancel(), context) == CancelAsked(jobs[1], was_running=False, refund=1)
            assert await room.store.jobs.count_unfinished(await person(room, user)) == 1


async def person(room: Room, user: str) -> int:
    found = await room.store.people.find(Platform.CONSOLE, user)
    assert found is not None
    return found
