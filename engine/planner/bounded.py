"""Calls a driver that may never answer: within a time limit, in a thread that nobody has to wait for."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")


class BoundedCall(Generic[T]):
    """One function that is called in a thread of its own; for several threads.

    Args:
        function: Runs in one thread at a time.
        timeout_s: The longest that a caller waits.
    """

    def __init__(self, function: Callable[[], T], timeout_s: float) -> None:
        self._function = function
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._running: Future[T] | None = None
        self._since_s = 0.0

    def __call__(self) -> T:
        """Call the function, and return or raise what it does.

        Raises:
            TimeoutError: It takes too long. Further calls share the one that runs and return at once.
        """
        with self._lock:
            if self._running is None:
                self._running, self._since_s = Future(), time.monotonic()
                thread = threading.Thread(
                    target=self._run, args=(self._running,), name="read NVML", daemon=True
                )
                thread.start()
            running = self._running
            left_s = max(0.0, self._since_s + self._timeout_s - time.monotonic())
        return running.result(left_s)

    def _run(self, running: "Future[T]") -> None:
        result: list[T] = []
        error: Exception | None = None
        try:
            result.append(self._function())
        except Exception as raised:  # noqa: BLE001 - raised again in the thread that waits
            error = raised
        with self._lock:
            self._running = None
        if error is None:
            running.set_result(result[0])
        else:
            running.set_exception(error)
