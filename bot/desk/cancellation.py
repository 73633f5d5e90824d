"""Cancel a job: a waiting one at once, a running one after its current step."""

from collections.abc import Callable

from bot.commands.values import Cancel
from bot.desk.hosting.audit import HostAudit
from bot.desk.results import JobCompletion
from bot.errors import AlreadyEnded, NoSuchJob, NothingToCancel, NotYours
from bot.outcomes import CancelAccepted, CommandContext, JobState
from bot.policy.live import LiveRules
from bot.policy.rules import is_host
from bot.store import Store
from bot.store.rows import JobRow


class JobCancellation:
    """Cancels jobs.

    Args:
        stop_drawing: Stops a running job.
    """

    def __init__(
        self,
        *,
        store: Store,
        completion: JobCompletion,
        rules: LiveRules,
        audit: HostAudit,
        stop_drawing: Callable[[str], None],
    ) -> None:
        self._store = store
        self._completion = completion
        self._rules = rules
        self._audit = audit
        self._stop_drawing = stop_drawing

    async def cancel(self, command: Cancel, context: CommandContext) -> CancelAccepted:
        """Cancel the named job, or the person's newest that has not ended.

        Raises:
            NotAllowed: NotYours; hosts may cancel every job.
            NotPossible: NoSuchJob, NothingToCancel, AlreadyEnded.
        """
        async with self._store.atomic():
            person = await self._store.people.find(context.platform, context.user_id)
            job = await self._find(command, context, person)
            if JobState(job.state).has_ended:
                raise AlreadyEnded(job_id=job.id)
            if job.person != person:
                await self._audit.note(context, "cancel", job.id)
            return await self.end(job)

    async def end(self, job: JobRow) -> CancelAccepted:
        """Cancel a job that has not ended, in the transaction of the caller."""
        if job.state == JobState.QUEUED:
            refund = await self._completion.end(job, JobState.CANCELLED)
            return CancelAccepted(job.id, was_running=False, refund=refund or 0)
        await self._store.jobs.request_cancel(job.id)
        self._store.after_commit(lambda: self._stop_drawing(job.id))
        return CancelAccepted(job.id, was_running=True, is_paid=job.price > 0)

    async def _find(self, command: Cancel, context: CommandContext, person: int | None) -> JobRow:
        if command.job_id:
            job = await self._store.jobs.find(command.job_id)
            if job is None:
                raise NoSuchJob(job_id=command.job_id)
            if job.person != person and not is_host(context, self._rules.now):
                raise NotYours(job_id=job.id)
            return job
        if person is None or not (unended := await self._store.jobs.unfinished_of(person)):
            raise NothingToCancel
        return unended[0]
