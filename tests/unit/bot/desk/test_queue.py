"""The line in memory, the bell, and the clock that never goes back."""

import asyncio
from types import SimpleNamespace
from typing import cast

import pytest

from bot.commands.values import Cancel, Draw, LoraWish
from bot.desk.queue import ChangeSignal, JobQueue, LoraPrefetch, MonotonicClock, wait_for_change
from bot.outcomes import Receipt
from engine.request import LoraChoice
from tests.fakes.clock import FakeClock
from tests.fakes.desk_harness import DeskHarness, a_context


async def accept(harness: DeskHarness, event: str, lora: str = "none") -> str:
    draw = Draw(prompt="a", loras=(LoraWish(lora),))
    receipt = await harness.desk.handle(draw, a_context(event, f"person {event}"))
    assert isinstance(receipt, Receipt)
    return receipt.job_id


def test_a_clock_that_is_still_stays_still() -> None:
    clock = FakeClock(5_000)
    forward = MonotonicClock(clock)
    assert [forward() for _ in range(3)] == [5_000] * 3


def test_a_clock_that_is_set_back_goes_on_from_where_it_was() -> None:
    clock = FakeClock(5_000)
    forward, read = MonotonicClock(clock), []
    for step_ms in (10, -3_000, 7, 1, -1, 2):
        clock.advance(ms=step_ms)
        read.append(forward())
    assert read == [5_010, 5_010, 5_017, 5_018, 5_018, 5_020]


async def test_a_change_sets_the_earlier_event_and_not_the_next() -> None:
    changed = ChangeSignal()
    before = changed.next_change
    changed.notify()
    after = changed.next_change
    assert (before.is_set(), after.is_set()) == (True, False)


async def test_a_waiter_wakes_at_the_change_or_after_its_timeout() -> None:
    changed = ChangeSignal()
    forever = asyncio.create_task(wait_for_change(changed.next_change, None))
    await wait_for_change(changed.next_change, 0.01)
    assert not forever.done()
    changed.notify()
    async with asyncio.timeout(5):
        await forever


async def test_a_job_that_left_the_queue_needs_no_loras(harness: DeskHarness) -> None:
    line = harness.desk.parts.queue
    job_id = await accept(harness, "1", "sugar")
    assert line.jobs[job_id].loras == (LoraChoice("sugar", "a" * 64, 0.8),)
    await harness.desk.handle(Cancel(job_id), a_context("c", "person 1"))
    assert (job_id in line.jobs, line.scheduler.waiting, line.scheduler.queue()) == (False, 0, ())


@pytest.mark.parametrize("change", ["joins", "leaves", "merges", "drawn"])
async def test_every_change_of_the_queue_notifies_and_names_the_job_that_joined(
    harness: DeskHarness, change: str
) -> None:
    job_id, line = await accept(harness, "1"), harness.desk.parts.queue
    job = await harness.store.jobs.find(job_id)
    assert job is not None
    if change == "joins":
        line.remove(job_id)
    moves: list[str] = []
    line.on_change(moves.append)
    change = line.changed.next_change
    if change == "joins":
        line.add(job)
    elif change == "leaves":
        line.remove(job_id)
    elif change == "merges":
        line.merge(job.person, job.person + 1)
    else:
        line.charge_time(job_id, 1.0)
    assert change.is_set()
    assert moves == [job_id if change == "joins" else ""]


async def test_a_queue_is_cut_where_it_is_asked(harness: DeskHarness) -> None:
    jobs = tuple([await accept(harness, str(number)) for number in range(3)])
    assert harness.desk.parts.queue.scheduler.queue() == jobs
    assert harness.desk.parts.queue.scheduler.queue(2) == jobs[:2]


def lora(name: str, weight: float = 1.0) -> LoraChoice:
    return LoraChoice(name, name * 64, weight)


class WaitingJobs:
    """A queue of jobs by number, each with its LoRAs."""

    def __init__(self, *loras: tuple[LoraChoice, ...]) -> None:
        self.scheduler = self
        self.jobs = {str(number): SimpleNamespace(loras=of_job) for number, of_job in enumerate(loras)}

    def queue(self, most: int | None = None) -> tuple[str, ...]:
        return tuple(self.jobs)[:most]


def prefetch_of(*loras: tuple[LoraChoice, ...]) -> tuple[LoraPrefetch, WaitingJobs, list[str]]:
    """A prefetch of these jobs' LoRAs, and the names that it requests each time."""
    requests: list[str] = []

    def prefetch(loras: tuple[LoraChoice, ...]) -> None:
        requests.append("".join(choice.name for choice in loras))

    jobs = WaitingJobs(*loras)
    return LoraPrefetch(cast("JobQueue", jobs), prefetch), jobs, requests


def test_the_prefetch_requests_four_loras_soonest_first_and_each_once() -> None:
    prefetch, _, requests = prefetch_of(
        (lora("b"), lora("a")), (lora("a", 0.5),), (lora("c"),), (), (lora("d"), lora("e"))
    )
    prefetch.queue_changed()
    assert requests == ["bacd"]


def test_the_prefetch_looks_at_eight_jobs() -> None:
    prefetch, _, requests = prefetch_of(*[()] * 7, (lora("h"),), (lora("i"),))
    prefetch.queue_changed()
    assert requests == ["h"]


def test_the_prefetch_requests_only_changes_and_never_nothing() -> None:
    prefetch, queue, requests = prefetch_of()
    prefetch.queue_changed()
    queue.jobs = WaitingJobs((lora("a"),)).jobs
    prefetch.queue_changed("0")
    prefetch.queue_changed()
    queue.jobs = WaitingJobs((lora("b"),)).jobs
    prefetch.queue_changed()
    queue.jobs = {}
    prefetch.queue_changed()
    assert requests == ["a", "b"]
