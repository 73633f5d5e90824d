"""The order of waiting jobs: fair in seconds, by weight, in rounds, and each place known without a rehearsal.

Seconds are those of ``Cost.work``, which nothing learned changes: jobs that joined before and after the
engine learned how fast this card is compare fairly.

Every person has a scale of seconds per weight. A job begins on it where the person's job before it ends, and
jobs are drawn in the order of these beginnings: over time everybody gets seconds in proportion to their
weight. A round is a stretch of the scale so short that nobody has two jobs in it. It is drawn to its end;
who comes meanwhile joins at the front of the next one. What follows from it, with ``n`` people at most in the
line at one time, whatever they queue, weigh and cost, and however many others come:

* A newcomer waits for at most one job of each person.
* Nobody's next job waits for more than ``(MOST_ROUNDS + 2) * n`` jobs: a round holds one job of a person, and
  who was left out of ``MOST_ROUNDS`` is taken into the next. So where one person's jobs are longer (or their
  weight smaller) than another's by more than that factor, they get more than their share of seconds.

A job's beginning changes with its own person's jobs alone. So the line stays sorted, and adding, removing
and finding a job among 10,000 take microseconds.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice

from engine.planner.cost import Cost

MOST_ROUNDS = 50  # a 4-picture job of the largest size costs about 30 times the smallest one
LEAST_S = 1e-3  # a job counts as at least this long, so that every round moves on

Key = tuple[float, bool, int, str]
"""Where a job begins, whether its person had a job just before it, order of acceptance, job."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A job in the queue.

    Attributes:
        accepted_order: Rises with every acceptance.
        weight: How many times a usual person's seconds its person gets.
        pictures: How many the job has, each as long as the others.
        is_alone: Whether nothing may lie ready beside it.
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
        return max(self.cost.work, LEAST_S) / self.weight


@dataclass(slots=True)
class _Person:
    """One person's part of the line.

    Attributes:
        jobs: Those that wait, oldest first.
        paid_to: Where on the scale the jobs that were drawn end.
        left_out: Rounds that began without their next job.
    """

    jobs: list[Waiting] = field(default_factory=list)
    paid_to: float = 0.0
    left_out: int = 0


