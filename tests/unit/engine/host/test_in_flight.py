"""The jobs of a worker: their events, the time limit of the first, and which one its end is blamed on."""

import asyncio

import pytest

from engine.errors import JobNotStarted, WorkerLost
from engine.host.in_flight import MAX_IN_FLIGHT, InFlightJob, InFlightJobs
from engine.request import Event, Failed, FailReason, Finished, Progress, RenderRequest, Stopped, Timings
from tests.unit.engine.host.clock import Clock, jumping_clock

A, B, C = (RenderRequest(job_id, 1, "a face", 512, 768, 7) for job_id in "abc")


def step(request: RenderRequest, number: int = 1, attempt: int = 1) -> Progress:
    return Progress(request.job_id, attempt, 0, number, 8)


def never() -> None:
    pytest.fail("the worker did not hang")


async def next_event(job: InFlightJob) -> Event:
    event = await job.events.get()
    if isinstance(event, WorkerLost):
        raise event
    return event


async def error_of(job: InFlightJob) -> type[WorkerLost]:
    """The error that the job gets after its events."""
    while True:
        try:
            await asyncio.wait_for(next_event(job), 1)
        except WorkerLost as error:
            return type(error)


def test_one_job_is_drawn_and_one_is_ready() -> None:
    assert MAX_IN_FLIGHT == 2


async def test_an_event_reaches_its_own_attempt_and_a_late_event_reaches_none() -> None:
    in_flight = InFlightJobs(10, never)
    first, second = in_flight.add(A), in_flight.add(B)
    assert not first.has_started
    for event in (step(B, 5), step(A, 3, attempt=2), step(C), step(A, 1)):
        in_flight.dispatch(event)
    assert await next_event(first) == step(A, 1)
    assert await next_event(second) == step(B, 5)
    assert first.events.empty()
    assert second.events.empty()
    assert first.has_started
    in_flight.fail_all()


async def test_an_ended_job_is_not_in_flight() -> None:
    for end in (
        Finished("a", 1, Timings()),
        Stopped("a", 1),
        Failed("a", 1, FailReason.WORKER_ERROR),
    ):
        in_flight = InFlightJobs(10, never)
        first, second = in_flight.add(A), in_flight.add(B)
        in_flight.dispatch(end)
        assert await next_event(first) == end
        in_flight.fail_all()
        assert first.events.empty()
        assert await error_of(second) is WorkerLost  # it is the first now


async def test_a_lost_worker_loses_its_first_job_and_no_job_that_it_has_not_started() -> None:
    in_flight = InFlightJobs(10, never)
    assert not in_flight.is_closed
    jobs = [in_flight.add(request) for request in (A, B, C)]
    in_flight.dispatch(step(B, 0))
    in_flight.fail_all("why")
    assert in_flight.is_closed
    assert [await error_of(job) for job in jobs] == [WorkerLost, WorkerLost, JobNotStarted]


async def test_the_error_of_a_lost_job_has_the_message() -> None:
    in_flight = InFlightJobs(10, never)
    job = in_flight.add(A)
    in_flight.fail_all("why")
    with pytest.raises(WorkerLost, match="why"):
        await next_event(job)


@pytest.mark.parametrize(
    ("cause", "ends"),
    [
        (("a", 1), [WorkerLost, JobNotStarted, JobNotStarted]),
        (("b", 1), [JobNotStarted, WorkerLost, JobNotStarted]),
        (("b", 2), [WorkerLost, WorkerLost, JobNotStarted]),  # another attempt, so no job is the cause
        (("", 0), [WorkerLost, WorkerLost, JobNotStarted]),
    ],
)
async def test_a_known_cause_loses_only_that_job(
    cause: tuple[str, int], ends: list[type[WorkerLost]]
) -> None:
    in_flight = InFlightJobs(10, never)
    jobs = [in_flight.add(request) for request in (A, B, C)]
    in_flight.dispatch(step(A))
    in_flight.dispatch(step(B, 0))
    in_flight.set_cause(*cause)
    in_flight.fail_all()
    assert [await error_of(job) for job in jobs] == ends


class Alarms:
    """Notes when a worker was found to hang."""

    def __init__(self, clock: Clock) -> None:
        self.at_s: list[float] = []
        self._clock = clock

    def __call__(self) -> None:
        self.at_s.append(self._clock())


async def test_the_first_job_is_timed_from_when_it_became_first_and_from_each_of_its_events() -> None:
    async with jumping_clock() as clock:
        alarms = Alarms(clock)
        in_flight = InFlightJobs(20, alarms)
        await asyncio.sleep(25)
        assert alarms.at_s == []  # no job
        in_flight.add(A)
        in_flight.add(B)
        for _ in range(4):
            await asyncio.sleep(19)
            in_flight.dispatch(step(A))
        assert alarms.at_s == []
        for _ in range(3):  # events of the second job do not count
            await asyncio.sleep(10)
            in_flight.dispatch(step(B, 0))
        assert alarms.at_s == [pytest.approx(25 + 4 * 19 + 20)]


async def test_the_next_job_has_its_full_time_after_the_first_has_ended() -> None:
    async with jumping_clock() as clock:
        alarms = Alarms(clock)
        in_flight = InFlightJobs(20, alarms)
        in_flight.add(A)
        await asyncio.sleep(15)
        in_flight.add(B)  # the time of the first goes on
        in_flight.dispatch(Stopped("a", 1))
        await asyncio.sleep(19)
        assert alarms.at_s == []
        in_flight.dispatch(Stopped("b", 1))
        await asyncio.sleep(25)
        assert alarms.at_s == []


async def test_a_second_job_gives_the_first_no_more_time() -> None:
    async with jumping_clock() as clock:
        alarms = Alarms(clock)
        in_flight = InFlightJobs(20, alarms)
        in_flight.add(A)
        await asyncio.sleep(15)
        in_flight.add(B)
        await asyncio.sleep(15)
        assert alarms.at_s == [pytest.approx(20)]


async def test_no_job_is_timed_after_the_worker_is_lost() -> None:
    async with jumping_clock() as clock:
        alarms = Alarms(clock)
        in_flight = InFlightJobs(20, alarms)
        in_flight.add(A)
        in_flight.fail_all()
        await asyncio.sleep(25)
        assert alarms.at_s == []
