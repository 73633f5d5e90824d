"""The line of queued jobs in memory, and the bell that wakes whoever waits for a change.

The store has the truth; the line is built again from it at every start.
"""

import asyncio
import contextlib
from collections.abc import Callable

from bot.store.rows import JobRow
from engine.cost import Cost, CostBook
from engine.headroom import Headroom
from engine.scheduler import Scheduler, Turn, Waiting


class Bell:
    """Wakes every waiter at once. Take ``next_ring`` before looking, so that no ring in between is missed."""

    def __init__(self) -> None:
        self._next = asyncio.Event()

    def ring(self) -> None:
        """Wake everybody who took the present ring."""
        self._next.set()
        self._next = asyncio.Event()

    def next_ring(self) -> asyncio.Event:
        """Set by the next ring."""
        return self._next


async def heard(ring: asyncio.Event, timeout_s: float | None) -> None:
    """Return at the ring, or after ``timeout_s``."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await ring.wait()


class Line:
    """Who waits for the card, in the scheduler's order.

    Attributes:
        bell: Rings when a job joins or leaves.
    """

    def __init__(self, scheduler: Scheduler, costs: CostBook) -> None:
        self._scheduler = scheduler
        self._costs = costs
        self._on_change: list[Callable[[], None]] = []
        self.bell = Bell()

    def on_change(self, effect: Callable[[], None]) -> None:
        """Call ``effect`` after every change of the line."""
        self._on_change.append(effect)

    def add(self, job: JobRow) -> None:
        """Let a queued job wait; one that waits already stays where it is."""
        self._scheduler.add(Waiting(job.id, job.person, self.cost_of(job), job.accepted_order))
        self._changed()

    def remove(self, job_id: str) -> None:
        """The job waits no more; one that never did is no error."""
        self._scheduler.remove(job_id)
        self._changed()

    def next(self, headroom: Headroom) -> Turn:
        """Whose turn it is, if it fits now."""
        return self._scheduler.next(headroom)

    def drawn(self, job_id: str, seconds: float) -> None:
        """The job's turn is over; the time it took counts against its person's next turns."""
        self._scheduler.update(job_id, seconds)
        self._changed()

    def queue(self) -> tuple[str, ...]:
        """The waiting jobs, next first."""
        return self._scheduler.queue()

    def place(self, job_id: str) -> int:
        """How many jobs run or wait before it; 0 also for one that is drawn or unknown."""
        return self._scheduler.place(job_id)

    def wait_s(self, job_id: str) -> float | None:
        """Expected seconds until the job begins; None while nothing was measured."""
        return self._scheduler.wait_s(job_id)

    def cost_of(self, job: JobRow) -> Cost:
        """What the job is expected to take of the card."""
        return self._costs.predict(job.width_px, job.height_px, job.count, len(job.loras))

    def _changed(self) -> None:
        self.bell.ring()
        for effect in self._on_change:
            effect()
