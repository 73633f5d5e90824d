"""Two jobs taken at once: the second is ready, is shown as waiting, and does not pay for the first."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from bot.commands.values import Cancel, Draw, LoraWish, Mine, Vary
from bot.desk.files import save_pictures
from bot.outcomes import History, JobState, Receipt, Recipe
from bot.store.rows import PictureRow
from engine.request import Event, Failed, Finished, RenderRequest, StartPicture, Stopped
from tests.fakes.desk_harness import DeskHarness, a_context, open_harness, until
from tests.fakes.renderer import Act, FakeRenderer


async def accept(harness: DeskHarness, event: str, user: str = "", count: int = 1, lora: str = "") -> str:
    loras = (LoraWish(lora),) if lora else ()
    receipt = await harness.accept(event, user or f"person {event}", count=count, seed=7, loras=loras)
    return receipt.job_id


def handed(harness: DeskHarness) -> list[str]:
    return [request.job_id for request in harness.renderer.received]


async def test_one_job_is_sent_ahead_while_another_is_drawn_and_no_third(tmp_path: Path) -> None:
    async with open_harness(tmp_path, renderer=FakeRenderer([Act.HANG], step_s=0.001)) as harness:
        jobs = [await accept(harness, str(n)) for n in range(4)]
        async with harness.running():
            await until(lambda: len(harness.renderer.received) == 2)
            await asyncio.sleep(0.05)
            assert handed(harness) == jobs[:2]
            assert [request.job_id for request in harness.renderer.requests] == jobs[:1]
            states = [(await harness.job(job_id)).state for job_id in jobs]
        assert states == [JobState.RUNNING, JobState.RUNNING, JobState.QUEUED, JobState.QUEUED]
        for job_id in jobs:  # a stop of ours gives both their tries back
            job = await harness.job(job_id)
            assert (job.state, job.attempt, job.lease) == (JobState.QUEUED, 0, None)


async def test_a_job_whose_picture_takes_long_to_read_is_not_passed_by_the_next(tmp_path: Path) -> None:
    async with open_harness(tmp_path) as harness:
        drawn = await accept(harness, "drawn", "a member")
        async with harness.running():
            await harness.chat.wait_for_results(1)
    async with open_harness(tmp_path) as harness:
        varied = await harness.desk.handle(Vary(drawn, 0), a_context("varied", "a member"))
        assert isinstance(varied, Receipt)
        plain = await accept(harness, "plain")
        drawing = harness.desk.parts.drawing
        read = drawing._read_start

        async def read_late(recipe: Recipe) -> StartPicture | None:
            await until(lambda: len(drawing.taken) == 2)
            await asyncio.sleep(0.05)
            return await read(recipe)

        drawing._read_start = read_late
        async with harness.running():
            await harness.chat.wait_for_results(2)
        assert handed(harness) == [varied.job_id, plain]


async def test_a_ready_job_counts_as_waiting_until_it_is_drawn(tmp_path: Path) -> None:
    async with open_harness(tmp_path, renderer=FakeRenderer([Act.HANG], step_s=0.001)) as harness:
        harness.desk.parts.progress._every_s = 0.0
        first, second, third = [await accept(harness, str(n)) for n in range(3)]
        async with harness.running():
            await until(lambda: len(harness.renderer.received) == 2 and harness.desk.queue_status().step > 0)
            queue_status, queue = harness.desk.queue_status(), harness.desk.parts.queue
            assert (queue_status.drawing, queue_status.waiting) == (first, 2)
            assert [queue.scheduler.ahead_of(job_id).jobs for job_id in (first, second, third)] == [0, 1, 2]
            for person, state in enumerate((JobState.RUNNING, JobState.QUEUED)):
                mine = await harness.desk.handle(Mine(), a_context("m", f"person {person}"))
                assert isinstance(mine, History)
                assert [entry.state for entry in mine.entries] == [state]
            await asyncio.sleep(0.02)
            assert second not in {status.job_id for status in harness.chat.shown if status.position is None}
            await harness.desk.handle(Cancel(first), a_context("c", "person 0"))
            await until(lambda: second in {s.job_id for s in harness.chat.shown if s.position is None})


async def test_a_ready_job_is_cancelled_at_once_with_the_whole_refund(tmp_path: Path) -> None:
    async with open_harness(tmp_path, renderer=FakeRenderer([Act.HANG], step_s=0.001)) as harness:
        await accept(harness, "1")
        ready = await accept(harness, "2", count=3)
        async with harness.running():
            await until(lambda: len(harness.renderer.received) == 2)
            await harness.desk.handle(Cancel(ready), a_context("c", "person 2"))
            [result] = await harness.chat.wait_for_results(1)
    assert (result.job_id, result.state, result.refund) == (ready, JobState.CANCELLED, 3)
    assert len(harness.renderer.requests) == 1


class Patient(FakeRenderer):
    """Draws nothing before a second job was handed over."""

    async def _render(
        self, request: RenderRequest, listen: Callable[[Event], None], act: Act
    ) -> Finished | Stopped | Failed:
        await until(lambda: len(self.received) > 1)
        return await super()._render(request, listen, act)


async def test_a_job_that_loses_the_worker_takes_no_try_of_the_one_behind_it(tmp_path: Path) -> None:
    async with open_harness(tmp_path, renderer=Patient([Act.LOSE])) as harness:
        poison, neighbour = await accept(harness, "1"), await accept(harness, "2")
        async with harness.running():
            await harness.chat.wait_for_results(2)
        tries = [(request.job_id, request.attempt) for request in harness.renderer.received]
        assert tries == [(poison, 1), (neighbour, 1), (neighbour, 1), (poison, 2)]
        assert (await harness.job(neighbour)).attempt == 1


class Poisoned(FakeRenderer):
    """Loses its worker to every poisonous job; notes who was in hand when a job began."""

    def __init__(self) -> None:
        super().__init__(step_s=0.001)
        self.beside: list[tuple[RenderRequest, int]] = []

    async def _render(
        self, request: RenderRequest, listen: Callable[[Event], None], act: Act
    ) -> Finished | Stopped | Failed:
        self.beside.append((request, len(self._turns)))
        end = await super()._render(request, listen, Act.LOSE if request.prompt == "poison" else act)
        self.beside.append((request, len(self._turns)))
        return end


async def test_a_job_that_has_lost_a_try_is_drawn_alone(tmp_path: Path) -> None:
    """Nobody knows what ended the worker, so from then on it ends nobody else's."""
    renderer = Poisoned()
    async with open_harness(tmp_path, renderer=renderer) as harness:
        for n in range(4):
            prompt = "poison" if n == 1 else "a"
            await harness.desk.handle(Draw(prompt=prompt), a_context(str(n), f"person {n}"))
        async with harness.running():
            await harness.chat.wait_for_results(4)
    suspects = [(request, count) for request, count in renderer.beside if request.attempt > 1]
    assert {(request.prompt, request.attempt, count) for request, count in suspects} == {
        ("poison", 2, 1),
        ("poison", 3, 1),
    }
    assert max(count for _, count in renderer.beside) == 2
    assert [result.recipe.prompt for result in harness.chat.results if result.state is JobState.FAILED] == [
        "poison"
    ]


