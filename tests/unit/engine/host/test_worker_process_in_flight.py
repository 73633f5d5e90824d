"""The jobs of a worker: their events, the time limit of the first, and which one its end is blamed on."""

import asyncio
import signal
from dataclasses import dataclass, field, replace

import pytest

from engine import wire
from engine.errors import JobNotStarted, WorkerLost
from engine.host.worker_process import MAX_IN_FLIGHT, WorkerProcess
from engine.request import Event, Failed, FailReason, Finished, Progress, RenderRequest, Stopped, Timings
from tests.unit.engine.host.child import CONFIG, A, B, C, ready, turns

HURRIED = replace(CONFIG, step_timeout_s=20)


def step(request: RenderRequest, number: int = 1, attempt: int = 1) -> Progress:
    return Progress(request.job_id, attempt, 0, number, 8)


@dataclass
class Drawing:
    """One call of ``draw``: the events that it passed on, and its end."""

    task: "asyncio.Task[Finished | Stopped | Failed]"
    events: list[Event] = field(default_factory=list)


async def draw(worker: WorkerProcess, *requests: RenderRequest) -> list[Drawing]:
    drawings = []
    for request in requests:
        events: list[Event] = []
        drawings.append(Drawing(asyncio.create_task(worker.draw(request, events.append)), events))
    await turns()
    return drawings


async def errors_of(drawings: list[Drawing]) -> list[type[BaseException]]:
    await asyncio.wait([drawing.task for drawing in drawings], timeout=1)
    return [type(drawing.task.exception()) for drawing in drawings]


def test_one_job_is_drawn_and_one_is_ready() -> None:
    assert MAX_IN_FLIGHT == 2


async def test_an_event_reaches_its_own_attempt_and_a_late_event_reaches_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with ready(monkeypatch) as (worker, child, _):
        first, second = await draw(worker, A, B)
        assert [job.has_started for job in worker._jobs] == [False, False]
        child.send(step(B, 5), step(A, 3, attempt=2), step(C), step(A, 1))
        await turns()
        assert first.events == [step(A, 1)]
        assert second.events == [step(B, 5)]
        assert [job.has_started for job in worker._jobs] == [True, True]
        child.end()
        await errors_of([first, second])


@pytest.mark.parametrize(
    "end", [Finished("a", 1, Timings()), Stopped("a", 1), Failed("a", 1, FailReason.WORKER_ERROR)]
)
async def test_an_ended_job_is_not_in_flight(
    monkeypatch: pytest.MonkeyPatch, end: Finished | Stopped | Failed
) -> None:
    async with ready(monkeypatch) as (worker, child, _):
        first, second = await draw(worker, A, B)
        child.send(end)
        assert await first.task == end
        child.end()
        assert first.events == []
        assert await errors_of([second]) == [WorkerLost]  # it is the first now


async def test_a_lost_worker_loses_its_first_job_and_no_job_that_it_has_not_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with ready(monkeypatch) as (worker, child, _):
        drawings = await draw(worker, A, B, C)
        child.send(step(B, 0))
        child.end()
        assert await errors_of(drawings) == [WorkerLost, WorkerLost, JobNotStarted]
        assert await errors_of(await draw(worker, A)) == [JobNotStarted]


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
    monkeypatch: pytest.MonkeyPatch, cause: tuple[str, int], ends: list[type[WorkerLost]]
) -> None:
    async with ready(monkeypatch) as (worker, child, _):
        drawings = await draw(worker, A, B, C)
        child.send(step(A), step(B, 0), wire.CardFault(*cause))
        child.end()
        assert await errors_of(drawings) == ends


async def test_the_first_job_is_timed_from_when_it_became_first_and_from_each_of_its_events(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with ready(monkeypatch, HURRIED) as (worker, child, _):
        await asyncio.sleep(25)
        assert child.signals == []  # no job
        drawings = await draw(worker, A, B)
        for _ in range(4):
            await asyncio.sleep(19)
            child.send(step(A))
        assert child.signals == []
        for _ in range(3):  # events of the second job do not count
            child.send(step(B, 0))
            await asyncio.sleep(9)
        assert child.signals == [(signal.SIGKILL, pytest.approx(25 + 4 * 19 + 20))]
        assert await errors_of(drawings) == [WorkerLost, WorkerLost]


async def test_the_next_job_has_its_full_time_after_the_first_has_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with ready(monkeypatch, HURRIED) as (worker, child, _):
        [first] = await draw(worker, A)
        await asyncio.sleep(15)
        [second] = await draw(worker, B)  # the time of the first goes on
        child.send(Stopped("a", 1))
        await asyncio.sleep(19)
        assert child.signals == []
        child.send(Stopped("b", 1))
        await asyncio.sleep(25)
        assert child.signals == []
        assert [await each.task for each in (first, second)] == [Stopped("a", 1), Stopped("b", 1)]


async def test_a_second_job_gives_the_first_no_more_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async with ready(monkeypatch, HURRIED) as (worker, child, _):
        drawings = await draw(worker, A)
        await asyncio.sleep(15)
        drawings += await draw(worker, B)
        await asyncio.sleep(15)
        assert child.signals == [(signal.SIGKILL, pytest.approx(20))]
        assert await errors_of(drawings) == [WorkerLost, JobNotStarted]


async def test_no_job_is_timed_after_the_worker_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    async with ready(monkeypatch, HURRIED) as (worker, child, _):
        drawings = await draw(worker, A)
        child.socket.close()
        await asyncio.sleep(25)
        assert child.signals == []
        assert await errors_of(drawings) == [WorkerLost]


async def test_a_job_that_comes_in_the_moment_of_a_hang_is_not_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with ready(monkeypatch) as (worker, child, clock):
        drawings = await draw(worker, A)
        worker._time_limit.reschedule(0)  # it is over before the next job, which comes in the same moment
        drawings += await draw(worker, B)
        assert await errors_of(drawings) == [WorkerLost, JobNotStarted]
        assert child.signals == [(signal.SIGKILL, 0)]
        assert clock() == 0


async def test_a_stopped_worker_is_noticed_within_30_seconds_once_its_steps_are_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with ready(monkeypatch) as (worker, child, clock):
        drawings = await draw(worker, A)
        for number in range(1, 9):  # the setting allows 120 s, and a step takes 0.3
            child.send(step(A, number))
            await asyncio.sleep(0.3)
        stopped_s = clock()
        await asyncio.sleep(120)
        [(number_of_signal, at_s)] = child.signals
        assert number_of_signal is signal.SIGKILL
        assert at_s - stopped_s <= 30
        assert await errors_of(drawings) == [WorkerLost]


async def test_a_killed_worker_is_noticed_within_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    async with ready(monkeypatch) as (worker, child, clock):
        drawings = await draw(worker, A)
        child.leaves_a_process = True  # which holds the other end of the socket
        child.end(-signal.SIGKILL)
        killed_s = clock()
        await worker.is_lost.wait()
        assert clock() - killed_s <= 1
        assert await errors_of(drawings) == [WorkerLost]
