"""The answer to ``/status``: the card, the queue and the person's own jobs, and nothing of other people."""

from collections.abc import Awaitable, Callable

from bot.commands.values import ShowStatus
from bot.desk.hosting.pausing import Pausing
from bot.desk.queue import JobQueue
from bot.outcomes import CommandContext, Recipe, StatusShown, UnfinishedJob
from bot.store import Store
from bot.store.rows import JobRow
from engine.checkpoint.model import ModelInfo
from engine.host.report import CardReport
from engine.request import TimeEstimate

NOBODY = 0  # no person has this number


class StatusView:
    """Answers ``ShowStatus``.

    Args:
        report_card: Returns the state of the card without its chart, for a number of waiting jobs.
        running: Returns the job on the card; empty for none.
    """

    def __init__(
        self,
        *,
        store: Store,
        queue: JobQueue,
        pausing: Pausing,
        model: ModelInfo,
        report_card: Callable[[int], Awaitable[CardReport]],
        running: Callable[[], str],
    ) -> None:
        self._store = store
        self._queue = queue
        self._pausing = pausing
        self._model = model
        self._report_card = report_card
        self._running = running

    async def show(self, command: ShowStatus, context: CommandContext) -> StatusShown:
        """Return what the bot does now; where others read it, without the text of the person's jobs."""
        person = await self._store.people.find(context.platform, context.user_id)
        jobs = () if person is None else await self._store.jobs.unfinished_of(person)
        own = [self._own(job, is_shared=context.is_group) for job in jobs]
        waiting = self._queue.scheduler.waiting
        return StatusShown(
            card=await self._report_card(waiting),
            service=self._pausing.now,
            is_drawing=bool(self._running()),
            wait=self._wait_of(person or NOBODY),
            jobs=tuple(sorted(own, key=lambda job: -1 if job.position is None else job.position)),
        )

    def _own(self, job: JobRow, *, is_shared: bool) -> UnfinishedJob:
        typed = "" if is_shared else job.recipe.typed
        if job.id == self._running():
            return UnfinishedJob(job.id, typed, None)
        ahead = self._queue.scheduler.ahead_of(job.id).jobs
        return UnfinishedJob(job.id, typed, ahead, self._queue.estimate_wait(job.id))

    def _wait_of(self, person: int) -> TimeEstimate | None:
        """Return when a picture of the usual size would start, if this person asked now."""
        model = self._model
        usual = Recipe("", (), model.native_width_px, model.native_height_px, 0, 1, model.steps)
        return self._queue.foresee(person, usual)[1]
