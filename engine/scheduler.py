"""Whose turn is it, and does the job fit: pure order and admission, without clock, asyncio or card.

People stand in a ring. A visit draws one job of the person in front, who then goes to the back, in debt by
the seconds the job takes; who is still in debt is passed by, and each visit pays a little (deficit round
robin in seconds of work). So a newcomer waits for at most one job of each person before them, however many
those have queued, and over time everybody gets the same seconds. Of one person, first come, first served.

Nothing here outlives the process: the desk adds every stored job again, in the order of acceptance.
"""

import math
from bisect import insort
from collections import Counter
from dataclasses import dataclass, field
from typing import Self

from engine.cost import Cost
from engine.headroom import Headroom

MAX_PASSES = 3  # smaller jobs that may go before one that waits for memory
PATIENCE = 60  # readings without room for the first in line, after which it is tried all the same
LEAST_S = 1e-3  # a job counts as at least this long, so that every debt is paid in time


@dataclass(frozen=True, slots=True)
class Waiting:
    """A job in the queue. ``accepted_order`` rises with every acceptance."""

    job_id: str
    person_id: int
    cost: Cost
    accepted_order: int


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
class _Ring:
    """Who waits, in order, and who owes seconds; copied to look ahead.

    Attributes:
        jobs: Person → their jobs, oldest first, never empty; the dict's order is the ring.
        debts: Person → seconds they had beyond their share; also of people with nothing waiting.
    """

    jobs: dict[int, list[Waiting]] = field(default_factory=dict)
    debts: dict[int, float] = field(default_factory=dict)

    def copy(self) -> Self:
        return type(self)({person: list(jobs) for person, jobs in self.jobs.items()}, dict(self.debts))

    def take_next(self) -> Waiting:
        """Take the job whose turn it is; there must be one."""
        instalment = min(_seconds(jobs[0]) for jobs in self.jobs.values())
        least_debt = min(self.debts.get(person, 0.0) for person in self.jobs)
        idle_rounds = max(0, math.ceil(least_debt / instalment) - 1)  # rounds in which nobody would draw
        for person in self.jobs:
            self.pay(person, idle_rounds * instalment)
        while True:
            person = next(iter(self.jobs))
            self.pay(person, instalment)
            if person not in self.debts:
                return self.take(person)
            self.jobs[person] = self.jobs.pop(person)

    def take(self, person: int) -> Waiting:
        """Take a person's oldest job, charge them, and send them to the back."""
        jobs = self.jobs.pop(person)
        job = jobs.pop(0)
        share = _seconds(job) / (len(self.jobs) + 1)
        for absent in self.debts.keys() - self.jobs.keys() - {person}:
            self.pay(absent, share)  # what a visit would have paid, had they waited
        self.debts[person] = self.debts.get(person, 0.0) + _seconds(job)
        if jobs:
            self.jobs[person] = jobs
        return job

    def pay(self, person: int, seconds: float) -> None:
        """Lower a debt; one that is paid is forgotten."""
        debt = self.debts.pop(person, 0.0) - seconds
        if debt > 1e-9:  # what is left of sums of fractions is no debt
            self.debts[person] = debt

    def put(self, job: Waiting, *, in_front: bool = False) -> None:
        """Queue a job by its person's order of acceptance; ``in_front`` also moves the person there."""
        insort(self.jobs.setdefault(job.person_id, []), job, key=lambda each: each.accepted_order)
        if in_front:
            self.jobs = {job.person_id: self.jobs.pop(job.person_id), **self.jobs}

    def has(self, job: Waiting) -> bool:
        return any(each.job_id == job.job_id for each in self.jobs.get(job.person_id, ()))

    def drop(self, job_id: str) -> None:
        """Forget a job; nobody else's order changes."""
        for person, jobs in list(self.jobs.items()):
            kept = [job for job in jobs if job.job_id != job_id]
            if kept:
                self.jobs[person] = kept
            else:
                del self.jobs[person]


