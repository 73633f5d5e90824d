"""The line in memory, the bell, and the clock that never goes back."""

import asyncio

import pytest

from bot.commands.values import Cancel, Draw, LoraWish
from bot.desk.queue import ChangeSignal, MonotonicClock, wait_for_change
from bot.outcomes import Receipt
from engine.request import LoraChoice
from tests.fakes.clock import FakeClock
from tests.fakes.room import Room, a_context


async def accept(room: Room, event: str, lora: str = "none") -> str:
    draw = Draw(prompt="a", loras=(LoraWish(lora),))
    receipt = await room.desk.handle(draw, a_context(event, f"person {event}"))
    assert isinstance(receipt, Receipt)
    return receipt.job_id


def test_a_clock_that_stands_still_stands_still() -> None:
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


async def test_a_ring_wakes_who_took_it_before_and_not_who_takes_the_next() -> None:
    changed = ChangeSignal()
    before = changed.next_change()
    changed.change()
    after = changed.next_change()
    assert (before.is_set(), after.is_set()) == (True, False)


async def test_who_listens_waits_for_the_ring_and_no_longer_than_was_said() -> None:
    changed = ChangeSignal()
    forever = asyncio.create_task(wait_for_change(changed.next_change(), None))
    await wait_for_change(changed.next_change(), 0.01)
    assert not forever.done()
    changed.change()
    async with asyncio.timeout(5):
        await forever


async def test_a_job_that_left_the_line_needs_nothing_from_the_shelf_any_more(room: Room) -> None:
    line = room.desk._line
    job_id = await accept(room, "1", "sugar")
    assert line.loras_of(job_id) == (LoraChoice("sugar", "a" * 64, 0.8),)
    await room.desk.handle(Cancel(job_id), a_context("c", "person 1"))
    assert line.loras_of(job_id) == ()
    assert (line.waits(job_id), line.waiting, line.queue()) == (False, 0, ())


@pytest.mark.parametrize("change", ["joins", "leaves", "merges", "drawn"])
async def test_every_change_of_the_line_rings_and_names_who_joined(room: Room, change: str) -> None:
    job_id, line = await accept(room, "1"), room.desk._line
    job = await room.store.jobs.find(job_id)
    assert job is not None
    if change == "joins":
        line.remove(job_id)
    moves: list[str] = []
    line.on_change(moves.append)
    change = line.changed.next_change()
    if change == "joins":
        line.add(job)
    elif change == "leaves":
        line.remove(job_id)
    elif change == "merges":
        line.merge(job.person, job.person + 1)
    else:
        line.drawn(job_id, 1.0)
    assert change.is_set()
    assert moves == [job_id if change == "joins" else ""]


async def test_a_queue_is_cut_where_it_is_asked(room: Room) -> None:
    jobs = tuple([await accept(room, str(number)) for number in range(3)])
    assert room.desk._line.queue() == jobs
    assert room.desk._line.queue(2) == jobs[:2]