async def test_saving_an_end_holds_up_neither_the_next_job_nor_the_one_after(
    harness: DeskHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, real = threading.Event(), save_pictures

    def slow(rows: Sequence[PictureRow], contents: Sequence[bytes], folder: Path) -> None:
        if rows[0].job == jobs[0]:
            go_on.wait(60)
        real(rows, contents, folder)

    monkeypatch.setattr("bot.desk.results.save_pictures", slow)
    harness.renderer.step_s = 0.02  # each has long been saved when the one behind it is drawn
    jobs = [await accept(harness, str(n)) for n in range(4)]
    async with harness.running():
        results = await harness.chat.wait_for_results(3)
        assert {result.job_id for result in results} == set(jobs[1:])
        ended = await harness.store._run("SELECT job FROM outbox ORDER BY id")
        assert [result.job_id for result in results] == [row[0] for row in ended]
        go_on.set()
        await harness.chat.wait_for_results(4)


async def test_a_disk_slower_than_the_card_makes_the_card_wait(
    harness: DeskHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, real = threading.Event(), save_pictures

    def slow(rows: Sequence[PictureRow], contents: Sequence[bytes], folder: Path) -> None:
        go_on.wait(60)
        real(rows, contents, folder)

    monkeypatch.setattr("bot.desk.results.save_pictures", slow)
    for n in range(9):
        await accept(harness, str(n))
    async with harness.running():
        await until(lambda: len(harness.renderer.received) == 4)  # all of them being saved
        await asyncio.sleep(0.05)
        assert len(harness.renderer.received) == 4
        go_on.set()
        await harness.chat.wait_for_results(9)


async def test_a_person_is_charged_the_time_drawn_and_not_the_time_ready(tmp_path: Path) -> None:
    charged: dict[str, float] = {}
    renderer = FakeRenderer([Act.HANG], step_s=0.001)
    async with open_harness(tmp_path, renderer=renderer) as harness:
        queue = harness.desk.parts.queue
        real = queue.charge_time

        def note(job_id: str, seconds: float) -> None:
            charged.setdefault(job_id, seconds)
            real(job_id, seconds)

        queue.charge_time = note  # type: ignore[method-assign]
        harness.desk.parts.drawing._seconds = lambda: harness.clock.now_ms / 1_000
        first, second, third = [await accept(harness, str(n)) for n in range(3)]
        async with harness.running():
            await until(lambda: len(renderer.received) == 2 and bool(renderer.running))
            harness.clock.advance(seconds=600)
            await harness.desk.handle(Cancel(first), a_context("c", "person 0"))
            results = await harness.chat.wait_for_results(3)
    assert charged == {first: 600.0, second: 0.0, third: 0.0}
    assert {result.job_id: result.seconds for result in results} == {first: 600.0, second: 0.0, third: 0.0}


async def test_the_loras_of_the_next_jobs_are_prefetched_four_at_most_and_soonest_first(
    tmp_path: Path,
) -> None:
    async with open_harness(tmp_path, renderer=FakeRenderer([Act.HANG], step_s=0.001)) as harness:
        for n, lora in enumerate(["anime", "sugar", "anime", "none"]):
            await accept(harness, str(n), lora=lora)
        assert [choice.name for choice in harness.renderer.prefetched] == ["anime", "sugar"]
    again = FakeRenderer([Act.HANG], step_s=0.001)
    async with open_harness(tmp_path, renderer=again) as harness, harness.running():
        await until(lambda: len(again.received) == 2)
        assert [choice.name for choice in again.prefetched] == ["anime", "sugar"]  # at the start, too
