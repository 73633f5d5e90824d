"""The order: fair in seconds and weights, first come first served for each person, bounded for everybody."""

from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from engine.scheduler import MOST_ROUNDS, Scheduler, Waiting
from engine.scheduler import order as order_module
from tests.unit.engine.scheduler.making import ROOMY, draw, draw_all, make_scheduler, make_waiting

# No job longer than MOST_ROUNDS of another: nobody ages, so the order is the one that was foretold.
jobs_of_people = st.lists(st.tuples(st.integers(1, 5), st.floats(1, MOST_ROUNDS)), max_size=40)


def test_one_person_is_served_in_the_order_of_acceptance() -> None:
    scheduler = make_scheduler(*(make_waiting(f"j{order}", 1, order) for order in (3, 1, 2)))
    assert draw_all(scheduler) == ["j1", "j2", "j3"]


def test_people_take_turns() -> None:
    hers = [make_waiting(f"a{order}", 1, order) for order in range(3)]
    his = [make_waiting(f"b{order}", 2, 10 + order) for order in range(3)]
    assert draw_all(make_scheduler(*hers, *his)) == ["a0", "b0", "a1", "b1", "a2", "b2"]


def test_of_ten_people_each_newcomer_is_among_the_next_ten_jobs() -> None:
    scheduler = make_scheduler(*(make_waiting(f"big{order}", 0, order) for order in range(200)))
    for _ in range(7):
        draw(scheduler)
    for person in range(1, 10):
        scheduler.add(make_waiting(f"new{person}", person, 1000 + person))
    drawn = draw_all(scheduler)[:10]
    assert {job_id for job_id in drawn if job_id.startswith("new")} == {
        f"new{person}" for person in range(1, 10)
    }


@given(jobs_of_people)
def test_everybody_is_drawn_and_as_it_was_foretold(jobs: list[tuple[int, float]]) -> None:
    waiting = [
        make_waiting(f"j{order}", person, order, seconds=each) for order, (person, each) in enumerate(jobs)
    ]
    scheduler = make_scheduler(*waiting)
    foretold = list(scheduler.queue())
    drawn = draw_all(scheduler)
    assert drawn == foretold
    assert sorted(drawn) == sorted(job.job_id for job in waiting)
    for person in {job.person_id for job in waiting}:
        own = {job.job_id for job in waiting if job.person_id == person}
        assert [each for each in drawn if each in own] == [
            job.job_id for job in waiting if job.person_id == person
        ]


@given(jobs_of_people, st.data())
def test_a_removed_job_changes_nobody_elses_order(jobs: list[tuple[int, float]], data: st.DataObject) -> None:
    scheduler = make_scheduler(
        *(make_waiting(f"j{order}", person, order, seconds=each) for order, (person, each) in enumerate(jobs))
    )
    before = scheduler.queue()
    gone = data.draw(st.sampled_from(before)) if before else "unknown"
    owner = {f"j{order}": person for order, (person, _) in enumerate(jobs)}
    scheduler.remove(gone)
    after = scheduler.queue()
    assert set(after) == set(before) - {gone}
    for person in set(owner.values()):
        assert [each for each in after if owner[each] == person] == [
            each for each in before if owner[each] == person and each != gone
        ]
    others = [each for each in before if owner[each] != owner.get(gone)]
    assert [each for each in after if owner[each] != owner.get(gone)] == others


def test_large_jobs_take_their_share_of_seconds_and_no_more() -> None:
    large = [make_waiting(f"large{order}", 1, order, seconds=100) for order in range(10)]
    small = [make_waiting(f"small{order}", 2, 100 + order, seconds=10) for order in range(100)]
    drawn = draw_all(make_scheduler(*large, *small))
    counts = Counter(job_id.rstrip("0123456789") for job_id in drawn[:44])
    assert counts["small"] == pytest.approx(10 * counts["large"], abs=4)


def test_someone_who_sends_one_large_job_at_a_time_has_no_advantage() -> None:
    scheduler = make_scheduler(*(make_waiting(f"small{order}", 2, order, seconds=10) for order in range(60)))
    drawn = []
    for order in range(40):
        if not any(job_id.startswith("large") for job_id in scheduler.queue()):
            scheduler.add(make_waiting(f"large{order}", 1, 1000 + order, seconds=100))
        drawn.append(draw(scheduler).job_id or "")
    large = sum(job_id.startswith("large") for job_id in drawn)
    assert 3 <= large <= 5


def test_a_debt_is_forgotten_while_others_have_their_share() -> None:
    scheduler = make_scheduler(
        make_waiting("large", 1, 0, seconds=100),
        *(make_waiting(f"small{order}", 2, 1 + order, seconds=10) for order in range(40)),
    )
    drawn = [draw(scheduler).job_id for _ in range(12)]
    assert drawn.count("large") == 1
    scheduler.add(make_waiting("large again", 1, 1000, seconds=100))
    assert scheduler.place("large again") <= 1