class Scheduler:
    """The queue of one card. Unknown ids are ignored: the database, not this, knows which jobs exist."""

    def __init__(self) -> None:
        self._ring = _Ring()
        self._running: dict[str, Waiting] = {}
        self._passes: Counter[str] = Counter()  # job that waits for memory → smaller ones that went before
        self._readings: Counter[str] = Counter()  # likewise → readings that had no room for it
        self._order: tuple[Waiting, ...] | None = None  # of the whole ring; None after a change

    def add(self, waiting: Waiting) -> None:
        """Queue a job. One that was running comes back: it is not charged, and its person is next."""
        ran = self._running.pop(waiting.job_id, None)
        if ran is not None:
            self._ring.pay(ran.person_id, _seconds(ran))
        elif self._ring.has(waiting):
            return
        self._ring.put(waiting, in_front=ran is not None)
        self._order = None

    def remove(self, job_id: str) -> None:
        """Forget a job, waiting or running; nobody else's order changes."""
        self._running.pop(job_id, None)
        self._forget_wait(job_id)
        self._ring.drop(job_id)
        self._changed()

    def next(self, headroom: Headroom) -> Turn:
        """Say which job to draw now; call it when the card is free, with a fresh reading.

        Where the first in line does not fit just now, at most ``MAX_PASSES`` smaller jobs of other people go
        before it; then everybody waits for it. After ``PATIENCE`` readings it is tried: the prediction may be
        wrong, and a worker that runs out of memory says so and lives.
        """
        line = self._line()
        if not line:
            return Turn(None, "nothing waits")
        first = line[0]
        if first.cost.bytes <= headroom.free_bytes:
            self._ring.take_next()
            return self._run(first, f"next in line, needs {_gib(first.cost.bytes)}: {headroom.reason}")
        limit_bytes = headroom.total_bytes - headroom.reserve_bytes
        if first.cost.bytes > limit_bytes:
            reason = f"needs {_gib(first.cost.bytes)}, and {_gib(limit_bytes)} is all there ever is"
            return Turn(None, reason, refuse=first.job_id)
        why = f"{first.job_id} needs {_gib(first.cost.bytes)} and waits for memory: {headroom.reason}"
        smaller = _first_that_fits(line, headroom.free_bytes)
        if smaller is not None and self._passes[first.job_id] < MAX_PASSES:
            self._passes[first.job_id] += 1
            self._ring.take(smaller.person_id)
            return self._run(smaller, f"smaller, so it goes first: {why}")
        self._readings[first.job_id] += 1
        if self._readings[first.job_id] > PATIENCE:
            self._ring.take_next()
            return self._run(first, f"tried after {PATIENCE} readings without room: {why}")
        return Turn(None, why)

    def update(self, job_id: str, seconds: float) -> None:
        """Settle a job that ran: its person pays for what it really took."""
        ran = self._running.pop(job_id, None)
        if ran is None:
            return
        self._ring.pay(ran.person_id, _seconds(ran) - seconds)
        self._changed()

    def queue(self) -> tuple[str, ...]:
        """The waiting jobs, as they would be drawn if nobody else came and memory sufficed."""
        return tuple(job.job_id for job in self._line())

    def place(self, job_id: str) -> int:
        """How many jobs run or wait before it; 0 where it runs or is not known."""
        queue = self.queue()
        return len(self._running) + queue.index(job_id) if job_id in queue else 0

    def wait_s(self, job_id: str) -> float | None:
        """Expected seconds until it begins; None where nothing measured stands behind the figure.

        A running job counts in full, for there is no clock here.
        """
        queue = self.queue()
        if job_id not in queue:
            return 0.0 if job_id in self._running else None
        before = [*self._running.values(), *self._line()[: queue.index(job_id)]]
        if not all(job.cost.is_measured for job in before):
            return None
        return sum(job.cost.seconds for job in before)

    def _line(self) -> tuple[Waiting, ...]:
        if self._order is None:
            ring, order = self._ring.copy(), []
            while ring.jobs:
                order.append(ring.take_next())
            self._order = tuple(order)
        return self._order

    def _run(self, job: Waiting, reason: str) -> Turn:
        self._running[job.job_id] = job
        self._forget_wait(job.job_id)
        self._changed()
        return Turn(job.job_id, reason)

    def _forget_wait(self, job_id: str) -> None:
        del self._passes[job_id], self._readings[job_id]  # a Counter does not mind what it lacks

    def _changed(self) -> None:
        self._order = None
        if not self._ring.jobs and not self._running:
            self._ring.debts.clear()  # the card stands idle: nobody owes anybody


def _first_that_fits(line: tuple[Waiting, ...], free_bytes: int) -> Waiting | None:
    """Find the first job that fits among the oldest of each person, for nobody overtakes themselves."""
    seen: set[int] = set()
    for job in line:
        if job.person_id not in seen and job.cost.bytes <= free_bytes:
            return job
        seen.add(job.person_id)
    return None


def _seconds(job: Waiting) -> float:
    return max(job.cost.seconds, LEAST_S)


def _gib(count: int) -> str:
    return f"{count / 2**30:.1f} GiB"
