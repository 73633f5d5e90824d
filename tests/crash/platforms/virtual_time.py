"""Hours in seconds: an event loop whose clock jumps to the next timer as soon as no other work is left.

For code without sockets. The loop waits for work in other threads in real time; it knows the work of
``run_in_executor`` and of ``outside`` blocks.
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
    """Waits only for threads."""

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
    """An event loop that is ``ahead_s`` ahead of the real clock; ``threads`` are at work."""

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
        """Wait in real time while this block runs, because a thread that the loop does not know works."""
        self.threads += 1
        try:
            yield
        finally:
            self.threads -= 1

    def _back(self, _: "Future[Any] | asyncio.Future[Any]") -> None:
        self.threads -= 1


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run the coroutine on a new ``VirtualLoop``."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)
