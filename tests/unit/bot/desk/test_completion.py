"""Every job ends once: with its pictures, its refund and its result, or by a cancel."""

import asyncio
import contextlib

import pytest

from bot.commands.values import Cancel, Quota
from bot.errors import AlreadyEnded, NoSuchJob, NothingToCancel, NotYours
from bot.outcomes import CancelAccepted, CreditBalance, JobState
from bot.store.rows import JobRow, PictureRow
from engine.request import FailReason
from tests.fakes.desk_harness import HOST, DeskHarness, a_context, until


async def accept(harness: DeskHarness, event: str = "1", user: str = "ann", count: int = 2) -> JobRow:
    return await harness.job((await harness.accept(event, user, count=count)).job_id)


async def credits_of(harness: DeskHarness, user: str = "ann") -> int:
    credits = await harness.desk.handle(Quota(), a_context("quota", user))
    assert isinstance(credits, CreditBalance)
    return credits.credits


async def test_a_late_end_of_an_earlier_try_changes_nothing(harness: DeskHarness) -> None:
    await accept(harness)
    completion = harness.desk.parts.completion
    queued = (await harness.store.jobs.in_state("queued"))[0]
    first = await harness.store.jobs.take(queued.id, "an earlier run", 1)
    assert first is not None
    await harness.store.jobs.requeue(first, uses_attempt=True)
    second = await harness.store.jobs.take(queued.id, "this run", 2)
    assert second is not None
    pictures = [PictureRow(queued.id, 0, 1, "0" * 64)]
    assert await completion.end(first, JobState.DONE, pictures=pictures) is None
    assert await completion.end(first, JobState.FAILED, fail=FailReason.WORKER_ERROR) is None
    assert await credits_of(harness) == 38
    assert (
        await completion.end(second, JobState.FAILED, fail=FailReason.BLANK_PICTURE, pictures=pictures) == 1
    )
    assert await completion.end(second, JobState.CANCELLED) is None
    assert await credits_of(harness) == 39


async def test_a_waiting_job_is_cancelled_at_once_and_refunded(harness: DeskHarness) -> None:
    job = await accept(harness)
    assert await harness.desk.handle(Cancel(), a_context("2")) == CancelAccepted(
        job.id, was_running=False, refund=2
    )
    assert await credits_of(harness) == 40
    with pytest.raises(AlreadyEnded):
        await harness.desk.handle(Cancel(job.id), a_context("3"))
    with pytest.raises(NothingToCancel):
        await harness.desk.handle(Cancel(), a_context("4"))
    async with harness.running():
        [result] = await harness.chat.wait_for_results(1)
    assert (result.state, result.refund, result.pictures) == (JobState.CANCELLED, 2, ())
    assert harness.renderer.requests == []


async def test_without_an_id_the_newest_is_cancelled(harness: DeskHarness) -> None:
    jobs = [await accept(harness, str(n)) for n in range(3)]
    asked = await harness.desk.handle(Cancel(), a_context("c"))
    assert isinstance(asked, CancelAccepted)
    assert asked.job_id == jobs[-1].id


async def test_a_running_job_stops_and_keeps_what_was_drawn(harness: DeskHarness) -> None:
    harness.renderer.hangs_after = 2
    job = await accept(harness, count=4)
    async with harness.running():
        await until(lambda: harness.renderer.drawn == 2)
        asked = await harness.desk.handle(Cancel(), a_context("2"))
        [result] = await harness.chat.wait_for_results(1)
    assert asked == CancelAccepted(job.id, was_running=True)
    assert result.state is JobState.CANCELLED
    assert (len(result.pictures), result.refund) == (2, 2)
    assert all(picture.path.read_bytes().startswith(b"\x89PNG") for picture in result.pictures)


async def test_a_cancel_between_taking_and_rendering_is_not_lost(
    harness: DeskHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The renderer does not know the job yet when the cancel comes, so it is never asked for it."""
    take = harness.store.jobs.take

    async def take_and_cancel(job_id: str, lease: str, now_ms: int) -> JobRow | None:
        job = await take(job_id, lease, now_ms)
        await harness.desk.handle(Cancel(), a_context("2"))
        return job

    monkeypatch.setattr(harness.store.jobs, "take", take_and_cancel)
    await accept(harness)
    async with harness.running():
        [result] = await harness.chat.wait_for_results(1)
    assert result.state is JobState.CANCELLED
    assert harness.renderer.requests == []


async def test_only_its_person_or_a_host_cancels_a_job(harness: DeskHarness) -> None:
    job = await accept(harness)
    with pytest.raises(NotYours):
        await harness.desk.handle(Cancel(job.id), a_context("2", "ben"))
    with pytest.raises(NoSuchJob):
        await harness.desk.handle(Cancel("nothing"), a_context("3"))
    asked = await harness.desk.handle(Cancel(job.id), a_context("4", HOST))
    assert isinstance(asked, CancelAccepted)
    assert await credits_of(harness) == 40
    assert await credits_of(harness, HOST) == 40
    own = await accept(harness, "5")
    await harness.desk.handle(Cancel(own.id), a_context("6"))
    rows = await harness.store._run("SELECT user_id, action, subject FROM host_action")
    assert [tuple(row) for row in rows] == [(HOST, "cancel", job.id)]


async def test_a_cancel_beside_a_finish_ends_the_job_once(harness: DeskHarness) -> None:
    harness.renderer.step_s = 0.001
    for turn in range(20):
        job = await accept(harness, str(turn), f"person {turn}")
        async with asyncio.timeout(30):
            if turn == 0:
                running = asyncio.create_task(harness.desk.run({harness.chat.platform: harness.chat}))
            await asyncio.sleep(0.001 * turn)
            with contextlib.suppress(AlreadyEnded):
                await harness.desk.handle(Cancel(job.id), a_context(f"cancel {turn}", f"person {turn}"))
            await harness.chat.wait_for_results(turn + 1)
    await harness.desk.drain(5)
    await running
    assert len({result.job_id for result in harness.chat.results}) == len(harness.chat.results) == 20
    for turn, result in enumerate(harness.chat.results):
        assert result.refund == 2 - len(result.pictures)
        assert await credits_of(harness, f"person {turn}") == 40 - len(result.pictures)
