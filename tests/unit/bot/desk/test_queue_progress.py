"""News of waiting and running jobs: thinned, coalesced, and never after the result."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.commands.values import Cancel, Draw
from bot.desk.queue import ANNOUNCED_AT_ONCE, FAR, SHOW_TIMEOUT_S, ProgressPublisher
from bot.outcomes import Receipt, Status
from engine.host import MAX_IN_FLIGHT
from engine.request import Event, Failed, Finished, Progress, RenderRequest, Stopped, Timings
from tests.fakes.chat import FakeChat
from tests.fakes.desk_harness import DeskHarness, a_context, open_harness, until
from tests.fakes.frozen import FrozenLoop
from tests.fakes.renderer import Act, FakeRenderer

REQUEST = RenderRequest("j", 1, "a", 128, 128, 7, 1, ())


class SlowChat(FakeChat):
    """Shows take a while, so that results overtake them unless somebody waits."""

    async def show(self, status: Status) -> None:
        await asyncio.sleep(0.02)
        await super().show(status)


async def accept(harness: DeskHarness, event: str, count: int = 1) -> str:
    return (await harness.accept(event, f"person {event}", count=count)).job_id


async def test_positions_are_announced_in_few_steps(harness: DeskHarness) -> None:
    jobs = [await accept(harness, str(n)) for n in range(13)]
    announced = [harness.desk.parts.queue._announced.get(job_id, FAR) for job_id in jobs]
    assert announced == [1, 1, 2, 3, 5, 5, 10, 10, 10, 10, 10, 11, 11]


class PatientRenderer(FakeRenderer):
    """Draws a job when it also has the next one and the new positions are published."""

    harness: DeskHarness

    async def _render(
        self, request: RenderRequest, listen: Callable[[Event], None], act: Act
    ) -> Finished | Stopped | Failed:
        publisher, line = self.harness.desk.parts.progress, self.harness.desk.parts.queue
        await until(
            lambda: (
                (len(self._turns) == MAX_IN_FLIGHT or not line.scheduler.queue(1))
                and not publisher._unpublished
                and not publisher._showing
            )
        )
        return await super()._render(request, listen, act)


async def test_a_placeholder_shows_the_announced_positions_and_not_every_move(tmp_path: Path) -> None:
    renderer = PatientRenderer()
    async with open_harness(tmp_path, renderer=renderer) as harness:
        renderer.harness = harness
        harness.desk.parts.progress._every_s = 0.0
        jobs = [await accept(harness, str(n)) for n in range(13)]
        async with harness.running():
            await harness.chat.wait_for_results(13)
        places = [status.position for status in harness.chat.shown if status.job_id == jobs[-1]]
        assert [place for place in places if place is not None] == [10, 5, 3, 2, 1]
        assert places[-1] is None  # it began


async def test_only_jobs_that_come_nearer_are_announced(harness: DeskHarness) -> None:
    """A job that joins near the front has its place in its receipt; it's told when it comes nearer still."""
    publisher = harness.desk.parts.progress
    jobs = [await accept(harness, str(n)) for n in range(14)]
    assert publisher._unpublished == {}
    await harness.desk.handle(Cancel(jobs[0]), a_context("c", "person 0"))
    announced = {job_id for job_id, news in publisher._unpublished.items() if news is None}
    assert announced == {jobs[index] for index in (2, 3, 4, 6, 11)}  # now at 1, 2, 3, 5, 10
    publisher._unpublished.clear()
    newcomer = await accept(harness, "20")
    assert harness.desk.parts.queue.scheduler.ahead_of(newcomer).jobs == 13
    assert publisher._unpublished == {}
    assert len(harness.desk.parts.queue._announced) <= 12  # nothing is kept of those far behind


async def test_after_a_restart_all_positions_are_announced_a_few_at_a_time(
    tmp_path: Path, frozen: FrozenLoop
) -> None:
    """Discord's answers must move on before they are 15 minutes old, also those far back in line."""
    count = 2 * ANNOUNCED_AT_ONCE
    async with open_harness(tmp_path) as harness:
        jobs = [await accept(harness, str(n)) for n in range(count)]
    async with open_harness(tmp_path, renderer=FakeRenderer([Act.HANG])) as harness:
        shown, publisher = harness.chat.shown, harness.desk.parts.progress
        async with harness.running():
            await frozen.until(lambda: len(shown) >= ANNOUNCED_AT_ONCE)
            await frozen.settle()
            assert len(shown) <= ANNOUNCED_AT_ONCE + 1  # and the one that is drawn
            while {status.job_id for status in shown} != set(jobs):
                await frozen.until(lambda: frozen.waits(1) == 1 and not publisher._showing)
                frozen.leap(1)
            announced = {status.job_id: status.position for status in harness.chat.shown}
    assert [announced[job_id] for job_id in jobs[1:]] == list(range(1, count))


