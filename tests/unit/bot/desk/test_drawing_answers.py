"""The drawing loop: what each answer of the renderer means for the job, its money and its next try."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from bot.commands.values import Cancel, Mine
from bot.desk import files
from bot.desk.drawing import loop
from bot.desk.files import name_pictures, save_pictures
from bot.errors import CannotSave
from bot.outcomes import History, JobResult, JobState, Platform
from bot.store.rows import PictureRow
from engine.planner.headroom import Headroom
from engine.request import MAX_SEED, Event, Failed, FailReason, Finished, Picture, RenderRequest, Stopped
from tests.fakes.chat import FakeChat
from tests.fakes.desk_harness import DeskHarness, a_context, open_harness, until
from tests.fakes.renderer import Act, FakeRenderer


async def accept(
    harness: DeskHarness, event: str = "1", user: str = "ann", count: int = 1, seed: int = 7
) -> str:
    return (await harness.accept(event, user, count=count, seed=seed)).job_id


async def only_result(harness: DeskHarness) -> JobResult:
    async with harness.running():
        [result] = await harness.chat.wait_for_results(1)
    return result


async def test_a_job_becomes_its_pictures(harness: DeskHarness) -> None:
    job_id = await accept(harness, count=2, seed=MAX_SEED)
    result = await only_result(harness)
    assert (result.job_id, result.state, result.refund, result.credits_left) == (job_id, JobState.DONE, 0, 38)
    assert (result.user_id, result.user_name, result.address.ref) == ("ann", "name of ann", "ref-1")
    assert [(picture.index, picture.seed) for picture in result.pictures] == [(0, MAX_SEED), (1, 0)]
    for picture in result.pictures:
        with Image.open(picture.path) as opened:
            assert opened.info["parameters"] == f"Seed: {picture.seed}"


class DrawsAgain(FakeRenderer):
    """As ``LocatedRenderer`` after the LoRA of a sheet's later picture has gone: it begins again."""

    async def render(
        self, request: RenderRequest, listen: Callable[[Event], None]
    ) -> Finished | Stopped | Failed:
        await super().render(replace(request, count=2), listen)
        return await super().render(request, listen)


async def test_a_job_that_is_drawn_from_the_beginning_again_has_each_picture_once(tmp_path: Path) -> None:
    async with open_harness(tmp_path, renderer=DrawsAgain()) as harness:
        await accept(harness, count=3)
        result = await only_result(harness)
    assert (result.state, result.refund) == (JobState.DONE, 0)
    assert [picture.index for picture in result.pictures] == [0, 1, 2]


@pytest.mark.parametrize("reason", FailReason)
async def test_a_failed_job_says_why_and_costs_nothing(tmp_path: Path, reason: FailReason) -> None:
    async with open_harness(tmp_path, renderer=FakeRenderer([Act.FAIL], fail_reason=reason)) as harness:
        await accept(harness, count=2)
        result = await only_result(harness)
    assert (result.state, result.fail, result.refund, result.credits_left) == (JobState.FAILED, reason, 2, 40)


async def test_an_unexpected_error_fails_the_job_and_not_the_next(harness: DeskHarness) -> None:
    harness.renderer.acts.append(Act.BREAK)
    await accept(harness, "1")
    await accept(harness, "2", "ben")
    async with harness.running():
        results = await harness.chat.wait_for_results(2)
    assert [(result.state, result.fail) for result in results] == [
        (JobState.FAILED, FailReason.WORKER_ERROR),
        (JobState.DONE, None),
    ]


async def test_a_lost_worker_costs_a_try_and_the_job_is_drawn_again(harness: DeskHarness) -> None:
    harness.renderer.acts.append(Act.LOSE)
    await accept(harness)
    result = await only_result(harness)
    assert result.state is JobState.DONE
    assert [request.attempt for request in harness.renderer.requests] == [1, 2]


