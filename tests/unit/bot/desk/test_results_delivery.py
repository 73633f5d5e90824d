"""Delivery: in order, again after failures, kept when it cannot arrive, and never held up by one chat."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.commands.values import Cancel, Delete, Draw, Mine, PixelSize
from bot.desk.results import BACK_OFF, DELIVER_TIMEOUT_S, MAX_DELIVERIES, ORDER_WAIT_S
from bot.outcomes import Address, JobResult, Platform, Receipt, RetryLater, Undeliverable
from engine.backoff import Backoff
from tests.fakes.chat import FakeChat
from tests.fakes.clock import FakeClock
from tests.fakes.desk_harness import DeskHarness, a_context, open_harness, until
from tests.fakes.frozen import FrozenLoop
from tests.fakes.renderer import Act, FakeRenderer
from tests.unit.bot.store.stored import next_due_ms


async def accept(
    harness: DeskHarness, event: str = "1", user: str = "ann", platform: Platform = Platform.CONSOLE
) -> str:
    return (await harness.accept(event, user, platform=platform)).job_id


async def outbox(harness: DeskHarness) -> list[tuple[str, int]]:
    rows = await harness.store._run("SELECT state, attempts FROM outbox ORDER BY id")
    return [(row[0], row[1]) for row in rows]


async def in_outbox(harness: DeskHarness) -> list[str]:
    """The jobs in the order in which they ended."""
    return [row[0] for row in await harness.store._run("SELECT job FROM outbox ORDER BY id")]


async def until_outbox(harness: DeskHarness, wanted: list[tuple[str, int]], *, in_order: bool = True) -> None:
    async with asyncio.timeout(30):
        while (found := await outbox(harness)) != wanted and (in_order or sorted(found) != wanted):  # noqa: ASYNC110 - the store sends no signal
            await asyncio.sleep(0.005)


async def test_a_delivered_result_is_not_delivered_again(tmp_path: Path) -> None:
    async with open_harness(tmp_path) as harness:
        await accept(harness)
        async with harness.running():
            await harness.chat.wait_for_results(1)
            await until_outbox(harness, [("sent", 1)])
    async with open_harness(tmp_path) as harness:
        async with harness.running():
            await asyncio.sleep(0.05)
        assert harness.chat.results == []


async def test_a_result_says_which_size_was_asked_for_also_after_a_restart(tmp_path: Path) -> None:
    async with open_harness(tmp_path) as harness:
        asked = Draw(prompt="a face", size=PixelSize(99999, 99999))
        receipt = await harness.desk.handle(asked, a_context("1"))
        assert isinstance(receipt, Receipt)
        as_asked = await accept(harness, "2")
    async with open_harness(tmp_path) as harness, harness.running():
        notes = {result.job_id: result.notes for result in await harness.chat.wait_for_results(2)}
    assert notes == {receipt.job_id: receipt.notes, as_asked: ()}
    assert receipt.notes


async def test_a_failed_delivery_is_tried_again_later(harness: DeskHarness) -> None:
    harness.chat.errors.extend([ConnectionError("first"), TimeoutError("second")])
    job_id = await accept(harness)
    async with harness.running():
        await until_outbox(harness, [("maybe", 1)])
        harness.clock.advance(seconds=BACK_OFF.pause_s(1))
        harness.desk.parts.result_ready[Platform.CONSOLE].set()
        await until_outbox(harness, [("maybe", 2)])
        harness.clock.advance(seconds=BACK_OFF.pause_s(2))
        harness.desk.parts.result_ready[Platform.CONSOLE].set()
        [result] = await harness.chat.wait_for_results(1)
        await until_outbox(harness, [("sent", 3)])
    assert result.job_id == job_id


async def test_a_platform_is_retried_when_it_allows_it_and_not_later(harness: DeskHarness) -> None:
    harness.chat.errors.append(RetryLater("the chat is full", after_s=7.0))
    await accept(harness)
    async with harness.running():
        await until_outbox(harness, [("maybe", 1)])
        assert await next_due_ms(harness.store, Platform.CONSOLE, harness.clock()) == harness.clock() + 7_000
        harness.clock.advance(seconds=7)
        harness.desk.parts.result_ready[Platform.CONSOLE].set()
        await harness.chat.wait_for_results(1)


async def test_a_back_off_ends_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.desk.results.BACK_OFF", Backoff((0.0,)))
    async with open_harness(tmp_path) as harness:
        harness.chat.errors.append(ConnectionError())
        await accept(harness)
        async with harness.running():
            await harness.chat.wait_for_results(1)


async def test_an_unreachable_chat_is_given_up_after_a_day_and_not_before(
    harness: DeskHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sum(BACK_OFF.pause_s(n) for n in range(1, MAX_DELIVERIES)) > 24 * 3_600
    monkeypatch.setattr("bot.desk.results.MAX_DELIVERIES", 2)
    monkeypatch.setattr("bot.desk.results.BACK_OFF", Backoff((0.0,)))
    harness.chat.errors.extend([ConnectionError(), ConnectionError()])
    await accept(harness)
    async with harness.running():
        await until_outbox(harness, [("kept", 2)])


async def test_an_undeliverable_result_is_kept_and_delivered_with_mine(harness: DeskHarness) -> None:
    harness.chat.errors.append(Undeliverable("blocked"))
    job_id = await accept(harness)
    async with harness.running():
        await until_outbox(harness, [("kept", 1)])
        await harness.desk.handle(Mine(), a_context("2", "ben"))
        assert harness.chat.results == []
        await harness.desk.handle(Mine(), a_context("3", chat_id="a direct message"))
        [result] = await harness.chat.wait_for_results(1)
        await until_outbox(harness, [("sent", 1)])
    assert result.job_id == job_id
    assert (result.address.chat_id, result.address.ref) == ("a direct message", "")


@pytest.mark.parametrize("error", [Undeliverable("blocked"), ConnectionError()])
async def test_a_deleted_job_that_no_chat_takes_is_not_kept_for_mine(
    harness: DeskHarness, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr("bot.desk.results.MAX_DELIVERIES", 2)
    harness.chat.errors.append(ConnectionError())
    job_id = await accept(harness)
    async with harness.running():
        await until_outbox(harness, [("maybe", 1)])
        await harness.desk.handle(Delete(job_id), a_context("2"))
        harness.chat.errors.append(error)
        harness.clock.advance(seconds=2)
        harness.desk.parts.result_ready[Platform.CONSOLE].set()
        await until_outbox(harness, [("sent", 2)])
        await harness.desk.handle(Mine(), a_context("3"))
        assert await outbox(harness) == [("sent", 2)]
    assert harness.chat.results == []


async def test_a_delivery_that_hangs_is_cut_off_and_holds_up_no_other(
    harness: DeskHarness, frozen: FrozenLoop
) -> None:
    arrive = harness.chat.deliver
    hung: list[str] = []

    async def hang_once(result: JobResult) -> None:
        if not hung:
            hung.append(result.job_id)
            await asyncio.Event().wait()
        await arrive(result)

    harness.chat.deliver = hang_once  # type: ignore[method-assign]
    await accept(harness, "1")
    await accept(harness, "2", "ben")
    async with harness.running():
        await frozen.until(lambda: hung and harness.chat.results)
        [result] = harness.chat.results
        assert [result.job_id] != hung
        await frozen.settle()
        frozen.leap(DELIVER_TIMEOUT_S)

        async def is_cut_off() -> bool:
            return sorted(await outbox(harness)) == [("maybe", 1), ("sent", 1)]

        await frozen.until(is_cut_off)


class StubbornChat(FakeChat):
    """Takes the results of some people only when a test allows it; ``received`` are all results so far."""

    def __init__(self) -> None:
        super().__init__()
        self.open_to: dict[str, asyncio.Event] = {}
        self.received: list[str] = []

    async def deliver(self, result: JobResult) -> None:
        self.received.append(result.job_id)
        if is_open := self.open_to.get(result.user_id):
            await is_open.wait()
        await super().deliver(result)


async def test_one_person_s_pictures_come_in_the_order_in_which_they_ended(tmp_path: Path) -> None:
    chat = StubbornChat()
    chat.open_to["ann"] = asyncio.Event()
    async with open_harness(tmp_path, chat=chat) as harness:
        ann_s = [await accept(harness, str(number)) for number in range(4)]
        async with harness.running():
            ben_s = await accept(harness, "b", "ben")
            await until_outbox(harness, [("ready", 0)] * 3 + [("sending", 1), ("sent", 1)], in_order=False)
            ended = [job_id for job_id in await in_outbox(harness) if job_id != ben_s]
            assert sorted(ended) == sorted(ann_s)
            assert set(chat.received) == {ended[0], ben_s}
            chat.open_to["ann"].set()
            results = await chat.wait_for_results(5)
    assert [result.job_id for result in results] == [ben_s, *ended]


async def test_a_full_chat_keeps_the_order_and_others_overtake_a_failing_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock()
    async with open_harness(tmp_path, clock=clock) as harness:
        harness.chat.errors.append(RetryLater("full", after_s=30))
        jobs = [await accept(harness, str(number)) for number in range(2)]
        async with harness.running():
            await until_outbox(harness, [("maybe", 1), ("ready", 0)])
            ended = await in_outbox(harness)
            assert sorted(ended) == sorted(jobs)
            clock.advance(seconds=30)
            harness.desk.parts.result_ready[Platform.CONSOLE].set()
            results = await harness.chat.wait_for_results(2)
            assert [result.job_id for result in results] == ended
            harness.chat.errors.append(RetryLater("gone for long", after_s=ORDER_WAIT_S + 1))
            await accept(harness, "3")
            await until_outbox(harness, [("sent", 2), ("sent", 1), ("maybe", 1)])
            overtakes = await accept(harness, "4")
            await harness.chat.wait_for_results(3)
            assert harness.chat.results[2].job_id == overtakes


async def test_a_slow_chat_with_many_people_delays_no_other_chat_of_its_platform(tmp_path: Path) -> None:
    chat = StubbornChat()
    people = [f"person {number}" for number in range(20)]
    chat.open_to = {person: asyncio.Event() for person in people}
    async with open_harness(tmp_path, chat=chat) as harness:
        for person in people:
            await accept(harness, person, person)
        elsewhere = await harness.desk.handle(Draw(prompt="a"), a_context("e", "ann", chat_id="elsewhere"))
        assert isinstance(elsewhere, Receipt)
        async with harness.running():
            [first] = await chat.wait_for_results(1)
            assert first.job_id == elsewhere.job_id
            assert len(chat.received) == 4 + 1
            for is_open in chat.open_to.values():
                is_open.set()
            await chat.wait_for_results(21)


async def test_twelve_deliveries_of_a_platform_are_on_their_way_at_once_and_no_more(tmp_path: Path) -> None:
    chat = StubbornChat()
    people = [f"person {number}" for number in range(14)]
    chat.open_to = {person: asyncio.Event() for person in people}
    async with open_harness(tmp_path, chat=chat) as harness:
        for person in people:
            await harness.desk.handle(Draw(prompt="a"), a_context(person, person, chat_id=person))
        async with harness.running():
            await until_outbox(harness, [("ready", 0)] * 2 + [("sending", 1)] * 12, in_order=False)
            for is_open in chat.open_to.values():
                is_open.set()
            await chat.wait_for_results(14)


async def test_a_clock_set_back_prolongs_no_back_off(harness: DeskHarness) -> None:
    harness.chat.errors.append(ConnectionError())
    await accept(harness)
    async with harness.running():
        await until_outbox(harness, [("maybe", 1)])
        harness.clock.advance(seconds=-3_600)
        harness.desk.parts.result_ready[Platform.CONSOLE].set()
        await asyncio.sleep(0.01)
        assert await outbox(harness) == [("maybe", 1)]
        harness.clock.advance(seconds=BACK_OFF.pause_s(1))
        harness.desk.parts.result_ready[Platform.CONSOLE].set()
        await harness.chat.wait_for_results(1)


async def test_after_a_start_with_an_earlier_clock_nothing_waits_longer_than_the_longest_back_off(
    tmp_path: Path,
) -> None:
    clock = FakeClock()
    async with open_harness(tmp_path, clock=clock) as harness:
        harness.chat.errors.append(RetryLater("full", after_s=100_000))
        await accept(harness)
        async with harness.running():
            await until_outbox(harness, [("maybe", 1)])
    clock.advance(days=-30)
    async with open_harness(tmp_path, clock=clock) as harness, harness.running():
        await until(lambda: bool(harness.desk._loops))
        clock.advance(seconds=300)
        harness.desk.parts.result_ready[Platform.CONSOLE].set()
        await harness.chat.wait_for_results(1)


async def test_no_caption_shows_less_than_no_time(harness: DeskHarness) -> None:
    harness.renderer.acts.append(Act.HANG)
    job_id = await accept(harness)
    async with harness.running():
        await until(lambda: harness.renderer.running == job_id)
        harness.clock.advance(seconds=-3_600)
        await harness.desk.handle(Cancel(job_id), a_context("c"))
        [result] = await harness.chat.wait_for_results(1)
    assert result.seconds == 0.0


async def test_a_delivery_that_a_crash_interrupted_is_repeated(tmp_path: Path) -> None:
    async with open_harness(tmp_path) as harness:
        job_id = await accept(harness)
        async with harness.running():
            await harness.chat.wait_for_results(1)
            await until_outbox(harness, [("sent", 1)])
        await harness.store._run("UPDATE outbox SET state = 'sending'")
    async with open_harness(tmp_path) as harness, harness.running():
        [result] = await harness.chat.wait_for_results(1)
        assert result.job_id == job_id


async def test_a_result_waits_for_its_platform(tmp_path: Path) -> None:
    async with open_harness(tmp_path) as harness:
        await accept(harness, platform=Platform.WEB)
        async with harness.running():
            await until_outbox(harness, [("ready", 0)])
    web = FakeChat(Platform.WEB)
    async with open_harness(tmp_path, chat=web) as harness, harness.running():
        await web.wait_for_results(1)


async def test_a_slow_chat_holds_up_no_other_chat(tmp_path: Path) -> None:
    slow, quick = FakeChat(Platform.WEB, deliver_s=30), FakeChat()
    async with open_harness(tmp_path, renderer=FakeRenderer()) as harness:
        for n in range(6):
            await accept(harness, f"web {n}", f"person {n}", platform=Platform.WEB)
        await accept(harness, "quick")
        run = asyncio.create_task(harness.desk.run({Platform.WEB: slow, Platform.CONSOLE: quick}))
        await until_outbox(harness, [("ready", 0)] * 2 + [("sending", 1)] * 4 + [("sent", 1)], in_order=False)
        assert len(quick.results) == 1
        await harness.desk.drain(0.1)
        await run


async def test_a_drain_delivers_what_is_ready(tmp_path: Path) -> None:
    async with open_harness(tmp_path, chat=FakeChat(deliver_s=0.05)) as harness:
        for n in range(9):
            await accept(harness, str(n), f"person {n}")
        run = asyncio.create_task(harness.desk.run({harness.chat.platform: harness.chat}))
        await until(lambda: harness.renderer.drawn == 9)
        await harness.desk.drain(60)
        await run
        assert await outbox(harness) == [("sent", 1)] * 9


async def test_a_job_that_moved_is_delivered_where_its_placeholder_is(harness: DeskHarness) -> None:
    job_id = await accept(harness)
    placeholder = Address(Platform.CONSOLE, "a thread", "message 9")
    await harness.desk.store_placeholder(job_id, placeholder)
    async with harness.running():
        [result] = await harness.chat.wait_for_results(1)
    assert result.address == placeholder


@given(st.integers(1, 10_000))
def test_back_off_grows_to_five_minutes(attempts: int) -> None:
    assert 2.0 <= BACK_OFF.pause_s(attempts) <= BACK_OFF.pause_s(attempts + 1) <= 300.0


async def test_pictures_that_left_the_disk_are_counted_and_the_others_delivered_at_once(
    harness: DeskHarness,
) -> None:
    harness.chat.errors.append(ConnectionError("once"))
    await harness.desk.handle(Draw(prompt="a", count=3), a_context("1"))
    async with harness.running():
        await until_outbox(harness, [("maybe", 1)])
        (await harness.picture_file(harness.renderer.requests[0].job_id, 1)).unlink()
        harness.clock.advance(seconds=BACK_OFF.pause_s(1))
        harness.desk.parts.result_ready[Platform.CONSOLE].set()
        [result] = await harness.chat.wait_for_results(1)
        await until_outbox(harness, [("sent", 2)])
    assert ([picture.index for picture in result.pictures], result.missing) == ([0, 2], 1)
