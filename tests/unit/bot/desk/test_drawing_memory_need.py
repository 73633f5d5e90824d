"""What a job needs of the card is predicted when it is chosen, by all that is known then."""

from pathlib import Path

import pytest

from bot.outcomes import JobState
from engine.planner.costs.book import CostBook
from engine.planner.headroom import Headroom
from engine.request import Failed, FailReason, Finished, RenderRequest, Timings, WorkerInfo
from engine.scheduler import Decision
from tests.fakes.desk_harness import DeskHarness, open_harness, until
from tests.fakes.frozen import FrozenLoop
from tests.fakes.renderer import Act, FakeRenderer

GIB = 2**30
A_WORKER = WorkerInfo(1, "cuda:0", "a card", "bfloat16", "", "tiny", 1.0, 19 * GIB)
A_REQUEST = RenderRequest("before", 1, "a", 128, 128, 7)
NO_ROOM = Headroom(0, 24 * GIB, 0, "a card", "others use it")


async def accept(harness: DeskHarness, event: str) -> str:
    return (await harness.accept(event, f"person {event}", seed=7)).job_id


def costs_of(harness: DeskHarness) -> CostBook:
    return harness.desk.parts.queue._costs


def need(harness: DeskHarness) -> str:
    """What the first in line needs, as the log says it."""
    turn: Decision = harness.desk.parts.queue.next(NO_ROOM)
    assert turn.job_id is None
    return turn.reason.partition(" needs ")[2].partition(" and ")[0]


async def test_a_job_that_joined_before_the_worker_was_ready_needs_as_much_as_one_that_joined_after(
    harness: DeskHarness, tmp_path: Path
) -> None:
    await accept(harness, "1")
    costs_of(harness).started(A_WORKER)
    before = need(harness)
    async with open_harness(tmp_path / "another") as another:
        costs_of(another).started(A_WORKER)
        await accept(another, "1")
        assert need(another) == before
    assert before == "19.2 GiB"


@pytest.mark.parametrize(
    ("outcome", "learned"),
    [
        (Finished("before", 1, Timings(denoise_s=1.0), peak_bytes=22 * GIB), "22.2 GiB"),
        (Failed("before", 1, FailReason.OUT_OF_MEMORY), "19.3 GiB"),
    ],
)
async def test_new_measurements_apply_to_jobs_that_already_wait(
    harness: DeskHarness, outcome: Finished | Failed, learned: str
) -> None:
    costs_of(harness).started(A_WORKER)
    await accept(harness, "1")
    costs_of(harness).learn(A_REQUEST, outcome)
    assert need(harness) == learned


async def test_no_job_is_taken_while_its_need_cannot_be_predicted(tmp_path: Path, frozen: FrozenLoop) -> None:
    is_loading = True
    async with open_harness(tmp_path, is_loading=lambda: is_loading) as harness:
        harness.probe.free_bytes, harness.probe.total_bytes = 10 * GIB, 24 * GIB
        job_id = await accept(harness, "1")
        assert not costs_of(harness).knows_weights
        async with harness.running():
            looked: list[int] = []
            real = harness.probe.read
            harness.probe.read = lambda: (looked.append(1), real())[1]  # type: ignore[method-assign]
            costs_of(harness).started(A_WORKER)
            is_loading = False
            frozen.leap(1)  # until the loaded model is noticed
            await frozen.until(lambda: looked and frozen.waits(1) == 2)  # of the news, and of the card
            assert harness.renderer.received == []  # needs 19.2 GiB of the 10 that are free
            harness.probe.free_bytes = 20 * GIB
            frozen.leap(1)  # until the card is looked at again
            await frozen.until(lambda: harness.chat.results)
        job = await harness.store.jobs.find(job_id)
    assert job is not None
    assert job.state == JobState.DONE


async def test_a_worker_that_is_replaced_leaves_the_weights_known(tmp_path: Path) -> None:
    async with open_harness(tmp_path, is_loading=lambda: True) as harness:
        costs_of(harness).started(A_WORKER)
        await accept(harness, "1")
        async with harness.running():
            await harness.chat.wait_for_results(1)  # its need is predicted, although the model loads again


