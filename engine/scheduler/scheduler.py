"""The queue of one card: the next job in order that fits its memory now, and what is told of the others.

Unknown ids are ignored: the database, not this, knows which jobs exist.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from engine.headroom import Headroom
from engine.scheduler.order import Key, Order, Waiting

MAX_PASSES = 3  # smaller jobs that may go before one that waits for memory
PATIENCE = 60  # readings without room for the first in line, after which it is tried all the same


@dataclass(frozen=True, slots=True)
class Turn:
    """What to do next; ``reason`` is a sentence for the log.

    Attributes:
        job_id: Draw this one; it counts as running now. None: nothing can be drawn at the moment.
        refuse: This one can never fit. The caller gives it up, removes it, and asks again.
    """

    job_id: str | None
    reason: str
    refuse: str | None = None


@dataclass(slots=True)
class _Running:
    """A job on the card, the key it had in line, and how many of its pictures are drawn."""

    job: Waiting
    key: Key
    drawn: float = 0.0

    @property
    def work_left(self) -> float:
        """Of its pictures that are not drawn."""
        return self.job.cost.work * max(0.0, 1 - self.drawn / self.job.pictures)


class Scheduler:
    """Who waits, who runs."""

    def __init__(self) -> None:
        self._order = Order()
        self._running: dict[str, _Running] = {}
        self._passes: Counter[str] = Counter()  # job that waits for memory → smaller ones that went before
        self._readings: Counter[str] = Counter()  # likewise → readings that had no room for it

    def add(self, waiting: Waiting) -> None:
        """Queue a job. One that was running comes back: it is not charged, and stands where it stood."""
        if ran := self._running.pop(waiting.job_id, None):
            self._order.undraw(ran.job, ran.key)
        elif waiting.job_id not in self._order:
            self._order.join(waiting)

    def remove(self, job_id: str) -> None:
        """Forget a job, waiting or running; nobody else's order changes."""
        self._running.pop(job_id, None)
        self._forget_wait(job_id)
        if job_id in self._order:
            self._order.leave(job_id)
        self._forgive_when_idle()

    def merge(self, person_id: int, into_id: int) -> None:
        """Let one person's jobs be another's: they turned out to be the same."""
        self._order.merge(person_id, into_id)
        for ran in self._running.values():
            if ran.job.person_id == person_id:
                ran.job = replace(ran.job, person_id=into_id)

    def next(self, headroom: Headroom) -> Turn:
        """Say which job to draw now; call it when the card is free, with a fresh reading.

        Where the first in line does not fit just now, at most ``MAX_PASSES`` smaller jobs of other people go
        before it; then everybody waits for it. After ``PATIENCE`` readings it is tried: the prediction may be
        wrong, and a worker that runs out of memory says so and lives.
        """
        self._order.begin_round()
        if not self._order:
            return Turn(None, "nothing waits")
        [first] = self._order.first(1)
        if first.cost.bytes <= headroom.free_bytes:
            return self._run(first, f"next in line, needs {_gib(first.cost.bytes)}: {headroom.reason}")
        limit_bytes = headroom.total_bytes - headroom.reserve_bytes
        if first.cost.bytes > limit_bytes:
            reason = f"needs {_gib(first.cost.bytes)}, and {_gib(limit_bytes)} is all there ever is"
            return Turn(None, reason, refuse=first.job_id)
        why = f"{first.job_id} needs {_gib(first.cost.bytes)} and waits for memory: {headroom.reason}"
        smaller = _first_that_fits(self._order, headroom.free_bytes)
        if smaller is not None and self._passes[first.job_id] < MAX_PASSES:
            self._passes[first.job_id] += 1
            return self._run(smaller, f"smaller, so it goes first: {why}")
        self._readings[first.job_id] += 1
        if self._readings[first.job_id] > PATIENCE:
            return self._run(first, f"tried after {PATIENCE} readings without room: {why}")
        return Turn(None, why)

    def progress(self, job_id: str, drawn: float) -> None:
        """Note how many pictures of a running job are drawn, the present one in part."""
        if ran := self._running.get(job_id):
            ran.drawn = drawn

    def update(self, job_id: str, seconds: float | None) -> None:
        """Settle a job that ran: its person pays for what it really took; None: for what was foretold."""
        if ran := self._running.pop(job_id, None):
            if seconds is not None:
                self._order.settle(ran.job, seconds)
            self._forgive_when_idle()

    @property
    def waiting(self) -> int:
        """How many jobs wait."""
        return len(self._order)

    def queue(self, most: int | None = None) -> tuple[str, ...]:
        """The waiting jobs, at most so many, as they are drawn if nobody else comes and memory suffices."""
        jobs = self._order if most is None else self._order.first(most)
        return tuple(job.job_id for job in jobs)

    def waits(self, job_id: str) -> bool:
        """Whether this job waits."""
        return job_id in self._order

    def place(self, job_id: str) -> int:
        """How many jobs run or wait before it; 0 where it runs or is not known."""
        return len(self._running) + self._order.place(job_id) if job_id in self._order else 0

    def work_before(self, job_id: str) -> float | None:
        """The work (``Cost.work``) that remains before a waiting job begins; None for any other."""
        if job_id not in self._order:
            return None
        running = sum(ran.work_left for ran in self._running.values())
        return running + self._order.work_before(job_id)

    def _run(self, job: Waiting, reason: str) -> Turn:
        self._running[job.job_id] = _Running(job, self._order.draw(job.job_id))
        self._forget_wait(job.job_id)
        return Turn(job.job_id, reason)

    def _forget_wait(self, job_id: str) -> None:
        del self._passes[job_id], self._readings[job_id]  # a Counter does not mind what it lacks

    def _forgive_when_idle(self) -> None:
        if not self._order and not self._running:
            self._order.forget_debts()  # the card stands idle: nobody owes anybody


def _first_that_fits(line: Iterable[Waiting], free_bytes: int) -> Waiting | None:
    """Find the first job that fits among the oldest of each person, for nobody overtakes themselves."""
    seen: set[int] = set()
    for job in line:
        if job.person_id not in seen and job.cost.bytes <= free_bytes:
            return job
        seen.add(job.person_id)
    return None


def _gib(count: int) -> str:
    return f"{count / 2**30:.1f} GiB"
