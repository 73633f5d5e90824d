"""The line of queued jobs in memory, and the bell that wakes whoever waits for a change.

The store has the truth; the line is built again from it at every start.
"""

import asyncio
import contextlib
from collections.abc import Callable

from bot.store.rows import JobRow
from engine.planner.cost import Cost, CostBook
from engine.planner.headroom import Headroom
from engine.request import LoraChoice, Progress, TimeEstimate
from engine.scheduler import Decision, Scheduler, Waiting


class ChangeSignal:
    """Wakes every waiter at once. Take ``next_change`` before looking, so that no change is missed."""

    def __init__(self) -> None:
        self._next = asyncio.Event()

    def change(self) -> None:
        """Wake everybody who took the present ring."""
        self._next.set()
        self._next = asyncio.Event()

    def next_change(self) -> asyncio.Event:
        """Set by the next ring."""
        return self._next


async def wait_for_change(change: asyncio.Event, timeout_s: float | None) -> None:
    """Return at the ring, or after ``timeout_s``."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await change.wait()


class MonotonicClock:
    """The time of a clock that may be set back, for waits and durations: it never goes back itself.

    A step back counts as no time at all; from then on it is ahead of the clock that it reads.

    Args:
        clock: UTC milliseconds.
    """

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._last_ms = self._now_ms = clock()

    def __call__(self) -> int:
        """Milliseconds; never less than the time before."""
        read_ms = self._clock()
        self._now_ms += max(0, read_ms - self._last_ms)
        self._last_ms = read_ms
        return self._now_ms


class JobQueue:
    """Who waits for the card, in the scheduler's order.

    Args:
        weight_of: How many times a usual person's share of the card this person has.
        is_loading: Whether the worker is still loading its model.

    Attributes:
        bell: Rings when a job joins or leaves.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        costs: CostBook,
        *,
        weight_of: Callable[[int], int],
        is_loading: Callable[[], bool],
    ) -> None:
        self._scheduler = scheduler
        self._costs = costs
        self._weight_of = weight_of
        self._on_change: list[Callable[[str], None]] = []
        self._jobs: dict[str, JobRow] = {}  # those that wait
        self.is_loading = is_loading
        self.changed = ChangeSignal()

    def on_change(self, effect: Callable[[str], None]) -> None:
        """Call ``effect`` after every change of the line, with the job that joined, if one did."""
        self._on_change.append(effect)

    def add(self, job: JobRow) -> None:
        """Let a queued job wait; one that waits already stays where it is.

        One that has lost a try may be what ended the worker, so it is drawn with none beside it.
        """
        self._jobs[job.id] = job
        self._scheduler.add(
            Waiting(
                job.id,
                job.person,
                self.cost_of(job),
                job.accepted_order,
                weight=self._weight_of(job.person),
                pictures=job.count,
                is_alone=job.attempt > 0,
            )
        )
        self._changed(job.id)

    def remove(self, job_id: str) -> None:
        """The job waits no more; one that never did is no error."""
        self._scheduler.remove(job_id)
        self._jobs.pop(job_id, None)
        self._changed()

    def merge(self, person: int, into: int) -> None:
        """One person's jobs are now another's."""
        self._scheduler.merge(person, into)
        self._changed()

    @property
    def is_blind(self) -> bool:
        """Whether no job's need of memory can be predicted yet: the model loads for the first time."""
        return self.is_loading() and not self._costs.knows_weights

    def next(self, headroom: Headroom) -> Decision:
        """Return whose turn it is, if it fits now by what is known now."""
        turn = self._scheduler.next(headroom, lambda waiting: self.cost_of(self._jobs[waiting.job_id]).bytes)
        if turn.job_id is not None:
            del self._jobs[turn.job_id]
        return turn

    def progress(self, progress: Progress) -> None:
        """How far the running job is; the wait of the others grows shorter by it."""
        self._scheduler.progress(progress.job_id, progress.index + progress.step / progress.steps)

    def drawn(self, job_id: str, seconds: float) -> None:
        """The job's turn is over; the time it took counts against its person's next turns."""
        self._scheduler.update(job_id, self._costs.work_of(seconds))
        self._changed()

    @property
    def waiting(self) -> int:
        """How many jobs wait, one that lies ready behind the drawn one among them."""
        return self._scheduler.waiting

    def queue(self, most: int | None = None) -> tuple[str, ...]:
        """The waiting jobs, next first; at most so many."""
        return self._scheduler.queue(most)

    def loras_of(self, job_id: str) -> tuple[LoraChoice, ...]:
        """What a waiting job needs from the shelf; nothing for any other."""
        job = self._jobs.get(job_id)
        return job.loras if job else ()

    def waits(self, job_id: str) -> bool:
        """Whether this job is in line."""
        return self._scheduler.waits(job_id)

    def position(self, job_id: str) -> int:
        """How many jobs are drawn, lie ready or wait before it; 0 also for one that is drawn or unknown."""
        return self._scheduler.position(job_id)

    def wait(self, job_id: str) -> TimeEstimate | None:
        """How long until a job begins; None while nothing was measured, or the model still loads."""
        work = self._scheduler.work_before(job_id)
        return None if work is None or self.is_loading() else self._costs.estimate_of(work)

    def cost_of(self, job: JobRow) -> Cost:
        """What the job is expected to take of the card."""
        return self._costs.predict(job.width_px, job.height_px, job.count, len(job.loras))

    def _changed(self, joined: str = "") -> None:
        self.changed.change()
        for effect in self._on_change:
            effect(joined)
