"""A command ends by itself, at a signal, and when a part of it hangs."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from bot.cli import runner

pytestmark = pytest.mark.usefixtures("own_threads")

AT_ONCE_S = 20.0  # far below the 60 s of what hangs, far above the pauses of a busy machine


class Left(Exception):
    """Replaces the end of the process."""


@pytest.fixture
def hanging() -> Iterator[threading.Event]:
    """A wait that ends with the test."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "THREADS_S", 0.05)


def never(code: int) -> None:
    pytest.fail(f"left with {code}")


def test_the_result_is_the_exit_code() -> None:
    async def work() -> int:
        return await asyncio.to_thread(lambda: 3)

    assert runner.run(work, exit_process=never) == 3


def test_an_error_of_the_command_is_raised() -> None:
    async def work() -> int:
        raise LookupError("x")

    with pytest.raises(LookupError):
        runner.run(work, exit_process=never)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("stop_code", [None, 0])
def test_a_signal_cancels_and_gives_its_exit_code(
    number: signal.Signals, code: int, stop_code: int | None
) -> None:
    closed = []

    async def work() -> int:
        try:
            os.kill(os.getpid(), number)
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)
            closed.append(True)
        return 0

    before = signal.getsignal(number)
    assert runner.run(work, stop_code=stop_code, exit_process=never) == (
        code if stop_code is None else stop_code
    )
    assert closed
    assert signal.getsignal(number) is before


def test_a_cancellation_without_a_signal_is_no_stop() -> None:
    async def work() -> int:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        runner.run(work, exit_process=never)


def test_a_second_signal_exits_at_once() -> None:
    left: list[int] = []

    async def work() -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        try:
            await asyncio.sleep(60)
        finally:
            os.kill(os.getpid(), signal.SIGINT)
        return 0

    runner.run(work, exit_process=left.append)
    assert left == [130]


def test_a_signal_after_the_command_exits_at_once(hanging: threading.Event) -> None:
    left: list[int] = []

    async def stubborn() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    async def work() -> int:
        task = asyncio.create_task(stubborn(), name="stubborn")
        await asyncio.sleep(0)
        return int(task.done())

    runner.run(work, exit_process=left.append)
    assert left == [143]


def test_a_thread_that_hangs_is_abandoned(hanging: threading.Event) -> None:
    async def work() -> int:
        running = threading.Event()
        asyncio.get_running_loop().run_in_executor(None, lambda: (running.set(), hanging.wait(60)))
        while not running.is_set():  # noqa: ASYNC110 - a thread's event
            await asyncio.sleep(0)
        return 4

    began_s = time.monotonic()
    assert runner.run(work, exit_process=never) == 4
    assert time.monotonic() - began_s < AT_ONCE_S
    left: list[int] = []
    runner.exit_if_threads_remain(4, left.append)
    assert left == [4]


def test_work_that_waits_for_a_thread_does_not_start_after_the_end(
    hanging: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []

    async def work() -> int:
        loop = asyncio.get_running_loop()
        for _ in range(200):
            loop.run_in_executor(None, hanging.wait, 60)
        loop.run_in_executor(None, started.append, True)
        return 0

    runner.run(work, exit_process=never)
    hanging.set()
    monkeypatch.setattr(runner, "THREADS_S", 60.0)  # each ends now, sooner or later
    runner.exit_if_threads_remain(0, never)
    assert not started


def test_without_threads_the_process_does_not_exit_early() -> None:
    runner.exit_if_threads_remain(0, never)


def test_a_drain_that_hangs_after_a_signal_is_abandoned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "STOP_S", 0.1)
    left: list[int] = []

    def exit_process(code: int) -> None:
        left.append(code)
        loop.call_soon_threadsafe(go_on.set)

    async def work() -> int:
        nonlocal loop
        loop = asyncio.get_running_loop()
        os.kill(os.getpid(), signal.SIGTERM)
        try:
            await asyncio.sleep(60)
        finally:
            await go_on.wait()
        return 0

    go_on = asyncio.Event()
    loop: asyncio.AbstractEventLoop
    runner.run(work, exit_process=exit_process)
    assert left == [1]


def test_a_task_that_ignores_its_cancellation_is_abandoned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "CLOSE_S", 0.1)
    left: list[int] = []

    def exit_process(code: int) -> None:
        left.append(code)
        loop.call_soon_threadsafe(go_on.set)

    async def stubborn() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await go_on.wait()

    async def work() -> int:
        nonlocal loop, task
        loop = asyncio.get_running_loop()
        task = asyncio.create_task(stubborn(), name="stubborn")
        await asyncio.sleep(0)
        return 0

    go_on = asyncio.Event()
    loop: asyncio.AbstractEventLoop
    task: asyncio.Task[None]
    runner.run(work, exit_process=exit_process)
    assert left == [1]
    assert task.done()


def test_short_work_in_a_thread_finishes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "THREADS_S", 60)
    finished = []

    async def work() -> int:
        asyncio.get_running_loop().run_in_executor(None, lambda: (time.sleep(0.1), finished.append(True)))
        return 0

    assert runner.run(work, exit_process=never) == 0
    assert finished


def test_a_signal_that_does_not_interrupt_the_wait_is_handled() -> None:
    def kill_here() -> None:  # only this thread receives the signal, so the main thread continues to wait
        time.sleep(0.1)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        os.kill(os.getpid(), signal.SIGTERM)

    async def work() -> int:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        threading.Thread(target=kill_here).start()
        await asyncio.sleep(60)
        return 0

    began_s = time.monotonic()
    try:
        assert runner.run(work, exit_process=never) == 143
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    assert time.monotonic() - began_s < AT_ONCE_S