def test_a_person_pays_for_what_a_job_really_took() -> None:
    scheduler = make_scheduler(
        *(make_waiting(f"a{order}", 1, order) for order in range(4)),
        *(make_waiting(f"b{order}", 2, 10 + order) for order in range(4)),
    )
    assert draw(scheduler, seconds=30).job_id == "a0"
    assert scheduler.queue()[:4] == ("b0", "b1", "b2", "a1")


def test_a_weight_is_a_share_of_the_seconds() -> None:
    scheduler = make_scheduler(
        *(make_waiting(f"usual{order}", 1, order, seconds=20) for order in range(100)),
        *(make_waiting(f"patron{order}", 2, 100 + order, seconds=10, weight=3) for order in range(200)),
    )
    counts = Counter(job_id.rstrip("0123456789") for job_id in draw_all(scheduler)[:140])
    assert counts["patron"] == pytest.approx(6 * counts["usual"], abs=6)  # thrice the seconds, half as long


def test_whoever_weighs_most_is_passed_by_a_newcomer_too() -> None:
    scheduler = make_scheduler(*(make_waiting(f"patron{order}", 1, order, weight=100) for order in range(50)))
    for _ in range(5):
        draw(scheduler)
    scheduler.add(make_waiting("new", 2, 100, seconds=600))
    assert scheduler.place("new") <= 1


def test_after_a_restart_the_order_is_built_anew_and_newcomers_are_as_near_as_before() -> None:
    stored = [make_waiting(f"big{order}", 0, order, weight=10) for order in range(200)]
    stored += [make_waiting(f"new{person}", person, 1000 + person) for person in range(1, 10)]
    scheduler = make_scheduler(*stored)
    for _ in range(3):
        draw(scheduler)
    left = set(scheduler.queue())
    rebuilt = make_scheduler(*(job for job in stored if job.job_id in left))
    assert {f"new{person}" for person in range(1, 10)} & left <= set(rebuilt.queue(10))


def test_of_one_who_turned_out_to_be_two_each_waits_in_one_line() -> None:
    scheduler = make_scheduler(
        make_waiting("a0", 1, 0), make_waiting("b0", 2, 1), make_waiting("a1", 1, 2), make_waiting("c0", 3, 3)
    )
    scheduler.merge(2, 1)
    scheduler.merge(7, 1)
    assert scheduler.queue() == ("a0", "c0", "b0", "a1")


def test_a_running_job_of_one_who_turned_out_to_be_two_is_charged_to_both() -> None:
    scheduler = make_scheduler(
        make_waiting("b0", 2, 0), make_waiting("a0", 1, 1), make_waiting("c0", 3, 2), make_waiting("c1", 3, 3)
    )
    assert scheduler.next(ROOMY).job_id == "b0"
    scheduler.merge(2, 1)
    scheduler.update("b0", 15)
    assert scheduler.queue() == ("c0", "c1", "a0")


def test_a_job_that_came_back_and_was_cancelled_costs_nothing() -> None:
    scheduler = make_scheduler(make_waiting("a0", 1, 0, seconds=100), make_waiting("b0", 2, 1))
    assert scheduler.next(ROOMY).job_id == "a0"
    scheduler.add(make_waiting("a0", 1, 0, seconds=100))
    scheduler.remove("a0")
    scheduler.add(make_waiting("b1", 2, 2))
    scheduler.add(make_waiting("a1", 1, 3))
    assert scheduler.queue() == ("b0", "a1", "b1")


def test_who_cancels_the_next_job_has_no_two_in_the_same_round() -> None:
    scheduler = make_scheduler(
        make_waiting("z0", 2, 0, seconds=100),
        *(make_waiting(f"a{order}", 1, 1 + order, seconds=100 if not order else 1) for order in range(9)),
    )
    assert draw(scheduler, 100).job_id == "z0"
    scheduler.add(make_waiting("new", 3, 100))
    scheduler.remove("a0")
    assert scheduler.queue(2) == ("a1", "new")


def test_an_endless_stream_of_tiny_newcomers_holds_nobody_up_for_ever() -> None:
    """Each newcomer's job is a thousandth of the debt; without ageing the one in debt waits for 1,000."""
    scheduler = make_scheduler(
        make_waiting("first", 1, 0, seconds=1000),
        make_waiting("second", 1, 1),
        make_waiting("new", 2, 2, seconds=1),
    )
    assert draw(scheduler, 1000).job_id == "first"
    for turn in range(5 * MOST_ROUNDS):
        scheduler.add(make_waiting(f"new{turn}", 100 + turn, 100 + turn, seconds=1))
        if draw(scheduler, 1).job_id == "second":
            break
    assert MOST_ROUNDS / 2 < turn <= (MOST_ROUNDS + 2) * 2


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
            assert head.drawn <= (order_module.MOST_ROUNDS + 2) * head.people

    def teardown(self) -> None:
        left = self.scheduler.queue()
        assert sorted(left) == sorted(self.jobs)
        assert [self.jobs[job_id] for job_id in left] == list(self.scheduler._order)


class TestBounds(Bounds.TestCase):
    """With few rounds the ageing is met often; the bounds are the same with many."""

    settings = settings(max_examples=300, stateful_step_count=15, deadline=None)

    @pytest.fixture(autouse=True)
    def few_rounds(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(order_module, "MOST_ROUNDS", 3)
