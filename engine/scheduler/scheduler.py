"""The queue of one card: the next job in order that fits its memory now, and what is told of the others.

Unknown ids are ignored: the database, not this, knows which jobs exist.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import takewhile

from engine.planner.headroom import Headroom
from engine.scheduler.order import FairOrder, Key, Waiting
from engine.sizes import format_gib

MAX_PASSES = 3  # smaller jobs that may go before one that waits for memory
PATIENCE_S = 60.0  # without room for the first in line, or without a reading; then it is tried all the same

NeedOf = Callable[[Waiting], int]
"""How many bytes a waiting job needs on the card, by what is known now."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do next; ``reason`` is a sentence for the log.

    Attributes:
        job_id: Draw this one; it counts as running now, from the moment it lies ready behind another. None:
            nothing can be drawn at the moment.
        refuse: This one can never fit. The caller gives it up, removes it, and asks again.
    """

    job_id: str | None
    reason: str
    refuse: str | None = None


@dataclass(slots=True)
class _Running:
    """A job that was given its turn: it is drawn, or lies ready behind the one that is.

    Attributes:
        key: What it had in line.
        granted_bytes: How much of the card it was found to fit.
        drawn: How many of its pictures are drawn.
    """

    job: Waiting
    key: Key
    granted_bytes: int
    drawn: float = 0.0

    @property
    def work_left(self) -> float:
        """Of its pictures that are not drawn."""
        return self.job.cost.work * max(0.0, 1 - self.drawn / self.job.pictures)


def _need_at_joining(job: Waiting) -> int:
    return job.cost.bytes


class Scheduler:
    """Who waits, who runs.

    Args:
        clock: Seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._order = FairOrder()
        self._running: dict[str, _Running] = {}
        self._passes: Counter[str] = Counter()  # job that waits for memory → smaller ones that went before
        self._without_room_since_s: dict[str, float] = {}  # job that waits for memory → when that began

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

    def next(self, headroom: Headroom, need_of: NeedOf = _need_at_joining) -> Decision:
        """Say which job to draw next; call it with a fresh reading, when the card is free or about to be.

        Where the first in line does not fit just now, at most ``MAX_PASSES`` smaller jobs of other people go
        before it; then everybody waits for it. After ``PATIENCE_S`` it is tried: the prediction may be
        wrong, and a worker that runs out of memory says so and lives. Behind a job that runs, only the first
        in line gets its turn: whether others pass it is decided on a free card. No job is refused because
        memory is unknown; without any reading for ``PATIENCE_S`` jobs are tried one at a time.

        Args:
            headroom: The reading.
            need_of: Says what a job needs by what was learned since it joined.
        """
        self._order.begin_round()
        if not self._order:
            return Decision(None, "nothing waits")
        [first] = self._order.first(1)
        limit_bytes = headroom.total_bytes - headroom.reserve_bytes
        need_bytes = need_of(first)
        if headroom.is_known and need_bytes > max(limit_bytes, headroom.free_bytes):
            reason = f"needs {format_gib(need_bytes)}, and {format_gib(limit_bytes)} is all there ever is"
            return Decision(None, reason, refuse=first.job_id)
        if self._running:
            return self._next_behind(first, need_bytes, headroom)
        if need_bytes <= headroom.free_bytes:
            return self._run(first, _fits(need_bytes, headroom), need_bytes)
        return self._next_without_room(first, headroom, need_of)

    def _next_behind(self, first: Waiting, need_bytes: int, headroom: Headroom) -> Decision:
        """Let the first in line lie ready behind what runs: it needs room only when that has gone."""
        if first.is_alone or any(ran.job.is_alone for ran in self._running.values()):
            return Decision(None, "one that has ended the worker before is drawn alone")
        room_bytes = max(headroom.free_bytes, *(ran.granted_bytes for ran in self._running.values()))
        if need_bytes <= room_bytes:
            return self._run(first, _fits(need_bytes, headroom), need_bytes)
        return Decision(None, f"{first.job_id} needs {format_gib(need_bytes)} and waits for a free card")

    def _next_without_room(self, first: Waiting, headroom: Headroom, need_of: NeedOf) -> Decision:
        now_s = self._clock()
        waited_s = now_s - self._without_room_since_s.setdefault(first.job_id, now_s)
        why = f"{first.job_id} needs {format_gib(need_of(first))} and waits for memory: {headroom.reason}"
        smaller = _first_that_fits(self._order, headroom.free_bytes, need_of)
        if smaller is not None and self._passes[first.job_id] < MAX_PASSES:
            self._passes[first.job_id] += 1
            return self._run(smaller, f"smaller, so it goes first: {why}", need_of(smaller))
        has_no_reading_s = headroom.unknown_s if headroom.unknown_s and not headroom.total_bytes else 0.0
        if max(waited_s, has_no_reading_s) > PATIENCE_S:
            reason = f"tried after {PATIENCE_S:.0f} s without room: {why}"
            return self._run(first, reason, headroom.free_bytes)
        return Decision(None, why)

    def progress(self, job_id: str, drawn: float) -> None:
        """Note how many pictures of a running job are drawn, the present one in part."""
        if ran := self._running.get(job_id):
            ran.drawn = drawn

    def update(self, job_id: str, work: float) -> None:
        """Settle a job that ran: its person pays for the time it was drawn, not for the time it lay ready.

        Args:
            job_id: The job.
            work: That time in the unit of ``Cost.work``; ``CostBook.work_of`` converts seconds.
        """
        if ran := self._running.pop(job_id, None):
            self._order.settle(ran.job, work)
            self._forgive_when_idle()

    @property
    def waiting(self) -> int:
        """How many jobs wait, one that lies ready among them."""
        return len(self._order) + max(0, len(self._running) - 1)

    def queue(self, most: int | None = None) -> tuple[str, ...]:
        """The waiting jobs, at most so many, as they are drawn if nobody else comes and memory suffices."""
        jobs = self._order if most is None else self._order.first(most)
        return tuple(job.job_id for job in jobs)

    def waits(self, job_id: str) -> bool:
        """Whether this job waits."""
        return job_id in self._order

    def position(self, job_id: str) -> int:
        """How many jobs are drawn, lie ready or wait before it; 0 where it is drawn or not known."""
        if job_id in self._order:
            return len(self._running) + self._order.position(job_id)
        return len(self._running_before(job_id))

    def work_before(self, job_id: str) -> float | None:
        """The work (``Cost.work``) that remains before a job begins; None where it is drawn or not known."""
        if job_id in self._order:
            running = sum(ran.work_left for ran in self._running.values())
            return running + self._order.work_before(job_id)
        before = self._running_before(job_id)
        return sum(ran.work_left for ran in before) if before else None

    def _running_before(self, job_id: str) -> list[_Running]:
        """What is drawn, or lies ready, before a job that lies ready; nothing for any other."""
        if job_id not in self._running:
            return []
        return list(takewhile(lambda ran: ran.job.job_id != job_id, self._running.values()))

    def _run(self, job: Waiting, reason: str, granted_bytes: int) -> Decision:
        self._running[job.job_id] = _Running(job, self._order.draw(job.job_id), granted_bytes)
        self._forget_wait(job.job_id)
        return Decision(job.job_id, reason)

    def _forget_wait(self, job_id: str) -> None:
        del self._passes[job_id]  # a Counter does not mind what it lacks
        self._without_room_since_s.pop(job_id, None)

    def _forgive_when_idle(self) -> None:
        if not self._order and not self._running:
            self._order.forget_debts()  # the card stands idle: nobody owes anybody


def _first_that_fits(line: Iterable[Waiting], free_bytes: int, need_of: NeedOf) -> Waiting | None:
    """Find the first job that fits among the oldest of each person, for nobody overtakes themselves."""
    seen: set[int] = set()
    for job in line:
        if job.person_id not in seen and need_of(job) <= free_bytes:
            return job
        seen.add(job.person_id)
    return None


def _fits(need_bytes: int, headroom: Headroom) -> str:
    return f"next in line, needs {format_gib(need_bytes)}: {headroom.reason}"
