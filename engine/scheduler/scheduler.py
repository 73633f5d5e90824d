"""The queue of one card: which job is drawn next, by order and by memory, and how long the others wait.

Unknown job ids are ignored: the database knows which jobs exist, this module does not.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import takewhile

from engine.planner.headroom import Headroom
from engine.scheduler.order import FairOrder, QueueEntry, Waiting
from engine.sizes import GIB

MAX_PASSES = 3  # smaller jobs that may go before one that waits for memory
PATIENCE_S = 60.0  # without enough memory for the first job, or without a reading; then it is tried anyway

NeedOf = Callable[[Waiting], int]
"""Predicts how many bytes a waiting job needs on the card."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do next; ``reason`` is a sentence for the log.

    Attributes:
        job_id: The job to draw. It counts as running from now on, even while the worker draws another. None:
            no job can be drawn now.
        refuse: A job that can never fit. The caller ends it, removes it, and asks again.
    """

    job_id: str | None
    reason: str
    refuse: str | None = None


@dataclass(slots=True)
class _Running:
    """A job that the worker draws, or that is ready in the worker.

    Attributes:
        entry: Where it stood in the queue.
        granted_bytes: The memory for which it was admitted.
        drawn: How many of its pictures are drawn.
    """

    job: Waiting
    entry: QueueEntry
    granted_bytes: int
    drawn: float = 0.0


@dataclass(slots=True)
class _MemoryWait:
    """The first job waits for memory; ``passes`` smaller ones went before it."""

    since_s: float
    passes: int = 0


class Scheduler:
    """The waiting and the running jobs.

    Args:
        clock: Seconds; monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._order = FairOrder()
        self._running: dict[str, _Running] = {}  # in the order in which the worker draws them
        self._memory_waits: dict[str, _MemoryWait] = {}  # by job

    def add(self, waiting: Waiting) -> None:
        """Queue a job. A running job returns to where it stood, and its person is not charged."""
        if ran := self._running.pop(waiting.job_id, None):
            self._order.put_back(ran.job, ran.entry)
        elif waiting.job_id not in self._order.jobs:
            self._order.add(waiting, is_card_idle=not self._running)

    def remove(self, job_id: str) -> None:
        """Forget a job, waiting or running; the order of all others stays."""
        self._running.pop(job_id, None)
        self._memory_waits.pop(job_id, None)
        if job_id in self._order.jobs:
            self._order.remove(job_id)

    def merge(self, person_id: int, into_id: int) -> None:
        """Move one person's jobs to another, because both are one person."""
        self._order.merge(person_id, into_id)
        for ran in self._running.values():
            if ran.job.person_id == person_id:
                ran.job = replace(ran.job, person_id=into_id)

    def next(self, headroom: Headroom, need_of: NeedOf = lambda job: job.cost.bytes) -> Decision:
        """Choose the job to draw next. Call it with a fresh reading when the worker can take a job.

        If the first job does not fit now, at most ``MAX_PASSES`` smaller jobs of other people go before it;
        then everybody waits for it. After ``PATIENCE_S`` it is tried: the prediction may be wrong, and a
        worker that runs out of memory reports that and goes on. While a job runs, only the first job can
        follow: whether others pass it is decided when the card is free. Unknown memory refuses no job;
        without any reading for ``PATIENCE_S`` jobs are tried one at a time.

        Args:
            headroom: The reading.
            need_of: Predicts what a job needs; what was learned since the job joined counts.
        """
        first = self._order.next_job()
        if first is None:
            return Decision(None, "nothing waits")
        limit_bytes = headroom.total_bytes - headroom.reserve_bytes
        need_bytes = need_of(first)
        need = f"needs {need_bytes / GIB:.1f} GiB"
        if headroom.unknown_s is None and need_bytes > max(limit_bytes, headroom.free_bytes):
            return Decision(
                None, f"{need}, and the card has {limit_bytes / GIB:.1f} GiB", refuse=first.job_id
            )
        if any(ran.job.is_alone for ran in self._running.values()) or (self._running and first.is_alone):
            return Decision(None, "a job that has ended a worker before is drawn alone")
        granted_bytes = max(headroom.free_bytes, *(ran.granted_bytes for ran in self._running.values()), 0)
        if need_bytes <= granted_bytes:
            return self._start(first, f"first in the queue, {need}: {headroom.reason}", need_bytes)
        if self._running:
            return Decision(None, f"{first.job_id} {need} and waits for a free card")
        return self._next_without_room(first, headroom, need_of)

    def _next_without_room(self, first: Waiting, headroom: Headroom, need_of: NeedOf) -> Decision:
        """Choose a smaller job, or try the first one after ``PATIENCE_S``."""
        now_s = self._clock()
        wait = self._memory_waits.setdefault(first.job_id, _MemoryWait(now_s))
        need = f"{need_of(first) / GIB:.1f} GiB"
        why = f"{first.job_id} needs {need} and waits for memory: {headroom.reason}"
        smaller = self._first_that_fits(headroom.free_bytes, need_of)
        if smaller is not None and wait.passes < MAX_PASSES:
            wait.passes += 1
            return self._start(smaller, f"smaller, so it goes first: {why}", need_of(smaller))
        has_no_reading_s = headroom.unknown_s if headroom.unknown_s and not headroom.total_bytes else 0.0
        if max(now_s - wait.since_s, has_no_reading_s) > PATIENCE_S:
            reason = f"tried after {PATIENCE_S:.0f} s without room: {why}"
            return self._start(first, reason, headroom.free_bytes)
        return Decision(None, why)

    def _first_that_fits(self, free_bytes: int, need_of: NeedOf) -> Waiting | None:
        """Find the first job that fits among each person's oldest, because nobody overtakes themselves."""
        seen: set[int] = set()
        for entry in self._order.entries:
            job = self._order.jobs[entry.job_id]
            if job.person_id not in seen and need_of(job) <= free_bytes:
                return job
            seen.add(job.person_id)
        return None

    def progress(self, job_id: str, drawn: float) -> None:
        """Note how many pictures of a running job are drawn, the present one in part."""
        if ran := self._running.get(job_id):
            ran.drawn = drawn

    def update(self, job_id: str, work: float) -> None:
        """Settle a job that ran: its person pays for the time of drawing, not for the time it was ready.

        Args:
            job_id: The job.
            work: That time in the unit of ``Cost.work``; ``CostBook.work_of`` converts seconds.
        """
        if ran := self._running.pop(job_id, None):
            self._order.settle(ran.job, work)

    @property
    def waiting(self) -> int:
        """How many jobs wait, including one that is ready in the worker."""
        return len(self._order.jobs) + max(0, len(self._running) - 1)

    def queue(self, most: int | None = None) -> tuple[str, ...]:
        """The first ``most`` waiting jobs, in order; memory may change the order."""
        return tuple(entry.job_id for entry in self._order.entries[:most])

    def position(self, job_id: str) -> int:
        """How many jobs are drawn, are ready or wait before it; 0 if it is drawn or unknown."""
        if job_id in self._order.jobs:
            return len(self._running) + self._order.position(job_id)
        return len(self._running_before(job_id))

    def work_before(self, job_id: str) -> float | None:
        """The work (``Cost.work``) that remains before a job begins; None if it is drawn or unknown."""
        queued = 0.0
        if job_id in self._order.jobs:
            before = list(self._running.values())
            queued = sum(self._order.work[: self._order.position(job_id)])
        elif not (before := self._running_before(job_id)):
            return None
        return queued + sum(ran.job.cost.work * max(0.0, 1 - ran.drawn / ran.job.pictures) for ran in before)

    def _running_before(self, job_id: str) -> list[_Running]:
        """The running jobs before a job that is ready; empty for any other."""
        if job_id not in self._running:
            return []
        return list(takewhile(lambda ran: ran.job.job_id != job_id, self._running.values()))

    def _start(self, job: Waiting, reason: str, granted_bytes: int) -> Decision:
        self._running[job.job_id] = _Running(job, self._order.take(job.job_id), granted_bytes)
        self._memory_waits.pop(job.job_id, None)
        return Decision(job.job_id, reason)
