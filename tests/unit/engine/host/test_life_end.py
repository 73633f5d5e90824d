"""One worker's end: asked, told, killed, each in its time; what it left behind delays nobody for long."""

import asyncio
import os
import signal
from collections.abc import Callable

import pytest
import structlog

from engine import wire
from engine.errors import WorkerLost
from engine.request import Finished, Timings
from tests.unit.engine.host.child import A, alive, newborn, silent, turns


def later(delay_s: float, what: Callable[..., object], *facts: object) -> None:
    asyncio.get_running_loop().call_later(delay_s, what, *facts)


async def test_a_worker_that_is_asked_may_end_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    async with alive(monkeypatch) as (life, child, clock):
        ending = asyncio.create_task(life.end(ask=True))
        await turns()
        assert await child.heard() == [wire.Shutdown()]
        assert child.told == []
        await asyncio.sleep(4.5)
        child.end(0)
        assert await ending == 0
        assert clock() == pytest.approx(4.5)
        assert child.told == [(signal.SIGKILL, pytest.approx(4.5))]  # for what it started


async def test_a_worker_that_does_not_listen_is_told_by_sigterm(monkeypatch: pytest.MonkeyPatch) -> None:
    async with alive(monkeypatch) as (life, child, clock):
        child.heeds.add(signal.SIGTERM)
        with structlog.testing.capture_logs() as logs:
            assert await life.end(ask=True) == -signal.SIGTERM
        assert [number for number, _ in child.told] == [signal.SIGTERM, signal.SIGKILL]
        assert clock() == pytest.approx(5)
        assert [entry["event"] for entry in logs] == ["worker does not end when asked"]


async def test_a_worker_that_heeds_nothing_is_killed_five_seconds_after_sigterm(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with alive(monkeypatch) as (life, child, clock):
        assert await life.end(ask=True) == -signal.SIGKILL
        assert child.told == [(signal.SIGTERM, pytest.approx(5)), (signal.SIGKILL, pytest.approx(10))]
        assert clock() == pytest.approx(10)


async def test_a_worker_that_nobody_asks_is_killed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async with newborn(monkeypatch) as (life, child, clock):
        assert await life.end(ask=False) == -signal.SIGKILL
        assert (child.told, clock()) == ([(signal.SIGKILL, 0.0)], 0)


@pytest.mark.parametrize(("ends_after_s", "took_s", "status"), [(3, 3, 7), (8, 5, -signal.SIGKILL)])
async def test_a_worker_that_is_on_its_way_has_a_moment_and_is_never_told_to_stop(
    monkeypatch: pytest.MonkeyPatch, ends_after_s: float, took_s: float, status: int
) -> None:
    async with alive(monkeypatch) as (life, child, clock):
        child.socket.close()
        await life.is_lost.wait()
        later(ends_after_s, child.end, 7)
        assert await life.end(ask=False) == status
        assert clock() == pytest.approx(took_s)
        assert [number for number, _ in child.told] == [signal.SIGKILL]


async def test_after_its_end_nothing_is_left_and_its_number_gets_no_signal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = len(os.listdir("/proc/self/fd"))
    async with alive(monkeypatch) as (life, child, clock):
        tasks = asyncio.all_tasks()
        assert len([task for task in tasks if "worker 4242" in task.get_name()]) == 3
        assert await life.end(ask=True) == -signal.SIGKILL
        assert [task for task in asyncio.all_tasks() if "worker" in task.get_name()] == []
        await turns()
        assert len(os.listdir("/proc/self/fd")) <= before
        child.told.clear()
        at_s = clock()
        assert await life.end(ask=True) == -signal.SIGKILL  # once more, as a host that closes does
        assert (child.told, clock()) == ([], at_s)


async def test_a_killed_worker_that_leaves_its_socket_open_delays_nobody_and_its_output_for_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with alive(monkeypatch) as (life, child, clock):
        child.leaves_a_process = True
        with structlog.testing.capture_logs() as logs:
            await life.end(ask=False)
        assert clock() == pytest.approx(1)
        assert [entry["event"] for entry in logs] == ["a process that the worker started holds its output"]
        await turns()
        assert child.is_hung_up_on()
        with pytest.raises(BrokenPipeError):
            child.output.write(b"nobody reads this")
        assert [task for task in asyncio.all_tasks() if "worker" in task.get_name()] == []


async def test_the_last_lines_of_a_worker_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async with alive(monkeypatch) as (life, child, clock):
        child.leaves_a_process = True
        later(0.9, child.output.write, b"last words")
        later(0.95, child.close)
        with structlog.testing.capture_logs() as logs:
            await life.end(ask=False)
        assert [entry.get("line") for entry in logs] == ["last words"]
        assert clock() == pytest.approx(0.95)


async def test_a_worker_that_ended_and_left_its_socket_to_another_process_is_lost_after_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with alive(monkeypatch) as (life, child, clock):
        child.leaves_a_process = True
        drawing = asyncio.create_task(life.draw(A, silent))
        await turns()
        child.end(1)
        with pytest.raises(WorkerLost):
            await drawing
        assert clock() == pytest.approx(1)
        assert life.is_lost.is_set()


async def test_what_a_worker_said_last_is_heard_after_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    done = Finished("a", 1, Timings())
    async with alive(monkeypatch) as (life, child, _):
        child.leaves_a_process = True
        drawing = asyncio.create_task(life.draw(A, silent))
        await turns()
        child.end(1)
        later(0.5, child.say, done)
        assert await drawing == done
