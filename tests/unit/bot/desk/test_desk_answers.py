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
from bot.monitoring.figures import REGISTRY
from bot.outcomes import (
    CancelAccepted,
    CommandContext,
    CreditBalance,
    LinkCode,
    LinkConfirmation,
    Linked,
    LoraSwitched,
    Platform,
    Receipt,
    Unlinked,
)
from bot.policy.rules import Rules
from bot.store.rows import JobRow
from tests.fakes.clock import FakeClock
from tests.fakes.desk_harness import HOST, DeskHarness, a_context, open_harness, until
from tests.fakes.renderer import Act, FakeRenderer

RULES = Rules(daily_credits=3, max_waiting=9, allow=frozenset({"discord:*", "telegram:*"}))


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[DeskHarness]:
    async with open_harness(tmp_path, rules=RULES) as opened:
        yield opened


async def ask(harness: DeskHarness, command: Command, context: CommandContext) -> object:
    """What the chat would say: the outcome, or the refusal's class and facts."""
    try:
        return await harness.desk.handle(command, context)
    except PersonError as refusal:
        return type(refusal), refusal.facts


async def stored(
    harness: DeskHarness, event_id: str, user: str = "ann", platform: Platform = Platform.CONSOLE
) -> CommandContext:
    """An event that its chat has stored."""
    await harness.desk.store_events(platform, [(event_id, "{}")])
    return a_context(event_id, user, platform=platform, chat_id=user)


async def draw(
    harness: DeskHarness, event_id: str, user: str = "ann", platform: Platform = Platform.CONSOLE
) -> str:
    receipt = await harness.desk.handle(
        Draw(prompt="a"), a_context(event_id, user, platform=platform, chat_id=user)
    )
    assert isinstance(receipt, Receipt)
    return receipt.job_id


async def answers(harness: DeskHarness) -> list[str | None]:
    return [row[0] for row in await harness.store._run("SELECT answer FROM inbox ORDER BY id")]


async def test_a_cancel_handled_again_after_a_crash_cancels_no_other_job(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=RULES) as harness:
        older, newest = await draw(harness, "1"), await draw(harness, "2")
        context = await stored(harness, "c")
        first = await ask(harness, Cancel(), context)
    async with open_harness(tmp_path, rules=RULES) as harness:
        assert await harness.desk.pending_events(Platform.CONSOLE) == (("c", "{}"),)
        again = await ask(harness, Cancel(), context)
        assert first == again == CancelAccepted(newest, was_running=False, refund=1)
        job = await harness.store.jobs.find(older)
        assert isinstance(job, JobRow)
        assert job.state == "queued"
        await harness.desk.finish_event(Platform.CONSOLE, "c")
        other = await ask(harness, Cancel(), await stored(harness, "d"))
        assert other == CancelAccepted(older, was_running=False, refund=1)


async def test_the_cancel_of_a_running_job_reaches_the_worker_once_and_answers_twice(tmp_path: Path) -> None:
    renderer = FakeRenderer(acts=[Act.HANG])
    async with open_harness(tmp_path, renderer=renderer) as harness, harness.running():
        job_id = await draw(harness, "1")
        await until(lambda: renderer.running == job_id)
        context = await stored(harness, "c")
        first = await ask(harness, Cancel(), context)
        await harness.chat.wait_for_results(1)
        assert first == await ask(harness, Cancel(), context) == CancelAccepted(job_id, was_running=True)


async def test_a_refusal_stays_a_refusal_when_the_reason_is_gone(harness: DeskHarness) -> None:
    for number in range(3):
        await draw(harness, str(number))
    context = await stored(harness, "r")
    refused = await ask(harness, Draw(prompt="a"), context)
    assert isinstance(refused, tuple)
    assert refused[0] is NoCreditsLeft
    harness.clock.advance(days=1)
    assert await ask(harness, Draw(prompt="a"), context) == refused
    assert await ask(harness, Quota(), a_context("q", chat_id="ann")) == CreditBalance(
        3, 3, harness.clock() // 86_400_000 * 86_400 + 86_400
    )
    assert isinstance(await ask(harness, Draw(prompt="a"), await stored(harness, "s")), Receipt)


