"""The jobs that wait for the card, in memory, and the signals that report changes.

The store keeps the jobs; the queue is rebuilt from it at every start.
"""

import asyncio
import contextlib
from collections.abc import Callable

from bot.store.rows import JobRow
from engine.planner.cost import Cost, CostBook
from engine.planner.headroom import Headroom
from engine.request import LoraChoice, TimeEstimate
from engine.scheduler import Decision, Scheduler, Waiting

PREFETCH_JOBS = 8  # how many waiting jobs the prefetch looks at
PREFETCH_LORAS = 4  # at 159 MB each, they fill about half of the worker's cache and evict none in use


class ChangeSignal:
    """Wakes every task that waits for a change.

    Attributes:
        next_change: The next ``notify`` sets it. Take it before you read the state, or you may miss a change.
    """

    def __init__(self) -> None:
        self.next_change = asyncio.Event()

    def notify(self) -> None:
        """Wake every task that waits on the current ``next_change``."""
        self.next_change.set()
        self.next_change = asyncio.Event()


async def wait_for_change(change: asyncio.Event, timeout_s: float | None) -> None:
    """Return when ``change`` is set, or after ``timeout_s``."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await change.wait()


class MonotonicClock:
    """A clock for waits and durations that never goes back, read from one that may.

    A step back counts as no time; afterwards this clock is ahead of the other one.

    Args:
        clock: UTC milliseconds.
    """

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._last_ms = self._now_ms = clock()

    def __call__(self) -> int:
        """Milliseconds; never less than at the call before."""
        read_ms = self._clock()
        self._now_ms += max(0, read_ms - self._last_ms)
        self._last_ms = read_ms
        return self._now_ms


class JobQueue:
    """The waiting jobs in the scheduler's order. Change the order here; read it from ``scheduler``.

    Args:
        scheduler: Decides the order.
        costs: Predicts what a job needs.
        weight_of: The person's share of the card, as a multiple of the usual share.
        is_loading: Whether the worker still loads its model.

    Attributes:
        jobs: The waiting jobs by id.
        changed: Notified when a job joins or leaves.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        costs: CostBook,
        *,
        weight_of: Callable[[int], int],
        is_loading: Callable[[], bool],
    ) -> None:
        self._costs = costs
        self._weight_of = weight_of
        self._listeners: list[Callable[[str], None]] = []
        self.scheduler = scheduler
        self.is_loading = is_loading
        self.jobs: dict[str, JobRow] = {}
        self.changed = ChangeSignal()

    def on_change(self, listener: Callable[[str], None]) -> None:
        """Call ``listener`` after every change, with the id of the job that joined or an empty string."""
        self._listeners.append(listener)

    def add(self, job: JobRow) -> None:
        """Add a queued job; one that waits already keeps its position.

        A job that has lost an attempt may have ended the worker, so it is drawn alone.
        """
        self.jobs[job.id] = job
        waiting = Waiting(
            job.id,
            job.person,
            self._cost_of(job),
            job.accepted_order,
            weight=self._weight_of(job.person),
            pictures=job.count,
            is_alone=job.attempt > 0,
        )
        self.scheduler.add(waiting)
        self._notify(job.id)

    def remove(self, job_id: str) -> None:
        """Remove a job; unknown ids are ignored."""
        self.scheduler.remove(job_id)
        self.jobs.pop(job_id, None)
        self._notify()

    def merge(self, person: int, into: int) -> None:
        """Give one person's jobs to another."""
        self.scheduler.merge(person, into)
        self._notify()

    def next(self, headroom: Headroom) -> Decision:
        """Return which job to draw next, by what is known now; that job waits no longer."""
        decision = self.scheduler.next(
            headroom, lambda waiting: self._cost_of(self.jobs[waiting.job_id]).bytes
        )
        if decision.job_id is not None:
            del self.jobs[decision.job_id]
        return decision

    def charge_time(self, job_id: str, seconds: float) -> None:
        """Count the time that a job was drawn against its person's next jobs."""
        self.scheduler.update(job_id, self._costs.work_of(seconds))
        self._notify()

    def estimate_wait(self, job_id: str) -> TimeEstimate | None:
        """Return the time until a job starts; None while nothing was measured, or the model still loads."""
        work = self.scheduler.ahead_of(job_id).work
        return None if work is None or self.is_loading() else self._costs.estimate_of(work)

    def _cost_of(self, job: JobRow) -> Cost:
        return self._costs.predict(job.width_px, job.height_px, job.count, len(job.loras))

    def _notify(self, joined: str = "") -> None:
        self.changed.notify()
        for listener in self._listeners:
            listener(joined)


class LoraPrefetch:
    """Has the renderer read the LoRAs of the next jobs into main memory in advance.

    Args:
        queue: Read whenever it changes.
        prefetch: The renderer's method.
    """

    def __init__(self, queue: JobQueue, prefetch: Callable[[tuple[LoraChoice, ...]], None]) -> None:
        self._queue = queue
        self._prefetch = prefetch
        self._requested: tuple[LoraChoice, ...] = ()

    def queue_changed(self, _joined: str = "") -> None:
        """Request the LoRAs of the next jobs, if they differ from the last request."""
        needed: dict[str, LoraChoice] = {}
        for job_id in self._queue.scheduler.queue(PREFETCH_JOBS):
            for choice in self._queue.jobs[job_id].loras:
                needed.setdefault(choice.sha256, choice)
        loras = tuple(needed.values())[:PREFETCH_LORAS]
        if loras and loras != self._requested:
            self._requested = loras
            self._prefetch(loras)
