"""What becomes of a job whose try went wrong, case by case, and what the loop keeps of it."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog

from bot.commands.values import Cancel, LoraWish
from bot.desk.drawing import loop
from bot.desk.results import MAX_ATTEMPTS
from bot.outcomes import JobState
from bot.store.rows import JobRow
from engine.request import (
    Event,
    Failed,
    FailReason,
    Finished,
    Picture,
    RenderRequest,
    Stopped,
    Timings,
)
from tests.fakes.desk_harness import DeskHarness, a_context, open_harness, until
from tests.fakes.renderer import Act, FakeRenderer, tiny_png


async def accept(harness: DeskHarness, event: str = "1", count: int = 2) -> str:
    return (await harness.accept(event, f"person {event}", count=count)).job_id


async def taken(harness: DeskHarness, tries: int = 1, count: int = 2) -> JobRow:
    """A job at this try."""
    job_id = await accept(harness, count=count)
    for _ in range(tries - 1):
        job = await harness.store.jobs.take(job_id, "a run", 1)
        assert job is not None
        await harness.store.jobs.requeue(job, uses_attempt=True)
    job = await harness.store.jobs.take(job_id, "a run", 1)
    assert job is not None
    assert job.attempt == tries
    return job


def pictures(count: int) -> list[Picture]:
    return [Picture(index, index, 8, 8, tiny_png(index)) for index in range(count)]


async def credits_of(harness: DeskHarness) -> int:
    person = await harness.store.people.find("console", "person 1")
    assert person is not None
    return (await harness.store.people.account(person)).credits


async def test_the_third_loss_keeps_and_charges_what_was_drawn(harness: DeskHarness) -> None:
    job = await taken(harness, tries=3)
    await harness.desk.parts.completion.use_attempt(job, pictures(1))
    ended = await harness.job(job.id)
    assert (ended.state, ended.fail) == (JobState.FAILED, FailReason.WORKER_ERROR)
    assert len(await harness.store.jobs.pictures_of([job.id])) == 1
    assert await credits_of(harness) == 39


async def test_the_second_loss_keeps_nothing_and_charges_later(harness: DeskHarness) -> None:
    job = await taken(harness, tries=2)
    await harness.desk.parts.completion.use_attempt(job, pictures(1))
    again = await harness.job(job.id)
    assert (again.state, again.attempt) == (JobState.QUEUED, 2)
    assert await credits_of(harness) == 38
    assert MAX_ATTEMPTS == 3


async def test_a_loss_after_a_cancel_is_a_cancel_even_at_the_third_try(harness: DeskHarness) -> None:
    job = await taken(harness, tries=3)
    await harness.store.jobs.request_cancel(job.id)
    await harness.desk.parts.completion.use_attempt(job, pictures(1))
    assert (await harness.job(job.id)).state == JobState.CANCELLED
    assert await credits_of(harness) == 40


@pytest.mark.parametrize(
    ("answer", "drawn", "state", "fail", "credits"),
    [
        (Finished("j", 1, Timings()), 2, JobState.DONE, None, 38),
        (Finished("j", 1, Timings()), 1, JobState.FAILED, FailReason.WORKER_ERROR, 39),
        (Failed("j", 1, FailReason.BLANK_PICTURE), 1, JobState.FAILED, FailReason.BLANK_PICTURE, 39),
        (Stopped("j", 1), 1, JobState.CANCELLED, None, 39),
        (Stopped("j", 1), 0, JobState.CANCELLED, None, 40),
    ],
)
async def test_each_answer_ends_the_job_its_way(
    harness: DeskHarness,
    answer: Finished | Failed | Stopped,
    drawn: int,
    state: JobState,
    fail: FailReason | None,
    credits: int,
) -> None:
    job = await taken(harness)
    await harness.desk.parts.completion.record_answer(job, answer, pictures(drawn), lambda: False)
    ended = await harness.job(job.id)
    assert (ended.state, ended.fail) == (state, fail)
    assert await credits_of(harness) == credits


@pytest.mark.parametrize(
    ("is_closing", "cancel_asked", "state"),
    [
        (True, False, JobState.QUEUED),
        (True, True, JobState.CANCELLED),
        (False, False, JobState.CANCELLED),
        (False, True, JobState.CANCELLED),
    ],
)
async def test_a_stop_counts_as_a_drain_only_while_the_desk_closes_and_without_a_cancel(
    harness: DeskHarness, is_closing: bool, cancel_asked: bool, state: JobState
) -> None:
    job = await taken(harness)
    completion = harness.desk.parts.completion
    if cancel_asked:
        await harness.store.jobs.request_cancel(job.id)
    await completion.record_answer(job, Stopped(job.id, 1), [], lambda: is_closing)
    stopped = await harness.job(job.id)
    assert (stopped.state, stopped.attempt) == (state, 0 if state == JobState.QUEUED else 1)


async def test_a_refusal_ends_a_waiting_job_and_no_other(harness: DeskHarness) -> None:
    completion = harness.desk.parts.completion
    job = await taken(harness)
    await completion.refuse(job.id)
    await completion.refuse("unknown")
    assert (await harness.job(job.id)).state == JobState.RUNNING
    await completion.requeue(job, uses_attempt=False)
    await completion.refuse(job.id)
    ended = await harness.job(job.id)
    assert (ended.state, ended.fail, ended.attempt) == (JobState.FAILED, FailReason.OUT_OF_MEMORY, 0)
    assert job.id not in harness.desk.parts.queue.jobs


async def test_a_late_requeue_does_not_join_the_queue(harness: DeskHarness) -> None:
    job = await taken(harness)
    completion = harness.desk.parts.completion
    harness.desk.parts.queue.remove(job.id)
    await completion.fail(job)
    await completion.requeue(job, uses_attempt=True)
    assert (await harness.job(job.id)).state == JobState.FAILED
    assert harness.desk.parts.queue.scheduler.queue() == ()


class SlowToBegin(FakeRenderer):
    """Takes a job in hand, and says nothing of it until it is stopped."""

    def __init__(self) -> None:
        super().__init__()
        self.stopped = asyncio.Event()

    async def render(
        self, request: RenderRequest, listen: Callable[[Event], None]
    ) -> Finished | Stopped | Failed:
        await self.stopped.wait()
        return Stopped(request.job_id, request.attempt)

    def cancel(self, job_id: str) -> None:
        self.stopped.set()


async def test_step_zero_is_published_before_the_renderer_reports(tmp_path: Path) -> None:
    renderer = SlowToBegin()
    async with open_harness(tmp_path, renderer=renderer) as harness:
        harness.desk.parts.progress._every_s = 0.0
        job_id = await accept(harness)
        async with harness.running():
            await until(lambda: bool(harness.chat.shown))
            [status] = harness.chat.shown
            assert (status.job_id, status.position, status.index) == (job_id, None, 0)
            assert (status.step, status.steps, status.count, status.pictures) == (0, 8, 2, ())
            queue_status = harness.desk.queue_status()
            assert (queue_status.drawing, queue_status.step, queue_status.steps) == (job_id, 0, 0)


async def test_the_loop_keeps_nothing_of_a_job_that_has_ended(harness: DeskHarness) -> None:
    harness.renderer.acts.append(Act.HANG)
    job_id = await accept(harness)
    drawing = harness.desk.parts.drawing
    async with harness.running():
        await until(lambda: harness.renderer.running == job_id)
        await harness.desk.handle(Cancel(), a_context("c", "person 1"))
        await harness.chat.wait_for_results(1)
        await until(lambda: not drawing._taken)
        assert (drawing._to_stop, drawing.running) == (set(), ("", 0, 0))


async def test_a_job_that_is_gone_when_it_is_taken_leaves_the_queue(
    harness: DeskHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gone(*_: object) -> None:
        return None

    job_id, line = await accept(harness), harness.desk.parts.queue
    left: list[str] = []
    remove = line.remove

    def note(job_id: str) -> None:
        left.append(job_id)
        remove(job_id)

    monkeypatch.setattr(harness.store.jobs, "take", gone)
    monkeypatch.setattr(line, "remove", note)
    async with harness.running():
        await until(lambda: bool(left))
    assert left == [job_id]
    assert (harness.renderer.received, line.scheduler.queue(), line.scheduler.waiting) == ([], (), 0)


async def test_a_job_starts_once_however_often_it_reports(harness: DeskHarness) -> None:
    with structlog.testing.capture_logs() as logs:
        await accept(harness, count=3)
        async with harness.running():
            [result] = await harness.chat.wait_for_results(1)
    assert [log["event"] for log in logs].count("job started") == 1
    assert len(result.pictures) == 3


async def test_a_picture_is_shown_as_soon_as_it_is_complete(harness: DeskHarness) -> None:
    shown: list[int] = []
    publisher = harness.desk.parts.progress
    drawing = publisher.publish_step

    def note(progress: object, pictures: tuple[Picture, ...] = ()) -> None:
        shown.append(len(pictures))
        drawing(progress, pictures)  # type: ignore[arg-type]

    publisher.publish_step = note  # type: ignore[method-assign, assignment]
    await accept(harness, count=2)
    async with harness.running():
        await harness.chat.wait_for_results(1)
    # begun by the desk, begun by the renderer, then eight steps and the picture, twice
    assert shown == [0, 0, *[0] * 8, 1, *[1] * 8, 2]


async def test_recovery_returns_the_jobs_that_it_found_waiting_and_not_the_known_ones(tmp_path: Path) -> None:
    async with open_harness(tmp_path) as harness:
        old = await accept(harness, "1")
    async with open_harness(tmp_path) as harness:
        new = await accept(harness, "2")
        assert await harness.desk.parts.drawing.recover() == (old,)
        assert set(harness.desk.parts.queue.scheduler.queue()) == {old, new}


async def test_a_job_that_is_cancelled_while_the_waiting_jobs_are_recovered_takes_no_place_in_the_queue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_harness(tmp_path) as harness:
        _, other = await accept(harness, "1"), await accept(harness, "2")
    async with open_harness(tmp_path) as harness:
        in_state = harness.store.jobs.in_state

        async def cancel_after(state: str) -> tuple[JobRow, ...]:
            found = await in_state(state)
            if state == JobState.QUEUED:  # as a stored event, which its chat handles again after the start
                await harness.desk.handle(Cancel(), a_context("cancel", "person 1"))
            return found

        monkeypatch.setattr(harness.store.jobs, "in_state", cancel_after)
        assert await harness.desk.parts.drawing.recover() == (other,)
        assert harness.desk.queue_status().waiting == 1


async def test_a_cancel_is_kept_when_an_earlier_try_of_the_job_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "NOT_READY_WAIT_S", 0.5)
    async with open_harness(tmp_path, renderer=FakeRenderer([Act.UNREADY])) as harness:
        await harness.accept("1", loras=(LoraWish("sugar"),))
        drawing, may_go = harness.desk.parts.drawing, asyncio.Event()
        may_draw = drawing._may_draw

        async def ask_late(job: JobRow) -> bool:
            if harness.renderer.received:  # the second try
                await may_go.wait()
            return await may_draw(job)

        drawing._may_draw = ask_late
        async with harness.running():
            await until(lambda: len(drawing.taken) == 2)  # the first try still pauses
            await harness.desk.handle(Cancel(), a_context("cancel"))
            await until(lambda: len(drawing.taken) == 1)
            may_go.set()
            [result] = await harness.chat.wait_for_results(1)
        assert result.state is JobState.CANCELLED