async def test_an_accepted_request_stays_accepted_when_its_chat_is_closed(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=RULES) as harness:
        context = await stored(harness, "1", platform=Platform.TELEGRAM)
        first = await ask(harness, Draw(prompt="a"), context)
    async with open_harness(tmp_path, rules=Rules(hosts=frozenset({"telegram:host"}))) as harness:
        again = await ask(harness, Draw(prompt="a"), context)
    assert isinstance(first, Receipt)
    assert isinstance(again, Receipt)
    assert (again.job_id, again.repeated, again.credits_left) == (first.job_id, True, first.credits_left)


async def test_nothing_to_cancel_is_repeated_even_if_a_job_was_accepted_since(harness: DeskHarness) -> None:
    context = await stored(harness, "c")
    assert await ask(harness, Cancel(), context) == (NothingToCancel, {})
    job_id = await draw(harness, "1")
    assert await ask(harness, Cancel(), context) == (NothingToCancel, {})
    job = await harness.store.jobs.find(job_id)
    assert job is not None
    assert job.state == "queued"


async def test_rights_are_refused_the_same_way_twice(harness: DeskHarness) -> None:
    context = await stored(harness, "s")
    for _ in range(2):
        assert await ask(harness, LoraSwitch(LoraWish("sugar")), context) == (
            HostsOnly,
            {"command": "lora switch"},
        )
    await harness.desk.store_events(Platform.WEB, [("w", "{}")])
    closed = Rules(hosts=frozenset({"telegram:host"}))  # an unclaimed bot says something else
    async with open_harness(harness.folder / "closed", rules=closed) as other:
        context = await stored(other, "t", platform=Platform.TELEGRAM)
        for _ in range(2):
            assert await ask(other, Cancel(), context) == (ChatNotAllowed, {"chat": "telegram:ann"})


async def test_a_switch_repeated_does_not_undo_a_later_one(harness: DeskHarness) -> None:
    first = await stored(harness, "1", HOST)
    wanted = LoraSwitch(LoraWish("sugar"), Scope.BOT)
    answer = await ask(harness, wanted, first)
    await ask(harness, LoraSwitch(LoraWish("anime"), Scope.BOT), await stored(harness, "2", HOST))
    assert await ask(harness, wanted, first) == answer == LoraSwitched("sugar", 0.8, Scope.BOT)
    assert harness.desk.queue_status().default_lora == "anime"
    stored_default = await harness.store.defaults.of_bot()
    assert stored_default is not None
    assert stored_default.lora == "anime"


async def test_link_and_unlink_answer_the_same_and_act_once(harness: DeskHarness) -> None:
    asks = await stored(harness, "1", platform=Platform.DISCORD)
    code = await ask(harness, Link(), asks)
    assert isinstance(code, LinkCode)
    assert await ask(harness, Link(), asks) == code
    typed = await stored(harness, "2", "555", Platform.TELEGRAM)
    for _ in range(2):
        assert isinstance(await ask(harness, Link(code.code), typed), LinkConfirmation)
    confirms = await stored(harness, "3", "555", Platform.TELEGRAM)
    for _ in range(2):
        assert isinstance(await ask(harness, Link(code.code), confirms), Linked)
    parts = await stored(harness, "4", "555", Platform.TELEGRAM)
    for _ in range(2):
        assert await ask(harness, Unlink(), parts) == Unlinked(Platform.TELEGRAM)


async def test_a_wrong_code_handled_again_is_not_counted_again(harness: DeskHarness) -> None:
    context = await stored(harness, "1", "555", Platform.TELEGRAM)
    for _ in range(20):
        assert await ask(harness, Link("WRNGWRNG"), context) == (BadLinkCode, {})


async def test_a_settled_event_leaves_no_answer_behind(harness: DeskHarness) -> None:
    context = await stored(harness, "1", platform=Platform.DISCORD)
    code = await ask(harness, Link(), context)
    assert isinstance(code, LinkCode)
    [answer] = await answers(harness)
    assert answer is not None
    assert code.code in answer
    await harness.desk.finish_event(Platform.DISCORD, "1")
    assert await answers(harness) == [None]


