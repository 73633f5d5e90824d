"""The order's bounds, whatever happens: how long a newcomer waits, and how long anybody's next job."""

from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from engine.scheduler import Scheduler, Waiting
from engine.scheduler import scheduler as scheduler_module
from tests.unit.engine.scheduler.making import ROOMY, make_waiting

SECONDS = st.sampled_from([0.001, 1, 10, 1e5])
WEIGHTS = st.sampled_from([1, 2, 100])


@dataclass
class Head:
    """A person's next job: what was drawn since it became that, and how many waited at most meanwhile."""

    job_id: str
    people: int = 0
    drawn: int = 0


@dataclass
class Newcomer:
    """Somebody's first job: whose jobs were drawn before it."""

    job_id: str
    before: Counter[int] = field(default_factory=Counter)


class Bounds(RuleBasedStateMachine):
    """Anything at all happens; the two bounds hold for every newcomer and every next job."""

    @initialize()
    def begin(self) -> None:
        self.scheduler = Scheduler()
        self.jobs: dict[str, Waiting] = {}
        self.heads: dict[int, Head] = {}
        self.newcomers: dict[int, Newcomer] = {}
        self.owes: set[int] = set()
        self.order = 0

    @rule(person=st.integers(1, 4), lengths=st.lists(SECONDS, min_size=1, max_size=6), weight=WEIGHTS)
    def queue_several(self, person: int, lengths: list[float], weight: int) -> None:
        for seconds in lengths:
            self.join(person, seconds, weight)

    @rule(
        count=st.integers(1, 20),
        seconds=SECONDS,
        weight=WEIGHTS,
        drawn=st.integers(0, 2),
        jobs=st.integers(1, 2),
    )
    def strangers_come(self, count: int, seconds: float, weight: int, drawn: int, jobs: int) -> None:
        """One after the other, and some jobs are drawn between them."""
        for _ in range(count):
            stranger = 100 + self.order
            for _ in range(jobs):
                self.join(stranger, seconds, weight)
            for _ in range(min(drawn, len(self.jobs))):
                self.draw(1)

    def join(self, person: int, seconds: float, weight: int) -> None:
        self.order += 1
        job = make_waiting(f"j{self.order}", person, self.order, seconds=seconds, weight=weight)
        is_new = person not in self.owes and person not in self.heads
        self.jobs[job.job_id] = job
        self.scheduler.add(job)
        if is_new:
            self.newcomers[person] = Newcomer(job.job_id)
        self.look()

    @precondition(lambda self: self.jobs)
    @rule(slower=st.sampled_from([0.1, 1, 3]))
    def draw(self, slower: float) -> None:
        job_id = self.scheduler.next(ROOMY).job_id
        assert job_id is not None
        job = self.jobs.pop(job_id)
        self.scheduler.update(job_id, job.cost.seconds * slower)
        self.owes.add(job.person_id)
        self.heads.pop(job.person_id)
        for head in self.heads.values():
            head.drawn += 1
        if (newcomer := self.newcomers.get(job.person_id)) and newcomer.job_id == job_id:
            assert all(count == 1 for count in newcomer.before.values())
            del self.newcomers[job.person_id]
        for newcomer in self.newcomers.values():
            newcomer.before[job.person_id] += 1
        if not self.jobs:
            self.owes.clear()
        self.look()

    @precondition(lambda self: self.jobs)
    @rule()
    def put_back(self) -> None:
        job_id = self.scheduler.next(ROOMY).job_id
        assert job_id is not None
        self.scheduler.add(self.jobs[job_id])

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        heads = sorted(head.job_id for head in self.heads.values())
        job = self.jobs.pop(data.draw(st.sampled_from(heads) | st.sampled_from(sorted(self.jobs))))
        self.scheduler.remove(job.job_id)
        if self.heads[job.person_id].job_id == job.job_id:
            del self.heads[job.person_id]
        if (newcomer := self.newcomers.get(job.person_id)) and newcomer.job_id == job.job_id:
            del self.newcomers[job.person_id]
            self.owes.add(job.person_id)  # its later jobs are no newcomer's any more
        if not self.jobs:
            self.owes.clear()
        self.look()

    def look(self) -> None:
        """Who is next of each person now, and how many people wait."""
        nearest: dict[int, Waiting] = {}
        for job in self.jobs.values():  # in the order of acceptance
            nearest.setdefault(job.person_id, job)
        for person, job in nearest.items():
            self.heads.setdefault(person, Head(job.job_id))
        for head in self.heads.values():
            head.people = max(head.people, len(nearest))
            assert head.drawn <= (scheduler_module.MAX_SKIPPED_ROUNDS + 2) * head.people

    def teardown(self) -> None:
        left = self.scheduler.queue()
        assert sorted(left) == sorted(self.jobs)
        assert [self.jobs[job_id] for job_id in left] == [self.scheduler._entry_of[each].job for each in left]


class TestBounds(Bounds.TestCase):
    """With few rounds the ageing is met often; the bounds are the same with many."""

    settings = settings(max_examples=300, stateful_step_count=15)

    @pytest.fixture(autouse=True)
    def few_rounds(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(scheduler_module, "MAX_SKIPPED_ROUNDS", 3)
