"""Two jobs claimed at once: the second lies ready, is shown so, and pays for nothing that the first does."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from bot.commands.values import Cancel, Draw, LoraWish, Mine
from bot.desk import completion
from bot.outcomes import History, JobState, Receipt
from bot.store.rows import JobRow, PictureRow
from engine.request import Event, Failed, Finished, Picture, RenderRequest, Stopped
from tests.fakes.renderer import Act, FakeRenderer
from tests.fakes.room import Room, a_context, open_room, until


async def accept(room: Room, event: str, user: str = "", count: int = 1, lora: str = "") -> str:
    loras = (LoraWish(lora),) if lora else ()
    draw = Draw(prompt="a", count=count, seed=7, loras=loras)
    receipt = await room.desk.handle(draw, a_context(event, user or f"person {event}"))
    assert isinstance(receipt, Receipt)
    return receipt.job_id


async def row_of(room: Room, job_id: str) -> JobRow:
    job = await room.store.jobs.find(job_id)
    assert job is not None
    return job


def handed(room: Room) -> list[str]:
    return [request.job_id for request in room.renderer.received]


async def test_the_next_job_is_handed_over_while_one_is_drawn_and_no_third(tmp_path: Path) -> None:
    async with open_room(tmp_path, renderer=FakeRenderer([Act.HANG], step_s=0.001)) as room:
        jobs = [await accept(room, str(n)) for n in range(4)]
        async with room.running():
            await until(lambda: len(room.renderer.received) == 2)
            await asyncio.sleep(0.05)
            assert handed(room) == jobs[:2]
            assert [request.job_id for request in room.renderer.requests] == jobs[:1]
            states = [(await row_of(room, job_id)).state for job_id in jobs]
        assert states == [JobState.RUNNING, JobState.RUNNING, JobState.QUEUED, JobState.QUEUED]
        for job_id in jobs:  # a stop of ours gives both their tries back
            job = await row_of(room, job_id)
            assert (job.state, job.attempt, job.lease) == (JobState.QUEUED, 0, None)


async def test_a_ready_job_counts_as_waiting_until_it_is_drawn(tmp_path: Path) -> None:
    async with open_room(tmp_path, renderer=FakeRenderer([Act.HANG], step_s=0.001)) as room:
        room.desk.parts.progress._every_s = 0.0
        first, second, third = [await accept(room, str(n)) for n in range(3)]
        async with room.running():
            await until(lambda: len(room.renderer.received) == 2 and room.desk.queue_status().step > 0)
            queue_status, queue = room.desk.queue_status(), room.desk.parts.queue
            assert (queue_status.drawing, queue_status.waiting) == (first, 2)
            assert [queue.scheduler.position(job_id) for job_id in (first, second, third)] == [0, 1, 2]
            for person, state in enumerate((JobState.RUNNING, JobState.QUEUED)):
                mine = await room.desk.handle(Mine(), a_context("m", f"person {person}"))
                assert isinstance(mine, History)
                assert [entry.state for entry in mine.entries] == [state]
            await asyncio.sleep(0.02)
            assert second not in {status.job_id for status in room.chat.shown if status.position is None}
            await room.desk.handle(Cancel(first), a_context("c", "person 0"))
            await until(lambda: second in {s.job_id for s in room.chat.shown if s.position is None})


async def test_a_ready_job_is_cancelled_at_once_with_the_whole_refund(tmp_path: Path) -> None:
    async with open_room(tmp_path, renderer=FakeRenderer([Act.HANG], step_s=0.001)) as room:
        await accept(room, "1")
        ready = await accept(room, "2", count=3)
        async with room.running():
            await until(lambda: len(room.renderer.received) == 2)
            await room.desk.handle(Cancel(ready), a_context("c", "person 2"))
            [result] = await room.chat.wait_for_results(1)
    assert (result.job_id, result.state, result.refund) == (ready, JobState.CANCELLED, 3)
    assert len(room.renderer.requests) == 1


class Patient(FakeRenderer):
    """Draws nothing before a second job was handed over."""

    async def _render(
        self, request: RenderRequest, listen: Callable[[Event], None], act: Act
    ) -> Finished | Stopped | Failed:
        await until(lambda: len(self.received) > 1)
        return await super()._render(request, listen, act)


async def test_a_job_that_loses_the_worker_takes_no_try_of_the_one_behind_it(tmp_path: Path) -> None:
    async with open_room(tmp_path, renderer=Patient([Act.LOSE])) as room:
        poison, neighbour = await accept(room, "1"), await accept(room, "2")
        async with room.running():
            await room.chat.wait_for_results(2)
        tries = [(request.job_id, request.attempt) for request in room.renderer.received]
        assert tries == [(poison, 1), (neighbour, 1), (neighbour, 1), (poison, 2)]
        assert (await row_of(room, neighbour)).attempt == 1


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
    async with open_room(tmp_path, renderer=renderer) as room:
        for n in range(4):
            prompt = "poison" if n == 1 else "a"
            await room.desk.handle(Draw(prompt=prompt), a_context(str(n), f"person {n}"))
        async with room.running():
            await room.chat.wait_for_results(4)
    suspects = [(request, count) for request, count in renderer.beside if request.attempt > 1]
    assert {(request.prompt, request.attempt, count) for request, count in suspects} == {
        ("poison", 2, 1),
        ("poison", 3, 1),
    }
    assert max(count for _, count in renderer.beside) == 2
    assert [result.recipe.prompt for result in room.chat.results if result.state is JobState.FAILED] == [
        "poison"
    ]


async def test_saving_an_end_holds_up_neither_the_next_job_nor_the_one_after(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, real = threading.Event(), completion.save_pictures

    def slow(job_id: str, pictures: Sequence[Picture], folder: Path) -> tuple[PictureRow, ...]:
        if job_id == jobs[0]:
            go_on.wait(10)
        return real(job_id, pictures, folder)

    monkeypatch.setattr(completion, "save_pictures", slow)
    room.renderer.step_s = 0.02  # each has long been saved when the one behind it is drawn
    jobs = [await accept(room, str(n)) for n in range(4)]
    async with room.running():
        results = await room.chat.wait_for_results(3)
        assert {result.job_id for result in results} == set(jobs[1:])
        ended = await room.store._run("SELECT job FROM outbox ORDER BY id")
        assert [result.job_id for result in results] == [row[0] for row in ended]
        go_on.set()
        await room.chat.wait_for_results(4)


async def test_a_disk_slower_than_the_card_makes_the_card_wait(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, real = threading.Event(), completion.save_pictures

    def slow(job_id: str, pictures: Sequence[Picture], folder: Path) -> tuple[PictureRow, ...]:
        go_on.wait(10)
        return real(job_id, pictures, folder)

    monkeypatch.setattr(completion, "save_pictures", slow)
    for n in range(9):
        await accept(room, str(n))
    async with room.running():
        await until(lambda: len(room.renderer.received) == 4)  # all of them being saved
        await asyncio.sleep(0.05)
        assert len(room.renderer.received) == 4
        go_on.set()
        await room.chat.wait_for_results(9)


async def test_a_person_is_charged_the_time_drawn_and_not_the_time_ready(tmp_path: Path) -> None:
    charged: dict[str, float] = {}
    renderer = FakeRenderer([Act.HANG], step_s=0.001)
    async with open_room(tmp_path, renderer=renderer) as room:
        queue = room.desk.parts.queue
        real = queue.charge_time

        def note(job_id: str, seconds: float) -> None:
            charged.setdefault(job_id, seconds)
            real(job_id, seconds)

        queue.charge_time = note  # type: ignore[method-assign]
        room.desk.parts.drawing._seconds = lambda: room.clock.now_ms / 1_000
        first, second, third = [await accept(room, str(n)) for n in range(3)]
        async with room.running():
            await until(lambda: len(renderer.received) == 2 and bool(renderer.running))
            room.clock.advance(seconds=600)
            await room.desk.handle(Cancel(first), a_context("c", "person 0"))
            results = await room.chat.wait_for_results(3)
    assert charged == {first: 600.0, second: 0.0, third: 0.0}
    assert {result.job_id: result.seconds for result in results} == {first: 600.0, second: 0.0, third: 0.0}


async def test_the_loras_of_the_next_jobs_are_prefetched_four_at_most_and_soonest_first(
    tmp_path: Path,
) -> None:
    async with open_room(tmp_path, renderer=FakeRenderer([Act.HANG], step_s=0.001)) as room:
        for n, lora in enumerate(["anime", "sugar", "anime", "none"]):
            await accept(room, str(n), lora=lora)
        assert [choice.name for choice in room.renderer.prefetched] == ["anime", "sugar"]
    again = FakeRenderer([Act.HANG], step_s=0.001)
    async with open_room(tmp_path, renderer=again) as room, room.running():
        await until(lambda: len(again.received) == 2)
        assert [choice.name for choice in again.prefetched] == ["anime", "sugar"]  # at the start, too