async def test_the_book_learns_from_every_job_that_was_drawn(tmp_path: Path) -> None:
    async with open_harness(tmp_path) as harness:
        costs = costs_of(harness)
        before = costs.predict(128, 128, 1, 0)
        assert costs.estimate_of(1.0) is None
        await accept(harness, "1")
        async with harness.running():
            await harness.chat.wait_for_results(1)
        assert costs.estimate_of(1.0) is not None
        assert costs.predict(128, 128, 1, 0).seconds == pytest.approx(0.1)  # as the renderer says
        assert before.seconds > 0.5


async def test_a_job_that_ran_out_of_memory_makes_the_book_doubt(tmp_path: Path) -> None:
    renderer = FakeRenderer([Act.FAIL], fail_reason=FailReason.OUT_OF_MEMORY)
    async with open_harness(tmp_path, renderer=renderer) as harness:
        before = costs_of(harness).predict(128, 128, 1, 0).bytes
        await accept(harness, "1")
        async with harness.running():
            await harness.chat.wait_for_results(1)
        assert costs_of(harness).predict(128, 128, 1, 0).bytes == pytest.approx(1.1 * before, rel=0.01)


async def test_a_clock_that_is_set_back_does_not_change_what_a_person_pays(tmp_path: Path) -> None:
    charged: list[float] = []
    async with open_harness(tmp_path, renderer=FakeRenderer([Act.HANG], step_s=0.001)) as harness:
        harness.desk.parts.queue.charge_time = lambda job_id, seconds: charged.append(seconds)  # type: ignore[method-assign]
        await accept(harness, "1")
        async with harness.running():
            await until(lambda: harness.desk.queue_status().step > 0)
            harness.clock.advance(seconds=-3600)
    assert 0 <= min(charged) <= max(charged) < 60


async def test_a_program_that_fills_the_card_is_noticed_when_the_next_job_is_taken(tmp_path: Path) -> None:
    """Scripted readings: room for the first job, then a game. No job is taken by an older reading."""
    free = [10 * GIB]
    read: list[int] = []
    async with open_harness(tmp_path) as harness:

        def read_now() -> Headroom:
            read.append(free[0])
            return Headroom(free[0], 24 * GIB, 24 * GIB - free[0], "a card", "scripted")

        harness.probe.read = read_now  # type: ignore[method-assign]
        async with harness.running():
            await accept(harness, "1")
            await harness.chat.wait_for_results(1)
            free[0] = GIB // 8
            read.clear()
            await accept(harness, "2")
            await until(lambda: bool(read))
            assert read[0] == GIB // 8
            assert len(harness.renderer.received) == 1
            free[0] = 10 * GIB
            await harness.chat.wait_for_results(2)
        assert len(harness.renderer.received) == 2


async def test_jobs_that_wait_get_new_costs_when_the_first_was_faster_than_predicted(tmp_path: Path) -> None:
    async with open_harness(tmp_path) as harness:
        first, second, third = [await accept(harness, event) for event in "123"]
        queue, costs = harness.desk.parts.queue, costs_of(harness)
        before_s = queue.scheduler.ahead_of(third).seconds
        costs.learn(A_REQUEST, Finished("before", 1, Timings(denoise_s=0.05)))
        wait = queue.estimate_wait(third)
        assert before_s is not None
        assert before_s > 1
        assert wait is not None
        assert wait.most_s < 0.5
        assert queue.scheduler.queue() == (first, second, third)


async def test_a_released_model_is_loaded_again_although_another_program_has_taken_the_memory(
    tmp_path: Path,
) -> None:
    """Its next plan will need less than the last one did."""
    async with open_harness(tmp_path, is_loading=lambda: True) as harness:
        costs_of(harness).started(A_WORKER)
        harness.probe.free_bytes, harness.probe.total_bytes = 8 * GIB, 24 * GIB
        await accept(harness, "1")
        async with harness.running():
            await harness.chat.wait_for_results(1)