class FairOrder:
    """Who waits, sorted. Asked for unknown jobs, it raises KeyError."""

    def __init__(self) -> None:
        self._people: dict[int, _Person] = {}
        self._keys: dict[str, Key] = {}
        self._line: list[Key] = []
        self._work: list[float] = []  # of the jobs of the line, place by place
        self._jobs: dict[str, Waiting] = {}
        self._round_end = 0.0

    def __len__(self) -> int:
        return len(self._line)

    def __iter__(self) -> Iterator[Waiting]:
        return (self._jobs[key[-1]] for key in self._line)

    def __contains__(self, job_id: object) -> bool:
        return job_id in self._keys

    def first(self, count: int) -> tuple[Waiting, ...]:
        """The next ``count`` jobs."""
        return tuple(islice(self, count))

    def position(self, job_id: str) -> int:
        """How many jobs come before it."""
        return bisect_left(self._line, self._keys[job_id])

    def work_before(self, job_id: str) -> float:
        """The work of all that come before it."""
        return sum(self._work[: self.position(job_id)])

    def join(self, job: Waiting) -> None:
        """Let a job wait, among its person's in the order of acceptance."""
        person = self._people.setdefault(job.person_id, _Person())
        follows = person.paid_to > self._round_end
        begins = max(person.paid_to, self._round_end)
        if person.jobs:
            begins, follows = self._keys[person.jobs[0].job_id][:2]
        insort(person.jobs, job, key=lambda each: each.accepted_order)
        self._jobs[job.job_id] = job
        self._lay(person, person.jobs.index(job), begins, follows)

    def leave(self, job_id: str) -> None:
        """Forget a job. Its person's later ones move up; nobody else's order changes."""
        job = self._jobs[job_id]
        person = self._people[job.person_id]
        index = person.jobs.index(job)
        begins, follows, *_ = self._unlay(job_id)
        del person.jobs[index]
        self._lay(person, index, begins, follows)
        if not person.jobs:
            person.left_out = 0

    def begin_round(self) -> None:
        """Begin the next round if this one is drawn; before anybody looks who is next."""
        if self._line and self._line[0][0] >= self._round_end:
            self._begin_round()

    def draw(self, job_id: str) -> Key:
        """Take a job off the line to draw it, and charge its person; ``undraw`` wants the key."""
        job = self._jobs[job_id]
        key = self._unlay(job_id)
        person = self._people[job.person_id]
        person.jobs.remove(job)
        person.paid_to, person.left_out = key[0] + job.length, 0
        return key

    def undraw(self, job: Waiting, key: Key) -> None:
        """Put a drawn job back where it was; its person is not charged."""
        person = self._people.setdefault(job.person_id, _Person())
        person.paid_to = key[0]
        insort(person.jobs, job, key=lambda each: each.accepted_order)
        self._jobs[job.job_id] = job
        self._put(key)

    def settle(self, job: Waiting, work: float) -> None:
        """Charge the work that a drawn job took in place of the predicted work."""
        person = self._people.get(job.person_id)
        if person is None:
            return  # what was foretold is forgotten already
        person.paid_to += replace(job, cost=replace(job.cost, work=work)).length - job.length
        if person.jobs:
            begins, follows, *_ = self._keys[person.jobs[0].job_id]
            owed_to = max(person.paid_to, min(begins, self._round_end))
            self._lay(person, 0, owed_to, follows or owed_to > begins)

    def merge(self, person_id: int, into_id: int) -> None:
        """Make one person's jobs and debts another's: they turned out to be one."""
        gone = self._people.pop(person_id, None)
        if gone is None:
            return
        stays = self._people.setdefault(into_id, _Person())
        stays.paid_to = max(stays.paid_to, gone.paid_to)
        for job in gone.jobs:
            self._unlay(job.job_id)
            self.join(replace(job, person_id=into_id))

    def forget_debts(self) -> None:
        """Begin anew; the line must be empty."""
        self._people.clear()
        self._round_end = 0.0

    def _begin_round(self) -> None:
        """From the first job in line to the first place where somebody's second one could begin."""
        start = self._line[0][0]
        waiting = [person for person in self._people.values() if person.jobs]
        for person in waiting:
            if person.left_out >= MOST_ROUNDS:
                self._lay(person, 0, start, follows=True)
        self._round_end = min(self._begins(person) + person.jobs[0].length for person in waiting)
        for person in waiting:
            person.left_out += self._begins(person) >= self._round_end
        self._people = {
            person_id: person
            for person_id, person in self._people.items()
            if person.jobs or person.paid_to > self._round_end
        }

    def _begins(self, person: _Person) -> float:
        return self._keys[person.jobs[0].job_id][0]

    def _lay(self, person: _Person, index: int, begins: float, follows: bool) -> None:
        """Find the places of a person's jobs from ``index`` on; the oldest of all begins at ``begins``."""
        for at, job in enumerate(person.jobs[index:], index):
            if at:
                before = person.jobs[at - 1]
                ends = self._keys[before.job_id][0] + before.length
                begins, follows = max(ends, self._round_end), True  # a round holds one job of a person
            self._put((begins, follows, job.accepted_order, job.job_id))

    def _put(self, key: Key) -> None:
        old = self._keys.get(key[-1])
        if old == key:
            return
        if old is not None:
            self._take(old)
        place = bisect_left(self._line, key)
        self._keys[key[-1]] = key
        self._line.insert(place, key)
        self._work.insert(place, self._jobs[key[-1]].cost.work)

    def _unlay(self, job_id: str) -> Key:
        key = self._keys.pop(job_id)
        self._take(key)
        del self._jobs[job_id]
        return key

    def _take(self, key: Key) -> None:
        place = bisect_left(self._line, key)
        del self._line[place], self._work[place]