async def test_a_position_that_goes_back_and_forth_is_not_published(harness: DeskHarness) -> None:
    line, publisher = harness.desk.parts.queue, harness.desk.parts.progress
    for n in range(4):
        await harness.desk.handle(Draw(prompt="a"), a_context(str(n)))
    last = line.scheduler.queue()[-1]
    assert line.scheduler.ahead_of(last).jobs == 3
    for n in range(3):
        newcomer = await accept(harness, str(10 + n))
        assert line.scheduler.ahead_of(last).jobs == 4
        await harness.desk.handle(Cancel(newcomer), a_context(f"c{n}", f"person {10 + n}"))
        assert line.scheduler.ahead_of(last).jobs == 3
    assert publisher._unpublished == {}


async def test_while_the_model_loads_a_receipt_gives_no_wait(tmp_path: Path) -> None:
    is_loading = True
    async with open_harness(tmp_path, is_loading=lambda: is_loading) as harness:
        harness.desk.parts.queue._costs.learn(REQUEST, Finished("j", 1, Timings(denoise_s=10)))
        await accept(harness, "1")
        receipt = await harness.desk.handle(Draw(prompt="a"), a_context("2", "ben"))
        assert isinstance(receipt, Receipt)
        assert (receipt.position, receipt.wait, receipt.is_loading) == (1, None, True)
        is_loading = False
        publisher, [first, _] = harness.desk.parts.progress, harness.desk.parts.queue.scheduler.queue()
        publisher.publish_step(Progress(first, 1, 0, 1, 8))
        assert publisher._unpublished[receipt.job_id] is None  # published again, now that it is loaded
        await publisher._show(receipt.job_id, None, {harness.chat.platform: harness.chat})
        [status] = harness.chat.shown
        assert (status.position, status.is_loading) == (1, False)
        assert status.wait is not None
        assert 0 < status.wait.least_s < status.wait.most_s


async def test_the_wait_grows_shorter_as_the_running_job_goes_on(tmp_path: Path) -> None:
    renderer = FakeRenderer(acts=[Act.HANG])
    async with open_harness(tmp_path, renderer=renderer) as harness:
        harness.desk.parts.queue._costs.learn(REQUEST, Finished("j", 1, Timings(denoise_s=10)))
        running = await accept(harness, "1", count=4)
        waiting = await accept(harness, "2")
        line = harness.desk.parts.queue
        async with harness.running():
            await until(lambda: renderer.running == running)
            waits = []
            for index in (0, 1, 2, 3):
                harness.desk.parts.progress.publish_step(Progress(running, 1, index, 8, 8))
                span = line.estimate_wait(waiting)
                assert span is not None
                waits.append(span.most_s)
    assert waits == sorted(waits, reverse=True)
    assert waits[0] == pytest.approx(3 * waits[2])
    assert waits[3] == 0


async def test_a_status_says_whether_its_pictures_are_hidden(tmp_path: Path) -> None:
    async with open_harness(tmp_path) as harness:
        for number, spoiler in enumerate((True, False)):
            job_id = (await harness.accept(str(number), spoiler=spoiler)).job_id
            await harness.desk.parts.progress._show(job_id, None, {harness.chat.platform: harness.chat})
    assert [status.spoiler for status in harness.chat.shown] == [True, False]


async def test_steps_are_coalesced_to_the_newest(tmp_path: Path, frozen: FrozenLoop) -> None:
    async with open_harness(tmp_path, renderer=FakeRenderer([Act.HANG])) as harness:
        await accept(harness, "1", count=3)
        shown = harness.chat.shown
        async with harness.running():
            await frozen.until(lambda: len(shown) == 1 and frozen.waits(1) == 1)
            await frozen.until(lambda: harness.desk.queue_status().step == 8)
            frozen.leap(1)
            await frozen.until(lambda: len(shown) == 2)
        assert (shown[0].index, shown[0].step) < (shown[1].index, shown[1].step) == (0, 8)


async def test_no_status_comes_after_the_result(tmp_path: Path) -> None:
    chat = SlowChat()
    async with open_harness(tmp_path, chat=chat, renderer=FakeRenderer(step_s=0.001)) as harness:
        harness.desk.parts.progress._every_s = 0.0
        for n in range(10):
            await accept(harness, str(n))
        async with harness.running():
            await chat.wait_for_results(10)
            await asyncio.sleep(0.1)
    for job_id in {job_id for _, job_id in chat.log}:
        kinds = [kind for kind, shown in chat.log if shown == job_id]
        assert kinds.index("deliver") == len(kinds) - 1
    assert "show" in {kind for kind, _ in chat.log}
    assert len(chat.results) == 10


async def test_a_chat_that_cannot_show_loses_only_the_status(tmp_path: Path) -> None:
    class Broken(FakeChat):
        async def show(self, status: Status) -> None:
            raise ConnectionError

    async with open_harness(tmp_path, chat=Broken(), renderer=FakeRenderer(step_s=0.001)) as harness:
        await accept(harness, "1")
        async with harness.running():
            await harness.chat.wait_for_results(1)


