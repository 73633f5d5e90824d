"""How a claimed job ends or waits again.

A job ends in one transaction: state, pictures, refund and result, fenced by its attempt. A second end (a late
worker, a cancel beside a finish) changes nothing. Every method may be repeated when the disk was full.
"""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from bot.commands.values import Cancel
from bot.desk.files import LogLimiter, save_pictures
from bot.desk.people.ledger import Ledger
from bot.desk.queue import ChangeSignal, JobQueue
from bot.errors import AlreadyEnded, NoSuchJob, NothingToCancel, NotYours
from bot.outcomes import CancelAsked, CommandContext, JobState
from bot.policy.rules import Rules, is_host
from bot.store import Store
from bot.store.rows import JobRow, PictureRow
from engine.durable import is_disk_full
from engine.request import Failed, FailReason, Finished, Picture, Stopped

log = structlog.get_logger("bot.desk")

MAX_ATTEMPTS = 3  # a job that ended the worker this often would end it again


class JobCompletion:
    """Records how claimed jobs end, or puts them back into the queue.

    Args:
        pictures_dir: The folder of the pictures; created when the first one is saved.
        clock: UTC milliseconds.

    Attributes:
        result_ready: Notified when the outbox has a new result.
    """

    def __init__(
        self,
        *,
        store: Store,
        ledger: Ledger,
        queue: JobQueue,
        pictures_dir: Path,
        clock: Callable[[], int],
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._queue = queue
        self._pictures_dir = pictures_dir
        self._clock = clock
        self._full = LogLimiter("disk full: drawn pictures were lost and refunded")
        self.result_ready = ChangeSignal()

    async def end(
        self,
        job: JobRow,
        state: JobState,
        *,
        fail: FailReason | None = None,
        pictures: Sequence[PictureRow] = (),
    ) -> int | None:
        """End ``job`` as it was claimed (or, never claimed, as it waited).

        The files of ``pictures`` are on the disk; the missing pictures of ``job.count`` are refunded.

        Returns:
            The refund; None, with nothing changed, when this attempt of the job no longer counts.
        """
        async with self._store.atomic():
            if not await self._store.jobs.end(job, state, self._clock(), fail=fail, pictures=pictures):
                log.warning("late end refused", job_id=job.id, attempt=job.attempt, state=state)
                return None
            refund = await self._ledger.refund(job, kept=len(pictures))
            if job.state == JobState.QUEUED:  # a drawn job has left the queue when its time was charged
                self._store.after_commit(lambda: self._queue.remove(job.id))
            self._store.after_commit(self.result_ready.notify)
        log.info("job ended", job_id=job.id, state=state, pictures=len(pictures), fail=fail, refund=refund)
        return refund

    async def record_answer(
        self, job: JobRow, answer: Finished | Stopped | Failed, drawn: Sequence[Picture], *, is_closing: bool
    ) -> None:
        """End the job by the renderer's answer; requeue it unharmed if our own stop interrupted it."""
        if isinstance(answer, Stopped) and is_closing and not await self._is_cancelled(job):
            await self.requeue(job, uses_attempt=False)
            return
        pictures = await self._save_pictures(job, drawn)
        if pictures is None:
            await self.end(job, JobState.FAILED, fail=FailReason.DISK_FULL)
            return
        match answer:
            case Finished() if len(pictures) == job.count:
                await self.end(job, JobState.DONE, pictures=pictures)
            case Finished():
                log.error("finished without every picture", job_id=job.id, pictures=len(pictures))
                await self.end(job, JobState.FAILED, fail=FailReason.WORKER_ERROR, pictures=pictures)
            case Failed(reason=reason, detail=detail):
                log.warning("job failed", job_id=job.id, reason=reason, detail=detail)
                await self.end(job, JobState.FAILED, fail=reason, pictures=pictures)
            case Stopped():
                await self.end(job, JobState.CANCELLED, pictures=pictures)

    async def fail(self, job: JobRow) -> None:
        """End a job after an unexpected error, with a full refund."""
        await self.end(job, JobState.FAILED, fail=FailReason.WORKER_ERROR)

    async def refuse(self, job_id: str) -> None:
        """End a waiting job that can never fit the card."""
        if (job := await self._store.jobs.find(job_id)) and job.state == JobState.QUEUED:
            await self.end(job, JobState.FAILED, fail=FailReason.OUT_OF_MEMORY)

    async def use_attempt(self, job: JobRow, drawn: Sequence[Picture]) -> None:
        """Requeue a job whose worker or process ended while it was drawn; end it after its last attempt."""
        if job.attempt < MAX_ATTEMPTS or await self._is_cancelled(job):
            await self.requeue(job, uses_attempt=True)
            return
        pictures = await self._save_pictures(job, drawn) or ()
        await self.end(job, JobState.FAILED, fail=FailReason.WORKER_ERROR, pictures=pictures)

    async def requeue(self, job: JobRow, *, uses_attempt: bool) -> None:
        """Put a claimed job back into the queue; nothing changes when this attempt no longer counts."""
        async with self._store.atomic():
            if queued := await self._store.jobs.requeue(job, uses_attempt=uses_attempt):
                await self.enqueue(queued)

    async def enqueue(self, queued: JobRow) -> None:
        """Add a queued job to the queue; end it if its cancel was requested while it was drawn."""
        async with self._store.atomic():
            if queued.cancel_requested:
                await self.end(queued, JobState.CANCELLED)
            else:
                self._store.after_commit(lambda: self._queue.add(queued))

    async def _save_pictures(self, job: JobRow, drawn: Sequence[Picture]) -> tuple[PictureRow, ...] | None:
        """Write the pictures; None, with nothing written, if the disk is full."""
        try:
            return await asyncio.to_thread(save_pictures, job.id, drawn, self._pictures_dir)
        except OSError as error:
            if not is_disk_full(error):
                raise
            self._full.error(job_id=job.id, folder=str(self._pictures_dir))
            return None

    async def _is_cancelled(self, job: JobRow) -> bool:
        stored = await self._store.jobs.find(job.id)
        return stored is not None and stored.cancel_requested


class JobCancellation:
    """Cancels jobs: a waiting one at once, a running one after its current step.

    Args:
        stop_drawing: Stops a running job.
    """

    def __init__(
        self, *, store: Store, completion: JobCompletion, rules: Rules, stop_drawing: Callable[[str], None]
    ) -> None:
        self._store = store
        self._completion = completion
        self._rules = rules
        self._stop_drawing = stop_drawing

    async def cancel(self, command: Cancel, context: CommandContext) -> CancelAsked:
        """Cancel the named job, or the person's newest that has not ended.

        Raises:
            NotAllowed: NotYours; hosts may cancel every job.
            NotPossible: NoSuchJob, NothingToCancel, AlreadyEnded.
        """
        async with self._store.atomic():
            job = await self._find(command, context)
            if JobState(job.state).has_ended:
                raise AlreadyEnded(job_id=job.id)
            if job.state == JobState.QUEUED:
                refund = await self._completion.end(job, JobState.CANCELLED)
                return CancelAsked(job.id, was_running=False, refund=refund or 0)
            await self._store.jobs.request_cancel(job.id)
            self._store.after_commit(lambda: self._stop_drawing(job.id))
            return CancelAsked(job.id, was_running=True)

    async def _find(self, command: Cancel, context: CommandContext) -> JobRow:
        person = await self._store.people.find(context.platform, context.user_id)
        if command.job_id:
            job = await self._store.jobs.find(command.job_id)
            if job is None:
                raise NoSuchJob(job_id=command.job_id)
            if job.person != person and not is_host(context, self._rules):
                raise NotYours(job_id=job.id)
            return job
        if person is None or not (unended := await self._store.jobs.unfinished_of(person)):
            raise NothingToCancel
        return unended[0]
