"""Hours in seconds: an event loop whose clock jumps to the next timer as soon as nothing else is to be done.

For code without sockets. Work in other threads is waited for in real time: the loop sees what
``run_in_executor`` is given, and what is done ``outside``.
"""

import asyncio
import selectors
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")
LOOK_AGAIN_S = 0.05


class _JumpingSelector(selectors.DefaultSelector):
    """Waits for nothing but threads."""

    loop: "VirtualLoop"

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        if events := super().select(LOOK_AGAIN_S if self.loop.threads else 0):
            return events
        if not self.loop.threads:
            self.loop.ahead_s += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Attributes: ``ahead_s`` of the real clock, ``threads`` that are at work."""

    def __init__(self) -> None:
        self.ahead_s = 0.0
        self.threads = 0
        selector = _JumpingSelector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return super().time() + self.ahead_s

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:
        self.threads += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._back)
        return future

    @contextmanager
    def outside(self) -> Iterator[None]:
        """While this block runs, a thread that the loop does not know is waited for."""
        self.threads += 1
        try:
            yield
        finally:
            self.threads -= 1

    def _back(self, _: "Future[Any] | asyncio.Future[Any]") -> None:
        self.threads -= 1


def run(work: Coroutine[Any, Any, T]) -> T:
    """``asyncio.run`` on such a loop."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)