async def test_a_show_that_hangs_delays_its_own_result_only_so_long(
    tmp_path: Path, frozen: FrozenLoop
) -> None:
    class Hanging(FakeChat):
        async def show(self, status: Status) -> None:
            if status.job_id == first:
                await asyncio.Event().wait()

    async with open_harness(tmp_path, chat=Hanging()) as harness:
        first = await accept(harness, "1")
        second = await accept(harness, "2")
        results = harness.chat.results
        async with harness.running():
            await frozen.until(lambda: results)
            await frozen.settle()
            assert [result.job_id for result in results] == [second]
            frozen.leap(SHOW_TIMEOUT_S)
            await frozen.until(lambda: len(results) == 2)
    assert [result.job_id for result in results] == [second, first]


async def test_an_ended_job_gets_no_status(harness: DeskHarness) -> None:
    job_id = await accept(harness, "1")
    job = await harness.store.jobs.find(job_id)
    assert job is not None
    publisher: ProgressPublisher = harness.desk.parts.progress
    await publisher._show(job_id, Progress(job_id, 1, 0, 1, 8), {harness.chat.platform: harness.chat})
    await publisher._show("unknown", None, {harness.chat.platform: harness.chat})
    assert harness.chat.shown == []
    await publisher._show(job_id, None, {harness.chat.platform: harness.chat})
    assert [status.position for status in harness.chat.shown] == [0]


async def test_twenty_positions_are_announced_at_once_and_the_others_later(tmp_path: Path) -> None:
    async with open_harness(tmp_path) as harness:
        await accept(harness, "1")
        publisher = harness.desk.parts.progress
        publisher._every_s = 60.0
        publisher.announce_positions([f"job {n}" for n in range(25)])
        run = asyncio.create_task(publisher.run({}))
        await until(lambda: len(publisher._unannounced) < 25)
        assert list(publisher._unannounced) == [f"job {n}" for n in range(20, 25)]
        run.cancel()
        await asyncio.wait({run})


async def test_an_announcement_wakes_an_idle_publisher(tmp_path: Path) -> None:
    async with open_harness(tmp_path) as harness:
        job_id, publisher = await accept(harness, "1"), harness.desk.parts.progress
        publisher._every_s = 0.0
        run = asyncio.create_task(publisher.run({harness.chat.platform: harness.chat}))
        await asyncio.sleep(0.01)
        publisher.announce_positions([job_id])
        await until(lambda: bool(harness.chat.shown))
        assert [status.position for status in harness.chat.shown] == [0]
        run.cancel()
        await asyncio.wait({run})


async def test_an_announcement_does_not_replace_a_step(harness: DeskHarness) -> None:
    job_id, publisher = await accept(harness, "1"), harness.desk.parts.progress
    publisher._every_s = 60.0
    publisher.publish_step(Progress(job_id, 1, 0, 3, 8))
    publisher.announce_positions([job_id])
    said: list[object] = []

    async def note(job_id: str, news: object, chats: object) -> None:
        said.append(news)

    publisher._show = note  # type: ignore[method-assign, assignment]
    run = asyncio.create_task(publisher.run({}))
    await until(lambda: bool(said))
    assert [news is None for news in said] == [False]
    run.cancel()
    await asyncio.wait({run})


async def test_positions_are_published_when_the_queue_changes_after_the_model_loaded(tmp_path: Path) -> None:
    is_loading = True
    async with open_harness(tmp_path, is_loading=lambda: is_loading) as harness:
        jobs, publisher = [await accept(harness, str(n)) for n in range(14)], harness.desk.parts.progress
        assert publisher._unpublished == {}
        publisher._changed.clear()
        is_loading = False
        harness.desk.parts.queue.remove(jobs[-1])
        assert set(publisher._unpublished) == set(jobs[:11])  # those near; the others have no new wait
        assert publisher._changed.is_set()
        publisher._unpublished.clear()
        harness.desk.parts.queue.report_change()
        assert publisher._unpublished == {}  # once


async def test_a_status_for_a_missing_chat_is_no_failure(harness: DeskHarness) -> None:
    job_id = await accept(harness, "1")
    await harness.desk.parts.progress._show(job_id, None, {})
    assert harness.chat.shown == []


async def test_updates_stop_for_one_job_and_not_for_others(harness: DeskHarness) -> None:
    first, second = await accept(harness, "1"), await accept(harness, "2")
    publisher = harness.desk.parts.progress
    for job_id in (first, second):
        publisher.publish_step(Progress(job_id, 1, 0, 1, 8))
    await publisher.stop_updates(first)
    await publisher.stop_updates("unknown")
    assert set(publisher._unpublished) == {second}


async def test_a_nearer_position_and_a_step_wake_the_publisher(harness: DeskHarness) -> None:
    jobs, publisher = [await accept(harness, str(n)) for n in range(3)], harness.desk.parts.progress
    publisher._changed.clear()
    harness.desk.parts.queue.remove(jobs[0])
    assert set(publisher._unpublished) == {jobs[2]}  # from the second place to the first
    assert publisher._changed.is_set()
    publisher._changed.clear()
    publisher.publish_step(Progress(jobs[1], 1, 0, 1, 8))
    assert publisher._changed.is_set()
