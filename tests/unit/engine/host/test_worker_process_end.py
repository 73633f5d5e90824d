"""The end of a worker process: asked, terminated, killed; leftovers of it delay no job for long."""

import asyncio
import os
import signal
from collections.abc import Callable
from dataclasses import replace

import pytest
import structlog

from engine import wire
from engine.errors import WorkerLost
from engine.request import Finished, StartPicture, Timings
from tests.unit.engine.host.child import A, ignore, ready, started, turns


def later(delay_s: float, what: Callable[..., object], *facts: object) -> None:
    asyncio.get_running_loop().call_later(delay_s, what, *facts)


async def test_a_worker_that_is_asked_ends_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    async with ready(monkeypatch) as (worker, child, clock):
        ending = asyncio.create_task(worker.end(ask=True))
        await turns()
        assert await child.received() == [wire.Shutdown()]
        assert child.signals == []
        await asyncio.sleep(4.5)
        child.end(0)
        assert await ending == 0
        assert clock() == pytest.approx(4.5)
        assert child.signals == [(signal.SIGKILL, pytest.approx(4.5))]  # for its children


async def test_a_worker_that_ignores_the_request_gets_sigterm(monkeypatch: pytest.MonkeyPatch) -> None:
    async with ready(monkeypatch) as (worker, child, clock):
        child.obeys.add(signal.SIGTERM)
        with structlog.testing.capture_logs() as logs:
            assert await worker.end(ask=True) == -signal.SIGTERM
        assert [number for number, _ in child.signals] == [signal.SIGTERM, signal.SIGKILL]
        assert clock() == pytest.approx(5)
        assert [entry["event"] for entry in logs] == ["worker does not end when asked"]


async def test_a_worker_that_ignores_sigterm_is_killed_after_five_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with ready(monkeypatch) as (worker, child, clock):
        assert await worker.end(ask=True) == -signal.SIGKILL
        assert child.signals == [(signal.SIGTERM, pytest.approx(5)), (signal.SIGKILL, pytest.approx(10))]
        assert clock() == pytest.approx(10)


async def test_without_a_request_a_worker_is_killed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async with started(monkeypatch) as (worker, child, clock):
        assert await worker.end(ask=False) == -signal.SIGKILL
        assert (child.signals, clock()) == ([(signal.SIGKILL, 0.0)], 0)


@pytest.mark.parametrize(("ends_after_s", "took_s", "status"), [(3, 3, 7), (8, 5, -signal.SIGKILL)])
async def test_a_lost_worker_has_a_moment_to_end_and_gets_no_sigterm(
    monkeypatch: pytest.MonkeyPatch, ends_after_s: float, took_s: float, status: int
) -> None:
    async with ready(monkeypatch) as (worker, child, clock):
        child.socket.close()
        await worker.is_lost.wait()
        later(ends_after_s, child.end, 7)
        assert await worker.end(ask=False) == status
        assert clock() == pytest.approx(took_s)
        assert [number for number, _ in child.signals] == [signal.SIGKILL]


async def test_after_its_end_nothing_is_left_and_its_pid_gets_no_signal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = len(os.listdir("/proc/self/fd"))
    async with ready(monkeypatch) as (worker, child, clock):
        tasks = asyncio.all_tasks()
        assert len([task for task in tasks if "worker 4242" in task.get_name()]) == 3
        assert await worker.end(ask=True) == -signal.SIGKILL
        assert [task for task in asyncio.all_tasks() if "worker" in task.get_name()] == []
        await turns()
        assert len(os.listdir("/proc/self/fd")) <= before
        child.signals.clear()
        at_s = clock()
        assert await worker.end(ask=True) == -signal.SIGKILL  # once more, as a host that closes does
        assert (child.signals, clock()) == ([], at_s)


async def test_a_killed_worker_that_leaves_its_socket_open_delays_no_job_and_its_output_for_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with ready(monkeypatch) as (worker, child, clock):
        child.leaves_a_process = True
        with structlog.testing.capture_logs() as logs:
            await worker.end(ask=False)
        assert clock() == pytest.approx(1)
        assert [entry["event"] for entry in logs] == ["a process that the worker started holds its output"]
        await turns()
        assert child.is_disconnected()
        with pytest.raises(BrokenPipeError):
            child.output.write(b"nobody reads this")
        assert [task for task in asyncio.all_tasks() if "worker" in task.get_name()] == []


async def test_the_last_lines_of_a_worker_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async with ready(monkeypatch) as (worker, child, clock):
        child.leaves_a_process = True
        later(0.9, child.output.write, b"last words")
        later(0.95, child.close)
        with structlog.testing.capture_logs() as logs:
            await worker.end(ask=False)
        assert [entry.get("line") for entry in logs] == ["last words"]
        assert clock() == pytest.approx(0.95)


async def test_a_worker_that_ended_and_left_its_socket_to_another_process_is_lost_after_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with ready(monkeypatch) as (worker, child, clock):
        child.leaves_a_process = True
        drawing = asyncio.create_task(worker.draw(A, ignore))
        await turns()
        child.end(1)
        with pytest.raises(WorkerLost):
            await drawing
        assert clock() == pytest.approx(1)
        assert worker.is_lost.is_set()


async def test_the_last_events_of_a_worker_arrive_after_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    done = Finished("a", 1, Timings())
    async with ready(monkeypatch) as (worker, child, _):
        child.leaves_a_process = True
        drawing = asyncio.create_task(worker.draw(A, ignore))
        await turns()
        child.end(1)
        later(0.5, child.send, done)
        assert await drawing == done


async def test_a_request_that_nobody_has_read_delays_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    long = replace(A, start=StartPicture(bytes(2**22), 0.5))
    async with ready(monkeypatch) as (worker, child, clock):
        child.leaves_a_process = True
        drawing = asyncio.create_task(worker.draw(long, ignore))
        await turns()
        child.end(1)
        with pytest.raises(WorkerLost):
            await drawing
        assert clock() == pytest.approx(1)
        async with asyncio.timeout(30):
            await worker.end(ask=False)
