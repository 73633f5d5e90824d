"""The queue in memory, and the clock that never goes back."""

import pytest

from bot.commands.values import Cancel, LoraWish
from bot.desk.queue import MonotonicClock
from engine.request import LoraChoice
from tests.fakes.clock import FakeClock
from tests.fakes.desk_harness import DeskHarness, a_context


async def accept(harness: DeskHarness, event: str, lora: str = "none") -> str:
    return (await harness.accept(event, f"person {event}", loras=(LoraWish(lora),))).job_id


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


async def test_a_job_that_left_the_queue_needs_no_loras(harness: DeskHarness) -> None:
    line = harness.desk.parts.queue
    job_id = await accept(harness, "1", "sugar")
    assert line.jobs[job_id].recipe.loras == (LoraChoice("sugar", "a" * 64, 0.8),)
    await harness.desk.handle(Cancel(job_id), a_context("c", "person 1"))
    assert (job_id in line.jobs, line.scheduler.waiting, line.scheduler.queue()) == (False, 0, ())


@pytest.mark.parametrize("change", ["joins", "leaves", "merges", "drawn"])
async def test_every_change_of_the_queue_notifies_and_names_the_job_that_joined(
    harness: DeskHarness, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    job_id, line = await accept(harness, "1"), harness.desk.parts.queue
    job = await harness.store.jobs.find(job_id)
    assert job is not None
    if change == "joins":
        line.remove(job_id)
    reports: list[str] = []
    report = line.report_change

    def note(joined: str = "") -> None:
        reports.append(joined)
        report(joined)

    monkeypatch.setattr(line, "report_change", note)
    line.changed.clear()
    if change == "joins":
        line.add(job)
    elif change == "leaves":
        line.remove(job_id)
    elif change == "merges":
        line.merge(job.person, job.person + 1)
    else:
        line.charge_time(job_id, 1.0)
    assert line.changed.is_set()
    assert reports == [job_id if change == "joins" else ""]


async def test_a_queue_is_cut_where_it_is_asked(harness: DeskHarness) -> None:
    jobs = tuple([await accept(harness, str(number)) for number in range(3)])
    assert harness.desk.parts.queue.scheduler.queue() == jobs
    assert harness.desk.parts.queue.scheduler.queue(2) == jobs[:2]
