"""Runs one command to its end, and ends the process even when something hangs.

The first SIGINT or SIGTERM cancels the command, which then has ``STOP_S`` to drain and close. A second signal
ends the process at once, like ``kill -9``; the next start repairs the rest. Python waits without limit for
executor threads, and nothing can interrupt a download or a driver call, so this module abandons threads that
still run after the command.
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
CLOSE_S = 8.0  # after the command, for its remaining tasks
THREADS_S = 1.5  # for executor threads to finish, and then for all others
FLUSH_S = 1.0  # for standard output and error; a full pipe would block
SIGNALS = (signal.SIGINT, signal.SIGTERM)

log = structlog.get_logger("bot.cli.runner")
ExitProcess = Callable[[int], object]


def exit_now(code: int) -> None:
    """End the process now, without waiting for threads and child processes."""
    flush = threading.Thread(target=_flush, name="flush", daemon=True)
    flush.start()
    flush.join(FLUSH_S)
    os._exit(code)


def exit_if_threads_remain(code: int, exit_process: ExitProcess = exit_now) -> None:
    """End the process if a thread would keep the interpreter waiting.

    Args:
        code: The process's exit code.
        exit_process: As for ``run``.
    """
    own = threading.main_thread()
    threads = [each for each in threading.enumerate() if not each.daemon and each is not own]
    for thread in threads:
        thread.join(THREADS_S / len(threads))
    if any(thread.is_alive() for thread in threads):
        exit_process(code)


def run(
    work: Callable[[], Coroutine[Any, Any, int]],
    *,
    stop_code: int | None = None,
    exit_process: ExitProcess = exit_now,
) -> int:
    """Run a command in a new event loop; the caller must be the main thread.

    Args:
        work: Makes the command's coroutine, which returns the exit code; its errors are raised again.
        stop_code: The exit code after a signal; None means 128 and the signal's number.
        exit_process: Ends the process at once with an exit code.
    """
    stop = _StopSignals(exit_process)
    with stop.handle_signals(), asyncio.Runner() as runner:
        runner.get_loop().set_default_executor(_Executor(thread_name_prefix="worker"))
        try:
            return runner.run(stop.run_until_signal(work, stop_code))
        finally:
            stop.exit_after(CLOSE_S)


class _StopSignals:
    """Turns the first signal into a cancellation; a second signal or a time-out ends the process."""

    def __init__(self, exit_process: ExitProcess) -> None:
        self._exit_process = exit_process
        self._signal: int | None = None
        self._cancel: Callable[[], object] | None = None
        self._timers: list[threading.Timer] = []
        # The loop would not notice a signal that arrives just before the loop waits, so each signal
        # also makes a socket readable.
        self._wakeup_reader, self._wakeup_writer = socket.socketpair()

    def exit_after(self, seconds: float) -> None:
        """End the process unless ``handle_signals`` ends within this time."""
        timer = threading.Timer(seconds, self._exit_late)
        timer.daemon = True
        timer.start()
        self._timers.append(timer)

    @contextlib.contextmanager
    def handle_signals(self) -> Iterator[None]:
        """Handle the signals while the block runs; cancel all timers after it."""
        before = {number: signal.signal(number, self._on_signal) for number in SIGNALS}
        self._wakeup_writer.setblocking(False)
        other = signal.set_wakeup_fd(self._wakeup_writer.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(other)
            self._wakeup_writer.close()
            self._wakeup_reader.close()
            for timer in self._timers:
                timer.cancel()
            for number, handler in before.items():
                signal.signal(number, handler)

    async def run_until_signal(
        self, work: Callable[[], Coroutine[Any, Any, int]], stop_code: int | None
    ) -> int:
        """Await the work; turn a cancellation by a signal into an exit code."""
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None  # noqa: S101 - this is a coroutine
        loop.add_reader(self._wakeup_reader, lambda: self._wakeup_reader.recv(4096))
        self._cancel = lambda: loop.call_soon_threadsafe(task.cancel)
        try:
            return await work()
        except asyncio.CancelledError:
            if self._signal is None:
                raise
            return 128 + self._signal if stop_code is None else stop_code
        finally:
            self._cancel = None

    def _on_signal(self, number: int, _frame: object) -> None:
        if self._signal is not None or self._cancel is None:
            self._exit_process(128 + number)
            return
        self._signal = number
        self.exit_after(STOP_S)
        self._cancel()

    def _exit_late(self) -> None:
        names = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
        log.error("command does not end, process exits", threads=names)
        self._exit_process(1)


class _Executor(concurrent.futures.ThreadPoolExecutor):
    """The loop's default executor; its shutdown waits ``THREADS_S`` at most."""

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
    with contextlib.suppress(Exception):  # a closed pipe has no reader
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
