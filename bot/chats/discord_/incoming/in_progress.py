"""The answers in progress, so that a stop waits for them and ends those that take too long."""

import asyncio


class AnswersInProgress:
    """The tasks that answer events of one connection."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[object]] = set()

    def add(self, task: asyncio.Task[object]) -> None:
        """Know this task until it ends."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def drain(self, timeout_s: float) -> None:
        """Wait for the present answers, but no longer than ``timeout_s``."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout_s)

    async def end(self) -> None:
        """Cancel all answers and wait until they have ended; the next start answers the stored events."""
        if tasks := tuple(self._tasks):
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
