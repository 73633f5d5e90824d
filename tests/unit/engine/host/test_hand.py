"""The jobs that a worker has been given: their events, its silence, and whom its end is blamed on."""

import asyncio

import pytest

from engine.errors import NotBegun, WorkerLost
from engine.host.hand import MAX_IN_FLIGHT, Hand, Handed
from engine.request import Failed, FailReason, Finished, Progress, RenderRequest, Stopped, Timings
from tests.unit.engine.host.clock import Clock, jumping_clock

A, B, C = (RenderRequest(job_id, 1, "a face", 512, 768, 7) for job_id in "abc")


def step(request: RenderRequest, number: int = 1, attempt: int = 1) -> Progress:
    return Progress(request.job_id, attempt, 0, number, 8)


def never() -> None:
    pytest.fail("the worker was not silent")


async def lost_of(handed: Handed) -> type[WorkerLost]:
    """What the job meets, behind what was heard of it before."""
    while True:
        try:
            await asyncio.wait_for(handed.next_event(), 1)
        except WorkerLost as error:
            return type(error)


def test_one_job_is_drawn_and_one_lies_ready() -> None:
    assert MAX_IN_FLIGHT == 2


async def test_an_event_reaches_the_try_that_it_is_about_and_a_late_one_nobody() -> None:
    hand = Hand(10, never)
    first, second = hand.take(A), hand.take(B)
    assert not first.is_heard
    for event in (step(B, 5), step(A, 3, attempt=2), step(C), step(A, 1)):
        hand.hear(event)
    assert await first.next_event() == step(A, 1)
    assert await second.next_event() == step(B, 5)
    assert first._said.empty()
    assert second._said.empty()
    assert first.is_heard
    hand.lose()


async def test_a_job_that_has_ended_is_in_hand_no_more() -> None:
    for end in (
        Finished("a", 1, Timings()),
        Stopped("a", 1),
        Failed("a", 1, FailReason.WORKER_ERROR),
    ):
        hand = Hand(10, never)
        first, second = hand.take(A), hand.take(B)
        hand.hear(end)
        assert await first.next_event() == end
        hand.lose()
        assert first._said.empty()
        assert await lost_of(second) is WorkerLost  # it is the first now


async def test_the_first_in_hand_is_lost_with_its_worker_and_one_of_which_nothing_was_heard_is_not() -> None:
    hand = Hand(10, never)
    assert not hand.is_lost
    jobs = [hand.take(request) for request in (A, B, C)]
    hand.hear(step(B, 0))
    hand.lose("why")
    assert hand.is_lost
    assert [await lost_of(handed) for handed in jobs] == [WorkerLost, WorkerLost, NotBegun]


async def test_what_a_lost_job_meets_says_why() -> None:
    hand = Hand(10, never)
    handed = hand.take(A)
    hand.lose("why")
    with pytest.raises(WorkerLost, match="why"):
        await handed.next_event()


@pytest.mark.parametrize(
    ("blamed", "ends"),
    [
        (("a", 1), [WorkerLost, NotBegun, NotBegun]),
        (("b", 1), [NotBegun, WorkerLost, NotBegun]),
        (("b", 2), [WorkerLost, WorkerLost, NotBegun]),  # another try: as if it had blamed nobody
        (("", 0), [WorkerLost, WorkerLost, NotBegun]),
    ],
)
async def test_where_the_worker_blames_a_job_no_other_is_lost(
    blamed: tuple[str, int], ends: list[type[WorkerLost]]
) -> None:
    hand = Hand(10, never)
    jobs = [hand.take(request) for request in (A, B, C)]
    hand.hear(step(A))
    hand.hear(step(B, 0))
    hand.blame(*blamed)
    hand.lose()
    assert [await lost_of(handed) for handed in jobs] == ends


class Alarms:
    """Counts when a worker was found silent."""

    def __init__(self, clock: Clock) -> None:
        self.at_s: list[float] = []
        self._clock = clock

    def __call__(self) -> None:
        self.at_s.append(self._clock())


async def test_the_first_in_hand_is_timed_from_when_it_became_first_and_from_each_word_of_it() -> None:
    async with jumping_clock() as clock:
        alarms = Alarms(clock)
        hand = Hand(20, alarms)
        await asyncio.sleep(25)
        assert alarms.at_s == []  # nothing in hand
        hand.take(A)
        hand.take(B)
        for _ in range(4):
            await asyncio.sleep(19)
            hand.hear(step(A))
        assert alarms.at_s == []
        for _ in range(3):  # of the second one it may say what it likes
            await asyncio.sleep(10)
            hand.hear(step(B, 0))
        assert alarms.at_s == [pytest.approx(25 + 4 * 19 + 20)]


async def test_the_next_has_its_full_time_once_the_first_has_ended() -> None:
    async with jumping_clock() as clock:
        alarms = Alarms(clock)
        hand = Hand(20, alarms)
        hand.take(A)
        await asyncio.sleep(15)
        hand.take(B)  # behind another: nothing changes
        hand.hear(Stopped("a", 1))
        await asyncio.sleep(19)
        assert alarms.at_s == []
        hand.hear(Stopped("b", 1))
        await asyncio.sleep(25)
        assert alarms.at_s == []


async def test_one_that_comes_behind_another_gives_that_no_more_time() -> None:
    async with jumping_clock() as clock:
        alarms = Alarms(clock)
        hand = Hand(20, alarms)
        hand.take(A)
        await asyncio.sleep(15)
        hand.take(B)
        await asyncio.sleep(15)
        assert alarms.at_s == [pytest.approx(20)]


async def test_a_lost_hand_is_timed_no_more() -> None:
    async with jumping_clock() as clock:
        alarms = Alarms(clock)
        hand = Hand(20, alarms)
        hand.take(A)
        hand.lose()
        await asyncio.sleep(25)
        assert alarms.at_s == []
