"""Every job ends once: with its pictures, its refund and its result, or by a cancel."""

import asyncio
import contextlib

import pytest

from bot.commands.values import Cancel, Draw, Quota
from bot.errors import AlreadyEnded, NoSuchJob, NothingToCancel, NotYours
from bot.outcomes import CancelAsked, CreditBalance, JobState, Receipt
from bot.store.rows import JobRow, PictureRow
from engine.request import FailReason
from tests.fakes.room import HOST, Room, a_context, until


async def accept(room: Room, event: str = "1", user: str = "ann", count: int = 2) -> JobRow:
    receipt = await room.desk.handle(Draw(prompt="a", count=count), a_context(event, user))
    assert isinstance(receipt, Receipt)
    job = await room.store.jobs.find(receipt.job_id)
    assert job is not None
    return job


async def credits_of(room: Room, user: str = "ann") -> int:
    credits = await room.desk.handle(Quota(), a_context("quota", user))
    assert isinstance(credits, CreditBalance)
    return credits.credits


async def test_a_late_end_of_an_earlier_try_changes_nothing(room: Room) -> None:
    await accept(room)
    completion = room.desk.parts.completion
    queued = (await room.store.jobs.in_state("queued"))[0]
    first = await room.store.jobs.claim(queued.id, "an earlier run", 1)
    assert first is not None
    await room.store.jobs.requeue(first, uses_attempt=True)
    second = await room.store.jobs.claim(queued.id, "this run", 2)
    assert second is not None
    pictures = [PictureRow(queued.id, 0, 1, "late.png")]
    assert await completion.end(first, JobState.DONE, pictures=pictures) is None
    assert await completion.end(first, JobState.FAILED, fail=FailReason.WORKER_ERROR) is None
    assert await credits_of(room) == 38
    assert (
        await completion.end(second, JobState.FAILED, fail=FailReason.BLANK_PICTURE, pictures=pictures) == 1
    )
    assert await completion.end(second, JobState.CANCELLED) is None
    assert await credits_of(room) == 39


async def test_a_waiting_job_is_cancelled_at_once_and_refunded(room: Room) -> None:
    job = await accept(room)
    assert await room.desk.handle(Cancel(), a_context("2")) == CancelAsked(
        job.id, was_running=False, refund=2
    )
    assert await credits_of(room) == 40
    with pytest.raises(AlreadyEnded):
        await room.desk.handle(Cancel(job.id), a_context("3"))
    with pytest.raises(NothingToCancel):
        await room.desk.handle(Cancel(), a_context("4"))
    async with room.running():
        [result] = await room.chat.wait_for_results(1)
    assert (result.state, result.refund, result.pictures) == (JobState.CANCELLED, 2, ())
    assert room.renderer.requests == []


async def test_without_an_id_the_newest_is_cancelled(room: Room) -> None:
    jobs = [await accept(room, str(n)) for n in range(3)]
    asked = await room.desk.handle(Cancel(), a_context("c"))
    assert isinstance(asked, CancelAsked)
    assert asked.job_id == jobs[-1].id


async def test_a_running_job_stops_and_keeps_what_was_drawn(room: Room) -> None:
    room.renderer.step_s = 0.02
    job = await accept(room, count=4)
    async with room.running():
        await until(lambda: room.renderer.drawn > 0)
        asked = await room.desk.handle(Cancel(), a_context("2"))
        [result] = await room.chat.wait_for_results(1)
    assert asked == CancelAsked(job.id, was_running=True)
    assert result.state is JobState.CANCELLED
    assert 1 <= len(result.pictures) < 4
    assert result.refund == 4 - len(result.pictures)
    assert all(picture.path.read_bytes().startswith(b"\x89PNG") for picture in result.pictures)


async def test_a_cancel_between_claim_and_render_is_not_lost(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The renderer does not know the job yet when the cancel comes, so it is never asked for it."""
    claim = room.store.jobs.claim

    async def claim_and_cancel(job_id: str, lease: str, now_ms: int) -> JobRow | None:
        job = await claim(job_id, lease, now_ms)
        await room.desk.handle(Cancel(), a_context("2"))
        return job

    monkeypatch.setattr(room.store.jobs, "claim", claim_and_cancel)
    await accept(room)
    async with room.running():
        [result] = await room.chat.wait_for_results(1)
    assert result.state is JobState.CANCELLED
    assert room.renderer.requests == []


async def test_only_its_person_or_a_host_cancels_a_job(room: Room) -> None:
    job = await accept(room)
    with pytest.raises(NotYours):
        await room.desk.handle(Cancel(job.id), a_context("2", "ben"))
    with pytest.raises(NoSuchJob):
        await room.desk.handle(Cancel("nothing"), a_context("3"))
    asked = await room.desk.handle(Cancel(job.id), a_context("4", HOST))
    assert isinstance(asked, CancelAsked)
    assert await credits_of(room) == 40
    assert await credits_of(room, HOST) == 40


async def test_a_cancel_beside_a_finish_ends_the_job_once(room: Room) -> None:
    room.renderer.step_s = 0.001
    for turn in range(20):
        job = await accept(room, str(turn), f"person {turn}")
        async with asyncio.timeout(5):
            if turn == 0:
                running = asyncio.create_task(room.desk.run({room.chat.platform: room.chat}))
            await asyncio.sleep(0.001 * turn)
            with contextlib.suppress(AlreadyEnded):
                await room.desk.handle(Cancel(job.id), a_context(f"cancel {turn}", f"person {turn}"))
            await room.chat.wait_for_results(turn + 1)
    await room.desk.drain(5)
    await running
    assert len({result.job_id for result in room.chat.results}) == len(room.chat.results) == 20
    for turn, result in enumerate(room.chat.results):
        assert result.refund == 2 - len(result.pictures)
        assert await credits_of(room, f"person {turn}") == 40 - len(result.pictures)
