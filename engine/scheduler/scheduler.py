"""The queue of one card: which job is drawn next, by order and by memory, and how long the others wait.

The order is fair in seconds, by weight, in bounded rounds. A job that waits counts with its predicted
seconds, one that was drawn with those that it took. When the predictions change, ``recost`` gives all jobs
that wait their new costs. So they compare fairly, whether they joined before or after the engine learned how
fast this card is.

Every person has a scale of seconds per weight. A job begins on it where the person's previous job ends. Jobs
are drawn in the order of these beginnings, so over time the seconds of all people are in proportion to their
weights. A round is a stretch of the scale so short that nobody has two jobs in it. It is drawn to its end;
jobs that join meanwhile come at the front of the next round. Let ``n`` be the most people who wait at one
time. Whatever they queue, weigh and cost, and however many others come:

* A newcomer waits for at most one job of each person.
* Nobody's next job waits for more than ``(MAX_SKIPPED_ROUNDS + 2) * n`` jobs: a round holds one job of a
  person, and a person who was left out of ``MAX_SKIPPED_ROUNDS`` rounds is taken into the next. So a person
  whose jobs are longer (or whose weight is smaller) by more than that factor gets more than their share.

The beginning of a job changes only with jobs of its own person. So the queue stays sorted, and adding,
removing and finding one of 10,000 jobs take microseconds.

Unknown job ids are ignored: the database knows which jobs exist, this module does not.
"""

import time
from bisect import bisect_left, insort
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import NamedTuple

from engine.formatting import format_gib
from engine.planner.costs.book import Cost
from engine.planner.headroom import Headroom
from engine.scheduler.jobs import Ahead, Decision, NeedOf, Waiting, WorkBefore

MAX_SKIPPED_ROUNDS = 50  # a 4-picture job of the largest size costs about 30 times the smallest one
MIN_JOB_S = 1e-3  # a job counts as at least this long, so that every round advances
MAX_PASSES = 3  # smaller jobs that may go before one that waits for memory
_ACCEPTED_ORDER = attrgetter("accepted_order")
PATIENCE_S = 60.0  # without enough memory for the first job, or without a reading; then it is tried anyway


class QueueEntry(NamedTuple):
    """A job's position in the queue. Entries sort in the order in which the jobs are drawn.

    Attributes:
        begins: Where the job begins on the scale of its person.
        follows: Whether it begins there because of an earlier job of the same person.
        ends: Where the job ends on that scale, if it takes the predicted seconds.
    """

    begins: float
    follows: bool
    accepted_order: int
    job_id: str  # is unique, so the further fields do not affect the order
    ends: float
    job: Waiting


@dataclass(slots=True)
class _Person:
    """One person's jobs and debt.

    Attributes:
        jobs: The waiting ones, oldest first.
        paid_to: Where on the scale the jobs that were drawn end.
        skipped_rounds: Rounds that began without the next job.
    """

    jobs: list[Waiting] = field(default_factory=list)
    paid_to: float = 0.0
    skipped_rounds: int = 0


