"""Limits how often the bot edits the placeholder of a job, and stops the edits before the result arrives.

A newer edit replaces one that still waits. The throttle holds only edits that were not made yet, so a crash
loses nothing else.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

INTERVAL_S = 2.0  # a webhook allows 5 requests in 2 s; the result must always find one of them free
FIRST_EDIT_TIMEOUT_S = 30.0
REMEMBERED_JOBS = 1000  # a late status comes seconds after its result, not a thousand jobs after it

MessageEdit = Callable[[], Awaitable[bool]]
"""Makes one edit; False if the answer accepts no more edits."""


@dataclass(slots=True)
class _JobEdits:
    newest: MessageEdit | None = None
    editing: asyncio.Lock = field(default_factory=asyncio.Lock)
    task: asyncio.Task[None] | None = None
    first: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class EditThrottle:
    """One sequence of edits for each job."""

    def __init__(self, interval_s: float = INTERVAL_S) -> None:
        self._interval_s = interval_s
        self._jobs: dict[str, _JobEdits] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()

    def schedule(self, job_id: str, edit: MessageEdit) -> bool:
        """Make this edit as soon as the interval allows, unless a newer edit or the end comes first.

        Returns:
            False if the job has ended or its answer accepts no more edits.
        """
        if job_id in self._ended:
            return False
        edits = self._jobs.setdefault(job_id, _JobEdits())
        edits.newest = edit
        if edits.task is None:
            edits.task = asyncio.create_task(self._run(job_id, edits), name=f"discord status {job_id}")
        return True

    async def wait_for_first_edit(self, job_id: str, timeout_s: float = FIRST_EDIT_TIMEOUT_S) -> None:
        """Wait until the first scheduled edit was made or dropped, but no longer than ``timeout_s``."""
        edits = self._jobs.get(job_id)
        if edits is not None:
            await asyncio.wait({edits.first}, timeout=timeout_s)

    async def end(self, job_id: str) -> None:
        """Start no further edit of this job, and wait for the edit in progress."""
        self._remember_end(job_id)
        edits = self._jobs.pop(job_id, None)
        if edits is None or edits.task is None:
            return
        async with edits.editing:
            edits.task.cancel()
        await asyncio.wait([edits.task])

    async def close(self) -> None:
        """Drop every edit that was not made yet."""
        for job_id in tuple(self._jobs):
            await self.end(job_id)

    async def _run(self, job_id: str, edits: _JobEdits) -> None:
        try:
            while edits.newest is not None:
                async with edits.editing:
                    edit, edits.newest = edits.newest, None
                    if job_id in self._ended:
                        return
                    if not await edit():
                        self._remember_end(job_id)
                        break
                if not edits.first.done():
                    edits.first.set_result(None)
                await asyncio.sleep(self._interval_s)
        finally:  # also after an unexpected error: the next edit starts a new sequence
            self._jobs.pop(job_id, None)
            if not edits.first.done():
                edits.first.set_result(None)

    def _remember_end(self, job_id: str) -> None:
        self._ended[job_id] = None
        while len(self._ended) > REMEMBERED_JOBS:
            self._ended.popitem(last=False)
