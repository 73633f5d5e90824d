"""The order of waiting jobs: fair in seconds, by weight, in bounded rounds; every position is known at once.

Seconds are those of ``Cost.work``, which learning never changes. So jobs compare fairly, whether they joined
before or after the engine learned how fast this card is.

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
"""

from bisect import bisect_left, insort
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from engine.planner.cost import Cost

MAX_SKIPPED_ROUNDS = 50  # a 4-picture job of the largest size costs about 30 times the smallest one
MIN_LENGTH_S = 1e-3  # a job counts as at least this long, so that every round advances


@dataclass(frozen=True, slots=True)
class Waiting:
    """A job in the queue.

    Attributes:
        accepted_order: Rises with every acceptance.
        weight: The person's share of seconds, in shares of a usual person.
        pictures: How many the job has, each as long as the others.
        is_alone: Whether the worker may hold no other job beside it.
    """

    job_id: str
    person_id: int
    cost: Cost
    accepted_order: int
    weight: int = 1
    pictures: int = 1
    is_alone: bool = False

    @property
    def length(self) -> float:
        """Its length on the scale of its person: seconds of work per weight."""
        return max(self.cost.work, MIN_LENGTH_S) / self.weight


class QueueEntry(NamedTuple):
    """A job's position in the queue. Entries sort in the order in which the jobs are drawn.

    Attributes:
        begins: Where the job begins on the scale of its person.
        follows: Whether it begins there because of an earlier job of the same person.
    """

    begins: float
    follows: bool
    accepted_order: int
    job_id: str


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


class FairOrder:
    """The waiting jobs, sorted. A method that gets an unknown job id raises KeyError.

    Attributes:
        jobs: Id → job. Only this class changes it.
        entries: All entries, first job first. Only this class changes it.
        work: ``Cost.work`` of these jobs, in the same order. Only this class changes it.
    """

    def __init__(self) -> None:
        self.jobs: dict[str, Waiting] = {}
        self.entries: list[QueueEntry] = []
        self.work: list[float] = []
        self._entry_of: dict[str, QueueEntry] = {}
        self._people: dict[int, _Person] = {}
        self._round_end = 0.0

    def position(self, job_id: str) -> int:
        """Return how many jobs come before this one."""
        return bisect_left(self.entries, self._entry_of[job_id])

    def add(self, job: Waiting, *, is_card_idle: bool = False) -> None:
        """Add a job, among its person's jobs in the order of acceptance.

        If no job waits and the card is idle, everybody's debt is forgotten first.
        """
        if is_card_idle and not self.jobs:
            self._people.clear()
            self._round_end = 0.0
        person = self._people.setdefault(job.person_id, _Person())
        begins, follows = max(person.paid_to, self._round_end), person.paid_to > self._round_end
        if person.jobs:
            begins, follows, *_ = self._entry_of[person.jobs[0].job_id]
        insort(person.jobs, job, key=lambda each: each.accepted_order)
        self.jobs[job.job_id] = job
        self._reschedule(person, person.jobs.index(job), begins, follows)

    def remove(self, job_id: str) -> None:
        """Remove a job. Later jobs of its person move up; the order of all others stays."""
        entry = self._delete(job_id)
        job = self.jobs.pop(job_id)
        person = self._people[job.person_id]
        index = person.jobs.index(job)
        del person.jobs[index]
        self._reschedule(person, index, entry.begins, entry.follows)
        if not person.jobs:
            person.skipped_rounds = 0

    def next_job(self) -> Waiting | None:
        """Return the first job, and begin the next round if the present one is drawn.

        A round reaches from the first job to the first point where somebody's second job could begin.
        """
        if not self.entries:
            return None
        start = self.entries[0].begins
        if start >= self._round_end:
            waiting = [person for person in self._people.values() if person.jobs]
            for person in waiting:
                if person.skipped_rounds >= MAX_SKIPPED_ROUNDS:
                    self._reschedule(person, 0, start, follows=True)
            begins = [self._entry_of[person.jobs[0].job_id].begins for person in waiting]
            self._round_end = min(
                begin + person.jobs[0].length for begin, person in zip(begins, waiting, strict=True)
            )
            for begin, person in zip(begins, waiting, strict=True):
                person.skipped_rounds += begin >= self._round_end
            self._people = {
                person_id: person
                for person_id, person in self._people.items()
                if person.jobs or person.paid_to > self._round_end
            }
        return self.jobs[self.entries[0].job_id]

    def take(self, job_id: str) -> QueueEntry:
        """Remove a job to draw it, and charge its person; ``put_back`` needs the entry."""
        entry = self._delete(job_id)
        job = self.jobs.pop(job_id)
        person = self._people[job.person_id]
        person.jobs.remove(job)
        person.paid_to, person.skipped_rounds = entry.begins + job.length, 0
        return entry

    def put_back(self, job: Waiting, entry: QueueEntry) -> None:
        """Return a job to where ``take`` found it, and undo the charge."""
        person = self._people.setdefault(job.person_id, _Person())
        person.paid_to = entry.begins
        insort(person.jobs, job, key=lambda each: each.accepted_order)
        self.jobs[job.job_id] = job
        self._insert(entry)

    def settle(self, job: Waiting, work: float) -> None:
        """Charge the work that a drawn job took instead of the predicted work."""
        person = self._people.get(job.person_id)
        if person is None:
            return  # its debt is forgotten already
        person.paid_to += replace(job, cost=replace(job.cost, work=work)).length - job.length
        if person.jobs:
            begins, follows, *_ = self._entry_of[person.jobs[0].job_id]
            owed_to = max(person.paid_to, min(begins, self._round_end))
            self._reschedule(person, 0, owed_to, follows or owed_to > begins)

    def merge(self, person_id: int, into_id: int) -> None:
        """Move one person's jobs and debt to another, because both are one person."""
        source = self._people.pop(person_id, None)
        if source is None:
            return
        target = self._people.setdefault(into_id, _Person())
        target.paid_to = max(target.paid_to, source.paid_to)
        for job in source.jobs:
            self._delete(job.job_id)
            self.add(replace(job, person_id=into_id))

    def _reschedule(self, person: _Person, index: int, begins: float, follows: bool) -> None:
        """Compute the entries of a person's jobs from ``index`` on; the oldest job begins at ``begins``."""
        for number, job in enumerate(person.jobs[index:], index):
            if number:
                previous = person.jobs[number - 1]
                ends = self._entry_of[previous.job_id].begins + previous.length
                begins, follows = max(ends, self._round_end), True  # a round holds one job of a person
            entry = QueueEntry(begins, follows, job.accepted_order, job.job_id)
            if entry != self._entry_of.get(job.job_id):
                if job.job_id in self._entry_of:
                    self._delete(job.job_id)
                self._insert(entry)

    def _insert(self, entry: QueueEntry) -> None:
        index = bisect_left(self.entries, entry)
        self.entries.insert(index, entry)
        self.work.insert(index, self.jobs[entry.job_id].cost.work)
        self._entry_of[entry.job_id] = entry

    def _delete(self, job_id: str) -> QueueEntry:
        entry = self._entry_of.pop(job_id)
        index = bisect_left(self.entries, entry)
        del self.entries[index], self.work[index]
        return entry
