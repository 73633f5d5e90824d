"""News of jobs that have not ended, for their placeholders: the newest wins, and results go first.

Nothing here needs to survive: a status lost in a crash is made again by the next step. Each job has at most
one ``show`` on its way; ``silence`` waits for it, so that no late status overwrites a result.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from bot.desk.queue import ChangeSignal, JobQueue, wait_for_change
from bot.outcomes import Address, JobState, Platform, Status
from bot.store import Store
from bot.store.rows import JobRow
from engine.request import Picture, Progress

log = structlog.get_logger("bot.desk")

TOLD_PLACES = (1, 2, 3, 5, 10)  # a placeholder is edited when its job first comes this far, not at every move
FAR = TOLD_PLACES[-1] + 1  # every place beyond
SHOW_EVERY_S = 1.0  # Telegram's limit for one chat; between two, only the newest counts
SHOW_TIMEOUT_S = 10.0
REMINDED_AT_ONCE = 20  # of a thousand that wait at a start the last hears of it within a minute


@dataclass(frozen=True, slots=True)
class _Step:
    """What a job that is being drawn shows: its newest step, and the pictures that are complete."""

    progress: Progress
    pictures: tuple[Picture, ...] = ()


News = _Step | None  # None: its place in the line


class Shows(Protocol):
    """A chat, from this side."""

    async def show(self, status: Status) -> None:
        """Update the job's placeholder."""


class ProgressPublisher:
    """Shows chats where their jobs stand."""

    def __init__(self, *, store: Store, line: JobQueue, every_s: float = SHOW_EVERY_S) -> None:
        self._store = store
        self._line = line
        self._every_s = every_s
        self._changed_signal = ChangeSignal()
        self._was_loading = False
        self._news: dict[str, News] = {}
        self._told: dict[str, int] = {}
        self._showing: dict[str, asyncio.Task[None]] = {}
        self._to_remind: deque[str] = deque()

    def drawing(self, progress: Progress, pictures: tuple[Picture, ...] = ()) -> None:
        """A step of this job is done (0: it begins); ``pictures`` of it are complete."""
        self._line.progress(progress)
        self._notice_loading()
        self._news[progress.job_id] = _Step(progress, pictures)
        self._changed_signal.change()

    def queue_changed(self, joined: str = "") -> None:
        """Places have changed; whoever came near enough is told. Looks at those who are near alone."""
        self._notice_loading()
        self._told = {job_id: place for job_id, place in self._told.items() if self._line.waits(job_id)}
        for job_id in self._line.queue(FAR):
            place = announced_position(self._line.position(job_id))
            if job_id == joined:
                self._told.setdefault(job_id, place)  # its first place was in its receipt
            elif place < self._told.get(job_id, FAR):  # others may come before it, which is no news
                self._told[job_id] = place
                self._news[job_id] = None
                self._changed_signal.change()

    def remind(self, jobs: Iterable[str]) -> None:
        """Tell jobs of an earlier run where they stand, a few at a time: their chats know of none yet."""
        self._to_remind.extend(jobs)
        self._changed_signal.change()

    async def silence(self, job_id: str) -> None:
        """Say no more about this job; returns when nothing about it is on its way."""
        self._news.pop(job_id, None)
        if task := self._showing.get(job_id):
            await asyncio.wait({task})

    async def run(self, chats: Mapping[Platform, Shows]) -> None:
        """Show news until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                for _ in range(min(REMINDED_AT_ONCE, len(self._to_remind))):
                    self._news.setdefault(self._to_remind.popleft(), None)
                if not self._news:
                    await wait_for_change(self._changed_signal.next_change(), None)
                for job_id in [job_id for job_id in self._news if job_id not in self._showing]:
                    show = self._show(job_id, self._news.pop(job_id), chats)
                    self._showing[job_id] = task = group.create_task(show, name=f"show {job_id}")
                    task.add_done_callback(self._forget(job_id))
                await asyncio.sleep(self._every_s)

    def _notice_loading(self) -> None:
        """Once the model is loaded, tell those near; until then they were told that it loads."""
        is_loading = self._line.is_loading()
        if self._was_loading and not is_loading:
            for job_id in self._line.queue(FAR):
                self._news[job_id] = None
                self._changed_signal.change()
        self._was_loading = is_loading

    def _forget(self, job_id: str) -> Callable[[asyncio.Task[None]], None]:
        def forget(_: asyncio.Task[None]) -> None:
            self._showing.pop(job_id, None)

        return forget

    async def _show(self, job_id: str, news: News, chats: Mapping[Platform, Shows]) -> None:
        wanted = JobState.QUEUED if news is None else JobState.RUNNING
        try:
            job = await self._store.jobs.find(job_id)
            if job is None or job.state != wanted or not (chat := chats.get(Platform(job.platform))):
                return
            async with asyncio.timeout(SHOW_TIMEOUT_S):
                await chat.show(self._status(job, news))
        except Exception as error:  # noqa: BLE001 - desk loop: a status is worth one try, whatever a platform raises
            log.info("status not shown", job_id=job_id, error=type(error).__name__)

    def _status(self, job: JobRow, news: News) -> Status:
        address = Address(Platform(job.platform), job.chat_id, job.ref)
        status = Status(job.id, address, job.locale, job.count, None, is_loading=self._line.is_loading())
        if news is None:
            return replace(status, position=self._line.position(job.id), wait=self._line.wait(job.id))
        progress = news.progress
        return replace(
            status, index=progress.index, step=progress.step, steps=progress.steps, pictures=news.pictures
        )


def announced_position(place: int) -> int:
    """The step of the schedule that ``place`` has reached; all places beyond it are one."""
    return next((told for told in TOLD_PLACES if place <= told), FAR)
