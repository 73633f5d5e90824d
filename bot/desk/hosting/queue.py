"""The answer to ``/queue``: who waits for which job. Prompts of private jobs stay hidden."""

from collections.abc import Callable

from bot.commands.values import ShowQueue
from bot.desk.hosting.pausing import Pausing
from bot.desk.hosting.subjects import who_of
from bot.desk.queue import JobQueue
from bot.outcomes import CommandContext, JobState, QueuedJob, QueueListing, Who
from bot.policy.rules import require_private_chat
from bot.store import Store
from bot.store.rows import JobRow

PAGE_JOBS = 12  # one screen


class QueueView:
    """Answers ``ShowQueue``.

    Args:
        running: Returns the job on the card; empty for none.
        clock: UTC milliseconds.
    """

    def __init__(
        self,
        *,
        store: Store,
        queue: JobQueue,
        pausing: Pausing,
        running: Callable[[], str],
        clock: Callable[[], int],
    ) -> None:
        self._store = store
        self._queue = queue
        self._pausing = pausing
        self._running = running
        self._clock = clock

    async def show(self, command: ShowQueue, context: CommandContext) -> QueueListing:
        """Return a page of the jobs in the order in which they are drawn; the last one, if there are fewer.

        Raises:
            NotInPublic: Others read this chat.
        """
        require_private_chat(command, context)
        jobs = self._store.jobs
        async with self._store.atomic():
            unfinished = (*await jobs.in_state(JobState.RUNNING), *await jobs.in_state(JobState.QUEUED))
            ordered = sorted(unfinished, key=self._place_of)
            page = max(1, min(command.page, -(-len(ordered) // PAGE_JOBS)))
            listed = ordered[(page - 1) * PAGE_JOBS : page * PAGE_JOBS]
            rows = await self._store.identities.of(job.person for job in listed)
        who = {
            job.id: who_of([row for row in rows if row.person == job.person], job.platform) for job in listed
        }
        first = (page - 1) * PAGE_JOBS + 1
        shown = tuple(self._shown(job, who[job.id], number) for number, job in enumerate(listed, first))
        more = max(0, len(ordered) - page * PAGE_JOBS)
        return QueueListing(shown, more, self._pausing.now, page)

    def _place_of(self, job: JobRow) -> tuple[int, int]:
        ahead = -1 if job.id == self._running() else self._queue.scheduler.ahead_of(job.id).jobs
        return ahead, job.accepted_order

    def _shown(self, job: JobRow, who: Who, number: int) -> QueuedJob:
        recipe, is_drawn = job.recipe, job.id == self._running()
        size = recipe.sheet or recipe
        return QueuedJob(
            job_id=job.id,
            who=who,
            age_s=max(0, self._clock() - job.created_ms) / 1_000,
            width_px=size.width_px,
            height_px=size.height_px,
            count=recipe.count,
            loras=tuple(lora.name for lora in recipe.loras),
            position=None if is_drawn else self._queue.scheduler.ahead_of(job.id).jobs,
            wait=None if is_drawn else self._queue.estimate_wait(job.id),
            typed="" if job.private else recipe.typed,
            is_private=job.private,
            number=number,
        )
