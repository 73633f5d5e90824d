"""How a job ends: state, pictures, refund and result in one transaction, fenced by its try.

Whoever calls second (a late worker, a cancel beside a finish) changes nothing. A cancel ends a job that waits
at once; one that is drawn stops after its current step.
"""

from collections.abc import Callable, Sequence

import structlog

from bot.commands.values import Cancel
from bot.desk.people.ledger import Ledger, refund_of
from bot.desk.queue import ChangeSignal, JobQueue
from bot.errors import AlreadyEnded, NoSuchJob, NothingToCancel, NotYours
from bot.outcomes import CancelAsked, CommandContext, JobState
from bot.policy.rights import is_host
from bot.policy.rules import Rules
from bot.store import Store
from bot.store.rows import JobRow, PictureRow
from engine.request import FailReason

log = structlog.get_logger("bot.desk")


class JobCompletion:
    """The way out of the line.

    Attributes:
        posted: Rings when a result lies ready.
    """

    def __init__(self, *, store: Store, ledger: Ledger, line: JobQueue, clock: Callable[[], int]) -> None:
        self._store = store
        self._ledger = ledger
        self._line = line
        self._clock = clock
        self.posted = ChangeSignal()

    async def end(
        self,
        job: JobRow,
        state: JobState,
        *,
        fail: FailReason | None = None,
        pictures: Sequence[PictureRow] = (),
    ) -> int | None:
        """End ``job`` as it was claimed (or, never claimed, as it waited).

        The files of ``pictures`` are on the disk already; what is missing of ``job.count`` is refunded.

        Returns:
            The refund; None, with nothing changed, when this try of the job no longer counts.
        """
        async with self._store.atomic():
            if not await self._store.jobs.end(job, state, self._clock(), fail=fail, pictures=pictures):
                log.warning("late end refused", job_id=job.id, attempt=job.attempt, state=state)
                return None
            await self._ledger.refund(job, kept=len(pictures))
            await self._store.outbox.add(job.id)
            self._store.after_commit(lambda: self._gone(job))
        refund = refund_of(job, len(pictures))
        log.info("job ended", job_id=job.id, state=state, pictures=len(pictures), fail=fail, refund=refund)
        return refund

    def _gone(self, job: JobRow) -> None:
        if job.state == JobState.QUEUED:  # one that was drawn leaves the line when its time is counted
            self._line.remove(job.id)
        self.posted.change()


class JobCancellation:
    """The way back."""

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
