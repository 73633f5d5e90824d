"""How often a waiting job's answer is edited: not faster than Discord likes, and never after its result.

The newest state wins. What is held here is only what has not been shown yet; a crash loses nothing but that.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

INTERVAL_S = 2.0  # a webhook takes 5 requests in 2 s; the result must never find its bucket empty
MADE_TIMEOUT_S = 30.0
REMEMBERED_ENDINGS = 1000  # a status that overtakes its result is seconds late, not a thousand jobs

Edit = Callable[[], Awaitable[bool]]
"""Makes one edit; False when the answer can take no more of them."""


@dataclass(slots=True)
class _Line:
    newest: Edit | None = None
    editing: asyncio.Lock = field(default_factory=asyncio.Lock)
    task: asyncio.Task[None] | None = None
    first: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Pace:
    """One line of edits for each job."""

    def __init__(self, interval_s: float = INTERVAL_S) -> None:
        self._interval_s = interval_s
        self._lines: dict[str, _Line] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()

    def offer(self, job_id: str, edit: Edit) -> bool:
        """Make this edit as soon as the pace allows, unless a newer one or the end comes first.

        Returns:
            False when the job ended, or its answer can take no more edits.
        """
        if job_id in self._ended:
            return False
        line = self._lines.setdefault(job_id, _Line())
        line.newest = edit
        if line.task is None:
            line.task = asyncio.create_task(self._run(job_id, line), name=f"discord status {job_id}")
        return True

    async def made(self, job_id: str, timeout_s: float = MADE_TIMEOUT_S) -> None:
        """Return when the edit that is offered now was made, or dropped, or takes too long."""
        line = self._lines.get(job_id)
        if line is not None:
            await asyncio.wait({line.first}, timeout=timeout_s)

    async def end(self, job_id: str) -> None:
        """Let no further edit of this job begin, and wait for the one under way."""
        self._remember(job_id)
        line = self._lines.pop(job_id, None)
        if line is None or line.task is None:
            return
        async with line.editing:
            line.task.cancel()
        await asyncio.wait([line.task])

    async def close(self) -> None:
        """Drop every edit that was not made yet."""
        for job_id in tuple(self._lines):
            await self.end(job_id)

    async def _run(self, job_id: str, line: _Line) -> None:
        try:
            while line.newest is not None:
                async with line.editing:
                    edit, line.newest = line.newest, None
                    if job_id in self._ended:
                        return
                    if not await edit():
                        self._remember(job_id)
                        break
                if not line.first.done():
                    line.first.set_result(None)
                await asyncio.sleep(self._interval_s)
        finally:  # also where an edit fails in a way that nobody foresaw: the next one begins a new line
            self._lines.pop(job_id, None)
            if not line.first.done():
                line.first.set_result(None)

    def _remember(self, job_id: str) -> None:
        self._ended[job_id] = None
        while len(self._ended) > REMEMBERED_ENDINGS:
            self._ended.popitem(last=False)