async def test_a_job_that_loses_the_worker_lets_others_come_first_and_is_given_up_the_third_time(
    harness: DeskHarness,
) -> None:
    harness.renderer.acts.extend([Act.LOSE, Act.DRAW, Act.LOSE, Act.LOSE])
    poison = await accept(harness, "1")
    other = await accept(harness, "2", "ben")
    async with harness.running():
        results = await harness.chat.wait_for_results(2)
    ends = {result.job_id: (result.state, result.refund) for result in results}
    assert ends == {poison: (JobState.FAILED, 1), other: (JobState.DONE, 0)}
    drawn = [(request.job_id, request.attempt) for request in harness.renderer.requests]
    assert drawn == [(poison, 1), (other, 1), (poison, 2), (poison, 3)]


async def test_a_job_whose_pictures_cannot_be_saved_after_its_last_try_ends_and_the_next_is_drawn(
    harness: DeskHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(rows: Sequence[PictureRow], drawn: Sequence[bytes], folder: Path) -> None:
        if not rows or rows[0].job == poison:
            raise OSError("the disk failed")
        save_pictures(rows, drawn, folder)

    monkeypatch.setattr("bot.desk.results.save_pictures", refuse)
    harness.renderer.acts.extend([Act.LOSE, Act.LOSE, Act.LOSE])
    poison = await accept(harness, "1")
    async with harness.running():
        await harness.chat.wait_for_results(1)
        other = await accept(harness, "2", "ben")
        results = await harness.chat.wait_for_results(2)
    ends = {result.job_id: (result.state, result.refund) for result in results}
    assert ends == {poison: (JobState.FAILED, 1), other: (JobState.DONE, 0)}


async def test_a_worker_that_does_not_start_costs_no_try(
    harness: DeskHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "NOT_READY_WAIT_S", 0.01)
    harness.renderer.acts.extend([Act.UNREADY] * 5)
    await accept(harness)
    result = await only_result(harness)
    assert result.state is JobState.DONE
    assert harness.renderer.requests[-1].attempt == 1


async def test_a_finish_without_every_picture_is_a_failure_that_refunds_them(
    harness: DeskHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def name_one(job_id: str, drawn: Sequence[Picture]) -> tuple[PictureRow, ...]:
        return name_pictures(job_id, drawn[:1])

    def save_one(rows: Sequence[PictureRow], drawn: Sequence[bytes], folder: Path) -> None:
        save_pictures(rows, drawn[:1], folder)

    monkeypatch.setattr("bot.desk.results.name_pictures", name_one)
    monkeypatch.setattr("bot.desk.results.save_pictures", save_one)
    await accept(harness, count=3)
    result = await only_result(harness)
    assert (result.state, len(result.pictures), result.refund) == (JobState.FAILED, 1, 2)


async def test_a_full_disk_fails_the_job_with_a_refund(
    harness: DeskHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("bot.desk.results.save_pictures", full)
    await accept(harness)
    result = await only_result(harness)
    assert (result.state, result.fail, result.refund) == (JobState.FAILED, FailReason.DISK_FULL, 1)


async def test_a_job_that_can_never_fit_is_refused_and_refunded(harness: DeskHarness) -> None:
    harness.probe.free_bytes = harness.probe.total_bytes = 1
    await accept(harness)
    result = await only_result(harness)
    assert (result.state, result.fail, result.refund) == (JobState.FAILED, FailReason.OUT_OF_MEMORY, 1)
    assert harness.renderer.requests == []


async def test_a_job_that_does_not_fit_now_waits_until_it_does(
    harness: DeskHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "NO_SPACE_WAIT_S", 0.01)
    harness.probe.free_bytes = 1
    await accept(harness)
    async with harness.running():
        await asyncio.sleep(0.1)
        assert harness.renderer.requests == []
        harness.probe.free_bytes = harness.probe.total_bytes
        [result] = await harness.chat.wait_for_results(1)
    assert result.state is JobState.DONE


async def test_a_drain_puts_the_running_job_back_with_its_try(tmp_path: Path) -> None:
    async with open_harness(tmp_path, renderer=FakeRenderer([Act.HANG], step_s=0.001)) as harness:
        job_id = await accept(harness)
        async with harness.running():
            await until(lambda: bool(harness.renderer.running))
        job = await harness.store.jobs.find(job_id)
        assert job is not None
        assert (job.state, job.attempt, job.lease) == (JobState.QUEUED, 0, None)
        assert harness.chat.results == []
    async with open_harness(tmp_path) as harness:
        result = await only_result(harness)
        assert (result.job_id, result.state) == (job_id, JobState.DONE)
        assert harness.renderer.requests[0].attempt == 1


async def test_a_drain_does_not_begin_a_job_that_is_being_taken(
    harness: DeskHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_reading, go_on, headroom = threading.Event(), threading.Event(), harness.probe.read()

    def read() -> Headroom:
        is_reading.set()
        go_on.wait(5)
        return headroom

    monkeypatch.setattr(harness.probe, "read", read)
    async with harness.running():
        job_id = await accept(harness)
        await until(is_reading.is_set)
        asyncio.get_running_loop().call_soon(go_on.set)  # once the drain has begun
    assert harness.renderer.requests == []
    job = await harness.store.jobs.find(job_id)
    assert job is not None
    assert (job.state, job.attempt) == (JobState.QUEUED, 0)


async def test_a_drain_that_the_worker_ignores_still_puts_the_job_back(tmp_path: Path) -> None:
    async with open_harness(tmp_path, renderer=FakeRenderer([Act.HANG], step_s=60)) as harness:
        job_id = await accept(harness)
        async with harness.running(drain_s=0.05):
            await until(lambda: bool(harness.renderer.running))
        job = await harness.store.jobs.find(job_id)
        assert job is not None
        assert (job.state, job.attempt) == (JobState.QUEUED, 0)


async def test_a_cancelled_run_puts_the_job_back(tmp_path: Path) -> None:
    async with open_harness(tmp_path, renderer=FakeRenderer([Act.HANG], step_s=0.001)) as harness:
        job_id = await accept(harness)
        run = asyncio.create_task(harness.desk.run({harness.chat.platform: harness.chat}))
        await until(lambda: bool(harness.renderer.running))
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        job = await harness.store.jobs.find(job_id)
        assert job is not None
        assert (job.state, job.attempt) == (JobState.QUEUED, 0)


async def crash_while_running(folder: Path, job_ids: list[str]) -> None:
    """Leave the database as a killed process does: the job running under a lease nobody holds."""
    async with open_harness(folder) as harness:
        if not job_ids:
            job_ids.append(await accept(harness))
        job = await harness.store.jobs.take(job_ids[0], "a dead run", 1)
        assert job is not None


async def test_a_crash_costs_a_try_and_the_third_ends_the_job(tmp_path: Path) -> None:
    job_ids: list[str] = []
    for attempt in (1, 2, 3):
        await crash_while_running(tmp_path, job_ids)
        async with open_harness(tmp_path) as harness:
            await harness.desk.parts.drawing.recover()
            job = await harness.store.jobs.find(job_ids[0])
            assert job is not None
            assert job.attempt == attempt
            assert job.state == (JobState.FAILED if attempt == 3 else JobState.QUEUED)
    async with open_harness(tmp_path) as harness:
        result = await only_result(harness)
        assert (result.state, result.refund, result.credits_left) == (JobState.FAILED, 1, 40)


async def test_a_cancel_that_a_crash_interrupted_is_kept(tmp_path: Path) -> None:
    job_ids: list[str] = []
    await crash_while_running(tmp_path, job_ids)
    async with open_harness(tmp_path) as harness:
        await harness.desk.handle(Cancel(), a_context("2"))
    async with open_harness(tmp_path) as harness:
        result = await only_result(harness)
        assert (result.state, result.refund) == (JobState.CANCELLED, 1)
        assert harness.renderer.requests == []


async def test_a_cancel_while_no_worker_starts_ends_the_job(
    harness: DeskHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "NOT_READY_WAIT_S", 0.01)
    render = harness.renderer.render

    async def unready(request: RenderRequest, listen: Callable[[Event], None]) -> object:
        await harness.desk.handle(Cancel(), a_context("2"))
        return await render(request, listen)

    harness.renderer.render = unready  # type: ignore[method-assign, assignment]
    harness.renderer.acts.append(Act.UNREADY)
    await accept(harness)
    result = await only_result(harness)
    assert (result.state, result.refund) == (JobState.CANCELLED, 1)
    assert len(harness.renderer.requests) == 1


async def test_a_cancel_that_a_cut_off_drain_left_open_is_kept(tmp_path: Path) -> None:
    async with open_harness(tmp_path, renderer=FakeRenderer([Act.HANG], step_s=60)) as harness:
        await accept(harness)
        async with harness.running(drain_s=0.05):
            await until(lambda: bool(harness.renderer.running))
            await harness.desk.handle(Cancel(), a_context("2"))
    async with open_harness(tmp_path) as harness:
        result = await only_result(harness)
        assert (result.state, result.refund) == (JobState.CANCELLED, 1)
        assert harness.renderer.requests == []


async def test_waiting_jobs_are_drawn_after_a_restart_in_their_order(tmp_path: Path) -> None:
    async with open_harness(tmp_path) as harness:
        accepted = [await accept(harness, str(n), f"person {n}") for n in range(5)]
    chat = FakeChat()
    async with open_harness(tmp_path, chat=chat) as harness, harness.running():
        await chat.wait_for_results(5)
    assert [request.job_id for request in harness.renderer.requests] == accepted


async def test_a_newcomer_does_not_wait_behind_all_jobs_of_another_person(tmp_path: Path) -> None:
    async with open_harness(tmp_path) as harness:
        for n in range(4):
            await accept(harness, f"many {n}", "many")
        few = [await accept(harness, f"few {n}", f"few {n}") for n in range(3)]
        async with harness.running():
            await harness.chat.wait_for_results(7)
    order = [request.job_id for request in harness.renderer.requests]
    assert {order.index(job_id) for job_id in few} == {1, 2, 3}


async def test_pictures_are_remembered(harness: DeskHarness) -> None:
    job_id = await accept(harness, count=2)
    await only_result(harness)
    history = await harness.desk.handle(Mine(), a_context("2"))
    assert isinstance(history, History)
    assert [(entry.job_id, len(entry.pictures)) for entry in history.entries] == [(job_id, 2)]


async def test_a_disk_that_refuses_writes_for_a_while_costs_no_picture(
    harness: DeskHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "SAVE_AGAIN_S", 0.01)
    harness.renderer.step_s = 0.001
    await accept(harness, count=2)
    async with harness.running():
        await until(lambda: harness.renderer.drawn >= 1)
        await harness.store._run("PRAGMA query_only = 1")
        await until(lambda: harness.renderer.drawn == 2 and not harness.renderer.running)
        with pytest.raises(CannotSave):
            await accept(harness, "2", "ben")
        waiting = asyncio.create_task(harness.desk.store_events(Platform.CONSOLE, [("3", "{}")]))
        await asyncio.sleep(0.05)
        assert not waiting.done(), "confirmed to the platform, and stored nowhere"
        await harness.store._run("PRAGMA query_only = 0")
        [result] = await harness.chat.wait_for_results(1)
        await waiting
    assert (result.state, result.refund, len(result.pictures)) == (JobState.DONE, 0, 2)
    assert len(harness.renderer.requests) == 1
    assert await harness.desk.pending_events(Platform.CONSOLE) == (("3", "{}"),)


async def test_a_stop_works_on_a_disk_that_refuses_writes(tmp_path: Path) -> None:
    async with open_harness(tmp_path, renderer=FakeRenderer([Act.HANG], step_s=0.001)) as harness:
        job_id = await accept(harness)
        async with harness.running():
            await until(lambda: bool(harness.renderer.running))
            await harness.store._run("PRAGMA query_only = 1")
    async with open_harness(tmp_path) as harness:
        result = await only_result(harness)
    assert (result.job_id, result.state) == (job_id, JobState.DONE)


async def test_a_worker_that_is_not_ready_is_not_asked_again_at_once(tmp_path: Path) -> None:
    renderer = FakeRenderer([Act.UNREADY] * 50)
    async with open_harness(tmp_path, renderer=renderer) as harness:
        await accept(harness)
        async with harness.running():
            await until(lambda: len(renderer.received) == 1)
            await asyncio.sleep(0.2)
            assert len(renderer.received) <= 2  # two may be in hand