async def test_the_answer_of_a_read_only_command_is_not_stored(harness: DeskHarness) -> None:
    context = await stored(harness, "q")
    await ask(harness, Quota(), context)
    await draw(harness, "1")
    credits = await ask(harness, Quota(), context)
    assert isinstance(credits, CreditBalance)
    assert credits.credits == 2
    assert await answers(harness) == [None]


async def test_a_repeated_receipt_is_made_from_its_job_and_has_the_position(harness: DeskHarness) -> None:
    await draw(harness, "1")
    context = await stored(harness, "2")
    first = await ask(harness, Draw(prompt="a"), context)
    again = await ask(harness, Draw(prompt="a"), context)
    assert isinstance(first, Receipt)
    assert isinstance(again, Receipt)
    assert (first.position, first.repeated, again.position, again.repeated) == (1, False, 1, True)
    assert first.job_id == again.job_id
    assert await answers(harness) == [None]


async def test_a_failed_write_is_not_stored_as_the_answer(
    harness: DeskHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = await stored(harness, "1")
    keep = harness.store.people.find_or_create

    async def fail(*_: object) -> int:
        raise CannotSave(detail="disk full")

    monkeypatch.setattr(harness.store.people, "find_or_create", fail)
    assert await ask(harness, Draw(prompt="a"), context) == (CannotSave, {"detail": "disk full"})
    monkeypatch.setattr(harness.store.people, "find_or_create", keep)
    assert isinstance(await ask(harness, Draw(prompt="a"), context), Receipt)


@pytest.mark.parametrize(("error", "times"), [(CannotSave(detail="disk full"), 1), (LookupError(), 0)])
async def test_refusals_are_counted_by_rule(
    harness: DeskHarness, monkeypatch: pytest.MonkeyPatch, error: Exception, times: int
) -> None:
    async def fail(*_: object) -> int:
        raise error

    def counted() -> float:
        rule = {"rule": type(error).__name__}
        return REGISTRY.get_sample_value("sugarbot_refusals_total", rule) or 0.0

    monkeypatch.setattr(harness.store.people, "find_or_create", fail)
    before = counted()
    with pytest.raises(type(error)):
        await harness.desk.handle(Draw(prompt="a"), a_context("1"))
    assert counted() == before + times


async def test_an_effect_whose_answer_cannot_be_stored_does_not_happen(
    harness: DeskHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = await draw(harness, "1")
    context = await stored(harness, "c")

    async def fail(*_: object) -> None:
        raise CannotSave(detail="disk full")

    monkeypatch.setattr(harness.store.inbox, "save_answer", fail)
    assert await ask(harness, Cancel(), context) == (CannotSave, {"detail": "disk full"})
    job = await harness.store.jobs.find(job_id)
    assert job is not None
    assert job.state == "queued"
    assert job_id in harness.desk.parts.queue.jobs


async def test_the_same_cancel_many_times_at_once_cancels_one_job(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=Rules(max_waiting=9)) as harness:
        for number in range(5):
            await draw(harness, str(number))
        context = await stored(harness, "c")
        said = await asyncio.gather(*(ask(harness, Cancel(), context) for _ in range(20)))
        assert len(set(said)) == 1
        assert len(harness.desk.parts.queue.scheduler.queue()) == 4


async def test_a_cancel_killed_at_any_moment_is_whole_or_absent(tmp_path: Path) -> None:
    """Cut off anywhere and handled again: one job is cancelled, and the answer names it."""
    clock = FakeClock()
    async with open_harness(
        tmp_path, rules=Rules(daily_credits=400, max_waiting=400), clock=clock
    ) as harness:
        for turns in range(40):
            user = f"person {turns}"
            jobs = [await draw(harness, f"{turns} {number}", user) for number in range(2)]
            context = await stored(harness, f"cancel {turns}", user)
            cancelling = asyncio.create_task(harness.desk.handle(Cancel(), context))
            for _ in range(turns):
                await asyncio.sleep(0.0001)
            cancelling.cancel()
            await asyncio.gather(cancelling, return_exceptions=True)
            assert await ask(harness, Cancel(), context) == CancelAccepted(
                jobs[1], was_running=False, refund=1
            )
            assert len(await harness.store.jobs.unfinished_of(await person(harness, user))) == 1


async def person(harness: DeskHarness, user: str) -> int:
    found = await harness.store.people.find(Platform.CONSOLE, user)
    assert found is not None
    return found
