"""Runs one command to its end, and ends the process even when something hangs.

The first SIGINT or SIGTERM cancels the command, which then has ``STOP_S`` to drain and close. A second one
ends the process at once, as ``kill -9`` would: the next start repairs what that leaves. Python waits without
limit for executor threads, and a download or a driver call cannot be interrupted, so threads that still run
after the command are abandoned.
"""

import asyncio
import concurrent.futures
import contextlib
import logging
import os
import signal
import socket
import sys
import threading
import weakref
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import structlog

STOP_S = 28.0  # from the first signal to the end; service managers kill after 30 s
CLOSE_S = 8.0  # after the command, for tasks that it left behind
THREADS_S = 1.5  # for executor threads, and then for all others, to finish
FLUSH_S = 1.0  # for standard output and error; a full pipe takes nothing
SIGNALS = (signal.SIGINT, signal.SIGTERM)

log = structlog.get_logger("bot.runner")
Leave = Callable[[int], object]


def leave_process(code: int) -> None:
    """End the process now; threads and child processes are not waited for."""
    flush = threading.Thread(target=_flush, name="flush", daemon=True)
    flush.start()
    flush.join(FLUSH_S)
    os._exit(code)


def leave_if_threads_remain(code: int, leave: Leave = leave_process) -> None:
    """Leave when a thread would keep the interpreter waiting at its end.

    Args:
        code: The process's exit code.
        leave: As for ``run``.
    """
    own = threading.main_thread()
    threads = [each for each in threading.enumerate() if not each.daemon and each is not own]
    for thread in threads:
        thread.join(THREADS_S / len(threads))
    if any(thread.is_alive() for thread in threads):
        leave(code)


def run(
    work: Callable[[], Coroutine[Any, Any, int]],
    *,
    stopped: int | None = None,
    leave: Leave = leave_process,
) -> int:
    """Run a command in an event loop of its own; call it in the main thread.

    Args:
        work: Makes the command's coroutine; its result is the exit code, and its errors are re-raised.
        stopped: The exit code after a signal; None means 128 and the signal's number.
        leave: Ends the process at once with an exit code.
    """
    stop = _Stop(leave)
    with stop.wait_for_change(), asyncio.Runner() as runner:
        runner.get_loop().set_default_executor(_Executor(thread_name_prefix="worker"))
        try:
            return runner.run(stop.stoppable(work, stopped))
        finally:
            stop.leave_after(CLOSE_S)


class _Stop:
    """Turns the first signal into a cancellation; a second one, or too much time, leaves."""

    def __init__(self, leave: Leave) -> None:
        self._leave = leave
        self._signal: int | None = None
        self._cancel: Callable[[], object] | None = None
        self._timers: list[threading.Timer] = []
        # A signal that comes just before the loop begins to wait would not be handled until something else
        # happens, so it also makes a socket readable.
        self._woken, self._wakeup = socket.socketpair()

    def leave_after(self, seconds: float) -> None:
        """Leave when ``wait_for_change`` has not ended by then."""
        timer = threading.Timer(seconds, self._leave_late)
        timer.daemon = True
        timer.start()
        self._timers.append(timer)

    @contextlib.contextmanager
    def wait_for_change(self) -> Iterator[None]:
        """Hear the signals while the block runs, and let no timer outlive it."""
        before = {number: signal.signal(number, self._on_signal) for number in SIGNALS}
        self._wakeup.setblocking(False)
        other = signal.set_wakeup_fd(self._wakeup.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(other)
            self._wakeup.close()
            self._woken.close()
            for timer in self._timers:
                timer.cancel()
            for number, handler in before.items():
                signal.signal(number, handler)

    async def stoppable(self, work: Callable[[], Coroutine[Any, Any, int]], stopped: int | None) -> int:
        """Await the work; a cancellation that came from a signal becomes an exit code."""
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None  # noqa: S101 - this is a coroutine
        loop.add_reader(self._woken, lambda: self._woken.recv(4096))
        self._cancel = lambda: loop.call_soon_threadsafe(task.cancel)
        try:
            return await work()
        except asyncio.CancelledError:
            if self._signal is None:
                raise
            return 128 + self._signal if stopped is None else stopped
        finally:
            self._cancel = None

    def _on_signal(self, number: int, _frame: object) -> None:
        if self._signal is not None or self._cancel is None:
            self._leave(128 + number)
            return
        self._signal = number
        self.leave_after(STOP_S)
        self._cancel()

    def _leave_late(self) -> None:
        names = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
        log.error("the command does not end, leaving", threads=names)
        self._leave(1)


class _Executor(concurrent.futures.ThreadPoolExecutor):
    """The loop's default executor, whose shutdown waits ``THREADS_S`` at most."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._unfinished: weakref.WeakSet[concurrent.futures.Future[Any]] = weakref.WeakSet()

    def submit(self, *work: Any, **options: Any) -> concurrent.futures.Future[Any]:
        future = super().submit(*work, **options)
        self._unfinished.add(future)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        super().shutdown(wait=False, cancel_futures=True)
        if wait:
            concurrent.futures.wait(list(self._unfinished), timeout=THREADS_S)


def _flush() -> None:
    with contextlib.suppress(Exception):  # a closed or full pipe: there is nobody to tell
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
