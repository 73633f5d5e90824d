"""What a worker holds follows its reports, and is unknown while none is of now."""

import asyncio
from dataclasses import replace

import pytest

from engine.host.worker_process import HeldMemory
from engine.planner.monitor import WorkerShare
from engine.request import Event, Failed, FailReason, Finished, Progress, Stopped, Timings
from tests.unit.engine.host.child import INFO, A, ignore, ready, turns

DONE = Finished("a", 1, Timings(), peak_bytes=900, held_bytes=700, kept_bytes=500, lora_bytes=100)


STEP = Progress("a", 1, 0, 1, 8)


def after(*events: Event) -> HeldMemory:
    held = HeldMemory(400)
    for event in events:
        held.note(event)
    return held


def test_a_new_worker_holds_its_weights_at_least() -> None:
    held = after()
    assert (held.bytes, held.share, held.is_measured) == (400, WorkerShare(400, 400), False)


def test_a_finished_job_tells_all() -> None:
    held = after(STEP, DONE)
    assert (held.bytes, held.share, held.is_measured) == (700, WorkerShare(700, 400, 100), True)
    held.note(STEP)
    assert (held.bytes, held.is_measured) == (700, False)


def test_a_step_tells_what_is_held_now_and_more_may_follow() -> None:
    held = after(replace(STEP, held_bytes=600), replace(STEP, step=2))  # the second does not tell
    assert (held.bytes, held.is_measured) == (600, False)


def test_a_job_that_was_stopped_or_failed_tells_nothing() -> None:
    for outcome in (Stopped("a", 1), Failed("a", 1, FailReason.WORKER_ERROR)):
        held = after(DONE, outcome)
        assert (held.bytes, held.is_measured) == (700, False)


def test_after_a_lack_of_memory_the_weights_and_loras_are_left_and_perhaps_more() -> None:
    held = after(DONE, Failed("a", 1, FailReason.OUT_OF_MEMORY))
    assert (held.bytes, held.is_measured) == (400 + DONE.lora_bytes, False)


async def test_held_memory_is_known_during_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    async with ready(monkeypatch) as (worker, child, _):
        assert (worker.held.bytes, worker.held.is_measured) == (INFO.weights_bytes, False)
        seen = []
        drawing = asyncio.create_task(worker.draw(A, ignore))
        await turns()
        steps = replace(STEP, held_bytes=8000), replace(STEP, step=2)  # the second does not tell
        for event in (*steps, Finished("a", 1, Timings(), 5000, 9000)):
            child.send(event)
            await turns()
            seen.append(worker.held.bytes)
        await drawing
        assert seen == [8000, 8000, 9000]
        assert worker.held.is_measured


async def test_memory_is_unknown_as_soon_as_a_job_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    async with ready(monkeypatch) as (worker, child, _):
        for _ in range(2):
            drawing = asyncio.create_task(worker.draw(A, ignore))
            await turns()
            assert not worker.held.is_measured
            child.send(DONE)
            await drawing
            assert worker.held.is_measured


async def test_a_job_whose_caller_has_left_tells_what_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    async with ready(monkeypatch) as (worker, child, _):
        drawing = asyncio.create_task(worker.draw(A, ignore))
        await turns()
        drawing.cancel()
        await turns()
        child.send(DONE)
        await turns()
        assert (worker.held.bytes, worker.held.is_measured) == (700, True)
