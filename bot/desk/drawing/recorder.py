"""What becomes of a job that was claimed: it ends with its pictures, or waits again.

Each method is one transaction, and may be asked again when the disk took nothing.
"""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from bot.desk.completion import JobCompletion
from bot.desk.files import LogLimiter, save_pictures
from bot.desk.queue import JobQueue
from bot.outcomes import JobState
from bot.store import Store
from bot.store.rows import JobRow, PictureRow
from engine.durable import is_disk_full
from engine.request import Failed, FailReason, Finished, Picture, Stopped

log = structlog.get_logger("bot.desk")

MAX_ATTEMPTS = 3  # a job that ended the worker this often would end it again: others must be served


class ResultRecorder:
    """The way from an answer to the store.

    Args:
        is_closing: Whether a job that stopped was stopped by us.
    """

    def __init__(
        self,
        *,
        store: Store,
        line: JobQueue,
        completion: JobCompletion,
        pictures_dir: Path,
        is_closing: Callable[[], bool],
    ) -> None:
        self._store = store
        self._line = line
        self._completion = completion
        self._pictures_dir = pictures_dir
        self._is_closing = is_closing
        self._full = LogLimiter("disk full: drawn pictures were lost and refunded")

    async def settle(
        self, job: JobRow, answer: Finished | Stopped | Failed, drawn: Sequence[Picture]
    ) -> None:
        """The renderer has answered: the job ends, or, stopped by us, waits again with its try given back."""
        if isinstance(answer, Stopped) and await self._is_our_stop(job):
            await self.put_back(job, uses_attempt=False)
            return
        pictures = await self._save(job, drawn)
        if pictures is None:
            await self._completion.end(job, JobState.FAILED, fail=FailReason.DISK_FULL)
            return
        match answer:
            case Finished() if len(pictures) == job.count:
                await self._completion.end(job, JobState.DONE, pictures=pictures)
            case Finished():
                log.error("finished without every picture", job_id=job.id, pictures=len(pictures))
                await self._completion.end(
                    job, JobState.FAILED, fail=FailReason.WORKER_ERROR, pictures=pictures
                )
            case Failed(reason=reason, detail=detail):
                log.warning("job failed", job_id=job.id, reason=reason, detail=detail)
                await self._completion.end(job, JobState.FAILED, fail=reason, pictures=pictures)
            case Stopped():
                await self._completion.end(job, JobState.CANCELLED, pictures=pictures)

    async def give_up(self, job: JobRow) -> None:
        """Something that nobody foresaw befell the job: it ends, refunded."""
        await self._completion.end(job, JobState.FAILED, fail=FailReason.WORKER_ERROR)

    async def refuse(self, job_id: str) -> None:
        """The job can never fit the card: it ends without a try."""
        if (job := await self._store.jobs.find(job_id)) and job.state == JobState.QUEUED:
            await self._completion.end(job, JobState.FAILED, fail=FailReason.OUT_OF_MEMORY)

    async def take_back(self, job: JobRow, drawn: Sequence[Picture]) -> None:
        """The worker or this process ended under the job: it waits again, unless that came too often."""
        now = await self._store.jobs.find(job.id)
        if job.attempt < MAX_ATTEMPTS or (now is not None and now.cancel_requested):
            await self.put_back(job, uses_attempt=True)
            return
        pictures = await self._save(job, drawn) or ()
        await self._completion.end(job, JobState.FAILED, fail=FailReason.WORKER_ERROR, pictures=pictures)

    async def put_back(self, job: JobRow, *, uses_attempt: bool) -> None:
        """The job waits again; a late call for a try that no longer counts changes nothing."""
        async with self._store.atomic():
            if queued := await self._store.jobs.requeue(job, uses_attempt=uses_attempt):
                await self.let_wait(queued)

    async def let_wait(self, queued: JobRow) -> None:
        """Put a queued job into the line; one whose cancel was asked while it was drawn ends here."""
        async with self._store.atomic():
            if queued.cancel_requested:
                await self._completion.end(queued, JobState.CANCELLED)
            else:
                self._store.after_commit(lambda: self._line.add(queued))

    async def _save(self, job: JobRow, drawn: Sequence[Picture]) -> tuple[PictureRow, ...] | None:
        """Write the pictures; None, and nothing written, where the disk is full."""
        try:
            return await asyncio.to_thread(save_pictures, job.id, drawn, self._pictures_dir)
        except OSError as error:
            if not is_disk_full(error):
                raise
            self._full.error(job_id=job.id, folder=str(self._pictures_dir))
            return None

    async def _is_our_stop(self, job: JobRow) -> bool:
        now = await self._store.jobs.find(job.id)
        return self._is_closing() and now is not None and not now.cancel_requested
