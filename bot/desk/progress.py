"""Publish the progress of jobs that have not ended, in their placeholder messages.

Only the newest status of a job counts, and a status lost in a crash is published again by the next step.
Each job has at most one ``show`` in flight; ``stop_updates`` waits for it, so that no late status replaces a
result.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from bot.desk.queue import ChangeSignal, JobQueue, wait_for_change
from bot.outcomes import Address, JobResult, JobState, Platform, Status
from bot.store import Store
from engine.request import Picture, Progress

log = structlog.get_logger("bot.desk")

ANNOUNCED_POSITIONS = (1, 2, 3, 5, 10)  # a placeholder is edited when its job first comes this near
FAR = ANNOUNCED_POSITIONS[-1] + 1  # every position beyond
PUBLISH_EVERY_S = 1.0  # Telegram's limit for one chat
SHOW_TIMEOUT_S = 10.0
ANNOUNCED_AT_ONCE = 20  # of a thousand jobs that wait at a start, the last is announced within a minute


class ChatOutput(Protocol):
    """What the desk needs of a chat; ``bot.chats.contract.Chat`` fulfils it."""

    async def show(self, status: Status) -> None:
        """Update the job's placeholder."""

    async def deliver(self, result: JobResult) -> None:
        """Deliver an ended job.

        Raises:
            Undeliverable: The address can never receive it.
            RetryLater: The platform says when to try again. After any other error the desk decides when.
        """


@dataclass(frozen=True, slots=True)
class _Step:
    """The newest step of a job that is being drawn, and its complete pictures."""

    progress: Progress
    pictures: tuple[Picture, ...] = ()


class ProgressPublisher:
    """Publishes positions and steps to the chats.

    Args:
        every_s: The shortest time between two updates of a placeholder; only the newest status is sent.
    """

    def __init__(self, *, store: Store, queue: JobQueue, every_s: float = PUBLISH_EVERY_S) -> None:
        self._store = store
        self._queue = queue
        self._every_s = every_s
        self._changed = ChangeSignal()
        self._was_loading = False
        self._unpublished: dict[str, _Step | None] = {}  # job → its step; None: its position
        self._announced: dict[str, int] = {}  # waiting job → the position that its placeholder shows
        self._showing: dict[str, asyncio.Task[None]] = {}
        self._unannounced: deque[str] = deque()

    def publish_step(self, progress: Progress, pictures: tuple[Picture, ...] = ()) -> None:
        """Publish that a step is done (0: the job starts) and ``pictures`` of the job are complete."""
        self._queue.scheduler.progress(progress.job_id, progress.index + progress.step / progress.steps)
        if self._was_loading != self._queue.is_loading():
            self.queue_changed()
        self._unpublished[progress.job_id] = _Step(progress, pictures)
        self._changed.notify()

    def queue_changed(self, joined: str = "") -> None:
        """Publish the positions of jobs that came near, and of all near jobs once the model is loaded."""
        is_loading = self._queue.is_loading()
        has_loaded = self._was_loading and not is_loading
        self._was_loading = is_loading
        self._announced = {
            job: position for job, position in self._announced.items() if job in self._queue.jobs
        }
        for job_id in self._queue.scheduler.queue(FAR):
            position = announced_position(self._queue.scheduler.ahead_of(job_id).jobs)
            is_nearer = position < self._announced.get(job_id, FAR)
            if job_id == joined:
                self._announced.setdefault(job_id, position)  # its receipt shows its first position
            elif is_nearer:  # other jobs may also move ahead of it; that is not published
                self._announced[job_id] = position
            if has_loaded or (is_nearer and job_id != joined):
                self._unpublished[job_id] = None
                self._changed.notify()

    def announce_positions(self, job_ids: Iterable[str]) -> None:
        """Publish the positions of an earlier run's jobs, a few at a time: their chats do not know them."""
        self._unannounced.extend(job_ids)
        self._changed.notify()

    async def stop_updates(self, job_id: str) -> None:
        """Publish nothing more about this job; return when no status of it is in flight."""
        self._unpublished.pop(job_id, None)
        if task := self._showing.get(job_id):
            await asyncio.wait({task})

    async def run(self, chats: Mapping[Platform, ChatOutput]) -> None:
        """Publish until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                for _ in range(min(ANNOUNCED_AT_ONCE, len(self._unannounced))):
                    self._unpublished.setdefault(self._unannounced.popleft(), None)
                if not self._unpublished:
                    await wait_for_change(self._changed.next_change, None)
                for job_id in [job_id for job_id in self._unpublished if job_id not in self._showing]:
                    show = self._show(job_id, self._unpublished.pop(job_id), chats)
                    self._showing[job_id] = group.create_task(show, name=f"show {job_id}")
                await asyncio.sleep(self._every_s)

    async def _show(self, job_id: str, step: _Step | None, chats: Mapping[Platform, ChatOutput]) -> None:
        state = JobState.QUEUED if step is None else JobState.RUNNING
        queue = self._queue
        try:
            job = await self._store.jobs.find(job_id)
            if job is None or job.state != state or not (chat := chats.get(Platform(job.platform))):
                return
            address = Address(Platform(job.platform), job.chat_id, job.ref)
            status = Status(job.id, address, job.locale, job.count, None, is_loading=queue.is_loading())
            if step is None:
                position = queue.scheduler.ahead_of(job.id).jobs
                status = replace(status, position=position, wait=queue.estimate_wait(job.id))
            else:
                index, done, steps = step.progress.index, step.progress.step, step.progress.steps
                status = replace(status, index=index, step=done, steps=steps, pictures=step.pictures)
            async with asyncio.timeout(SHOW_TIMEOUT_S):
                await chat.show(status)
        except Exception as error:  # noqa: BLE001 - supervision: a status is tried once, whatever a platform raises
            log.info("status not shown", job_id=job_id, error=type(error).__name__)
        finally:
            self._showing.pop(job_id, None)


def announced_position(position: int) -> int:
    """Return the announced position that ``position`` has reached; all positions beyond the last are one."""
    return next((announced for announced in ANNOUNCED_POSITIONS if position <= announced), FAR)