@dataclass(slots=True)
class _Running:
    """A job that the worker draws, or that is ready in the worker.

    Attributes:
        entry: Where it stood in the queue.
        granted_bytes: The memory for which it was admitted.
        drawn: How many of its pictures are drawn.
    """

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
        self._entries: list[QueueEntry] = []  # of the waiting jobs, sorted
        self._entry_of: dict[str, QueueEntry] = {}  # the same entries, by job
        self._people: dict[int, _Person] = {}
        self._round_end = 0.0
        self._running: dict[str, _Running] = {}  # in the order in which the worker draws them
        self._memory_waits: dict[str, _MemoryWait] = {}  # by job

    def add(self, waiting: Waiting) -> None:
        """Queue a job, among its person's jobs in the order of acceptance.

        A running job returns to where it stood, and its person is not charged.
        """
        if ran := self._running.pop(waiting.job_id, None):
            job = ran.entry.job
            person = self._people.setdefault(job.person_id, _Person())
            person.paid_to = ran.entry.begins
            insort(person.jobs, job, key=_ACCEPTED_ORDER)
            insort(self._entries, ran.entry)
            self._entry_of[job.job_id] = ran.entry
        elif waiting.job_id not in self._entry_of:
            person = self._people.setdefault(waiting.person_id, _Person())
            begins, follows = max(person.paid_to, self._round_end), person.paid_to > self._round_end
            if person.jobs:
                begins, follows, *_ = self._entry_of[person.jobs[0].job_id]
            insort(person.jobs, waiting, key=_ACCEPTED_ORDER)
            self._reschedule(person, person.jobs.index(waiting), begins, follows)

    def remove(self, job_id: str) -> None:
        """Forget a job, waiting or running. Its person's later jobs move up; the order of all others stays.

        If no job is left, everybody's debt is forgotten.
        """
        self._running.pop(job_id, None)
        self._memory_waits.pop(job_id, None)
        if entry := self._entry_of.pop(job_id, None):
            del self._entries[bisect_left(self._entries, entry)]
            person = self._people[entry.job.person_id]
            index = person.jobs.index(entry.job)
            del person.jobs[index]
            self._reschedule(person, index, entry.begins, entry.follows)
            if not person.jobs:
                person.skipped_rounds = 0
        if not self._entries and not self._running:
            self._people.clear()
            self._round_end = 0.0

    def merge(self, person_id: int, into_id: int) -> None:
        """Move one person's jobs and debt to another, because both are one person."""
        for ran in self._running.values():
            if ran.entry.job.person_id == person_id:
                ran.entry = ran.entry._replace(job=replace(ran.entry.job, person_id=into_id))
        source = self._people.pop(person_id, None)
        if source is None:
            return
        target = self._people.setdefault(into_id, _Person())
        target.paid_to = max(target.paid_to, source.paid_to)
        for job in source.jobs:
            del self._entries[bisect_left(self._entries, self._entry_of.pop(job.job_id))]
            self.add(replace(job, person_id=into_id))

    def next(self, headroom: Headroom, need_of: NeedOf = lambda job: job.cost.needed_bytes) -> Decision:
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
        if not self._entries:
            return Decision(None, "nothing waits")
        if self._entries[0].begins >= self._round_end:
            self._begin_round()
        first = self._entries[0].job
        limit_bytes = headroom.total_bytes - headroom.reserve_bytes
        need_bytes = need_of(first)
        if headroom.unknown_s is None and need_bytes > max(limit_bytes, headroom.free_bytes):
            why = f"needs {format_gib(need_bytes)}, and the card has {format_gib(limit_bytes)}"
            return Decision(None, why, refuse=first.job_id)
        running = self._running.values()
        if running and any([first.is_alone, *[ran.entry.job.is_alone for ran in running]]):
            return Decision(None, "a job that has ended a worker before is drawn alone")
        granted_bytes = max(headroom.free_bytes, *[ran.granted_bytes for ran in running], 0)
        if need_bytes > granted_bytes and running:
            return Decision(None, f"{first.job_id} needs {format_gib(need_bytes)} and waits for a free card")
        if need_bytes > granted_bytes:
            job, granted_bytes, reason = self._choose_without_room(first, headroom, need_of)
        else:
            job, granted_bytes, reason = first, need_bytes, f"first in the queue: {headroom.reason}"
        if job is None:
            return Decision(None, reason)
        entry = self._entry_of.pop(job.job_id)
        del self._entries[bisect_left(self._entries, entry)]
        person = self._people[job.person_id]
        person.jobs.remove(job)
        person.paid_to, person.skipped_rounds = entry.ends, 0
        self._running[job.job_id] = _Running(entry, granted_bytes)
        self._memory_waits.pop(job.job_id, None)
        return Decision(job.job_id, reason, granted_bytes=granted_bytes)

    def _choose_without_room(
        self, first: Waiting, headroom: Headroom, need_of: NeedOf
    ) -> tuple[Waiting | None, int, str]:
        """Choose a smaller job, or the first one after ``PATIENCE_S``; return the bytes granted and why."""
        now_s = self._clock()
        wait = self._memory_waits.setdefault(first.job_id, _MemoryWait(now_s))
        why = f"{first.job_id} needs {format_gib(need_of(first))} and waits for memory: {headroom.reason}"
        smaller = self._first_that_fits(headroom.free_bytes, need_of)
        if smaller is not None and wait.passes < MAX_PASSES:
            wait.passes += 1
            return smaller, need_of(smaller), f"smaller, so it goes first: {why}"
        has_no_reading_s = headroom.unknown_s if headroom.unknown_s and not headroom.total_bytes else 0.0
        if max(now_s - wait.since_s, has_no_reading_s) > PATIENCE_S:
            return first, headroom.free_bytes, f"tried after {PATIENCE_S:.0f} s without room: {why}"
        return None, 0, why

    def _first_that_fits(self, free_bytes: int, need_of: NeedOf) -> Waiting | None:
        """Find the first job that fits among each person's oldest, because nobody overtakes themselves."""
        seen: set[int] = set()
        for entry in self._entries:
            if entry.job.person_id not in seen and need_of(entry.job) <= free_bytes:
                return entry.job
            seen.add(entry.job.person_id)
        return None

    def progress(self, job_id: str, drawn: float) -> None:
        """Note how many pictures of a running job are drawn, the present one in part."""
        if ran := self._running.get(job_id):
            ran.drawn = drawn

    def update(self, job_id: str, seconds: float) -> None:
        """Remove a job that ran. Its person pays for the time of drawing, not for the time it was ready.

        Args:
            job_id: The job.
            seconds: That time.
        """
        if (ran := self._running.get(job_id)) is None:
            return
        job = ran.entry.job
        if person := self._people.get(job.person_id):  # otherwise its debt is forgotten already
            predicted_s, taken_s = max(job.cost.seconds, MIN_JOB_S), max(seconds, MIN_JOB_S)
            person.paid_to += (taken_s - predicted_s) / job.weight
            if person.jobs:
                begins, follows, *_ = self._entry_of[person.jobs[0].job_id]
                owed_to = max(person.paid_to, min(begins, self._round_end))
                self._reschedule(person, 0, owed_to, follows or owed_to > begins)
        self.remove(job_id)

    def recost(self, cost_of: Callable[[str], Cost]) -> None:
        """Give every waiting job its new cost, because the predictions have changed.

        Everybody's oldest job keeps its place and stays in its round; how far the later ones follow changes.
        """
        for person in self._people.values():
            if person.jobs:
                begins, follows, *_ = self._entry_of[person.jobs[0].job_id]
                person.jobs = [replace(job, cost=cost_of(job.job_id)) for job in person.jobs]
                self._reschedule(person, 0, begins, follows)

    @property
    def waiting(self) -> int:
        """How many jobs wait, including one that is ready in the worker."""
        return len(self._entries) + max(0, len(self._running) - 1)

    def queue(self, most: int | None = None) -> tuple[str, ...]:
        """The first ``most`` waiting jobs, in order; memory may change the order."""
        return tuple([entry.job_id for entry in self._entries[:most]])

    def ahead_of(self, job_id: str) -> Ahead:
        """Return what comes before a job."""
        before = list(self._running.values())
        if job_id in self._running:
            before = before[: list(self._running).index(job_id)]
        queued: list[QueueEntry] = []
        if entry := self._entry_of.get(job_id):
            queued = self._entries[: bisect_left(self._entries, entry)]
        elif job_id not in self._running or not before:
            return Ahead(0, None)
        seconds = sum([entry.job.cost.seconds for entry in queued], 0.0)
        for ran in before:
            job = ran.entry.job
            seconds += job.cost.seconds * max(0.0, 1 - ran.drawn / job.pictures)
        return Ahead(len(before) + len(queued), seconds)

    def work_before(self, job_id: str) -> WorkBefore | None:
        """Return what comes before a job, and what may join before it; None if it is drawn or unknown.

        It looks at every person who has a job.
        """
        least_s = self.ahead_of(job_id).seconds
        if least_s is None:
            return None
        entry = self._entry_of.get(job_id)
        if entry is None:  # it is ready in the worker
            return WorkBefore(least_s, least_s)
        newest = {ran.entry.job.person_id: ran.entry for ran in self._running.values()}
        for person_id, person in self._people.items():
            if person.jobs:
                newest[person_id] = self._entry_of[person.jobs[-1].job_id]
        joins_s = 0.0
        for other in newest.values():
            next_begins = max(other.ends, self._round_end)
            if next_begins < entry.begins:  # the last of them may end a whole job after this one's beginning
                joins_s += (entry.begins - next_begins) * other.job.weight + other.job.cost.seconds
        return WorkBefore(least_s, least_s + joins_s)

    def _begin_round(self) -> None:
        """Begin the next round, because the present one is drawn.

        A round reaches from the first job to the first point where somebody's second job could begin.
        """
        start = self._entries[0].begins
        waiting = [person for person in self._people.values() if person.jobs]
        for person in waiting:
            if person.skipped_rounds >= MAX_SKIPPED_ROUNDS:
                self._reschedule(person, 0, start, follows=True)
        nearest = [self._entry_of[person.jobs[0].job_id] for person in waiting]
        self._round_end = min([entry.ends for entry in nearest])
        for entry, person in zip(nearest, waiting, strict=True):
            person.skipped_rounds += entry.begins >= self._round_end
        self._people = {
            person_id: person
            for person_id, person in self._people.items()
            if person.jobs or person.paid_to > self._round_end
        }

    def _reschedule(self, person: _Person, index: int, begins: float, follows: bool) -> None:
        """Compute the entries of a person's jobs from ``index`` on; the oldest job begins at ``begins``."""
        for number, job in enumerate(person.jobs[index:], index):
            if number:
                previous = self._entry_of[person.jobs[number - 1].job_id]
                begins, follows = max(previous.ends, self._round_end), True  # one job a round
            ends = begins + max(job.cost.seconds, MIN_JOB_S) / job.weight
            entry = QueueEntry(begins, follows, job.accepted_order, job.job_id, ends, job)
            known = self._entry_of.get(job.job_id)
            if entry != known:
                if known is not None:
                    del self._entries[bisect_left(self._entries, known)]
                insort(self._entries, entry)
                self._entry_of[job.job_id] = entry
