"""The order: fair in seconds and weights, first come first served for each person, bounded for everybody."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.planner.costs.book import Cost
from engine.scheduler import MAX_SKIPPED_ROUNDS, Scheduler, Waiting
from tests.unit.engine.scheduler.making import (
    ROOMY,
    draw,
    draw_all,
    make_headroom,
    make_scheduler,
    make_waiting,
)

# No job is longer than MAX_SKIPPED_ROUNDS of another, so nobody is skipped: the order is as predicted.
jobs_of_people = st.lists(st.tuples(st.integers(1, 5), st.floats(1, MAX_SKIPPED_ROUNDS)), max_size=40)


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
def test_every_job_is_drawn_in_the_predicted_order(jobs: list[tuple[int, float]]) -> None:
    waiting = [
        make_waiting(f"j{order}", person, order, seconds=each) for order, (person, each) in enumerate(jobs)
    ]
    scheduler = make_scheduler(*waiting)
    predicted = list(scheduler.queue())
    drawn = draw_all(scheduler)
    assert drawn == predicted
    assert sorted(drawn) == sorted(job.job_id for job in waiting)
    for person in {job.person_id for job in waiting}:
        own = {job.job_id for job in waiting if job.person_id == person}
        assert [each for each in drawn if each in own] == [
            job.job_id for job in waiting if job.person_id == person
        ]


@given(jobs_of_people, st.data())
def test_a_removed_job_changes_no_other_persons_order(
    jobs: list[tuple[int, float]], data: st.DataObject
) -> None:
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
    assert scheduler.ahead_of("large again").jobs <= 1


def test_a_person_pays_for_the_measured_seconds() -> None:
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


def test_a_newcomer_also_passes_the_person_with_the_largest_weight() -> None:
    scheduler = make_scheduler(*(make_waiting(f"patron{order}", 1, order, weight=100) for order in range(50)))
    for _ in range(5):
        draw(scheduler)
    scheduler.add(make_waiting("new", 2, 100, seconds=600))
    assert scheduler.ahead_of("new").jobs <= 1


def test_after_a_restart_the_order_is_rebuilt_and_newcomers_are_as_near_as_before() -> None:
    stored = [make_waiting(f"big{order}", 0, order, weight=10) for order in range(200)]
    stored += [make_waiting(f"new{person}", person, 1000 + person) for person in range(1, 10)]
    scheduler = make_scheduler(*stored)
    for _ in range(3):
        draw(scheduler)
    left = set(scheduler.queue())
    rebuilt = make_scheduler(*(job for job in stored if job.job_id in left))
    assert {f"new{person}" for person in range(1, 10)} & left <= set(rebuilt.queue(10))


def test_the_jobs_of_two_merged_people_wait_as_one_persons_jobs() -> None:
    scheduler = make_scheduler(
        make_waiting("a0", 1, 0), make_waiting("b0", 2, 1), make_waiting("a1", 1, 2), make_waiting("c0", 3, 3)
    )
    scheduler.merge(2, 1)
    scheduler.merge(7, 1)
    assert scheduler.queue() == ("a0", "c0", "b0", "a1")


def test_a_running_job_of_a_merged_person_is_charged_to_the_merged_person() -> None:
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


def test_a_person_who_cancels_the_next_job_has_no_two_jobs_in_one_round() -> None:
    scheduler = make_scheduler(
        make_waiting("z0", 2, 0, seconds=100),
        *(make_waiting(f"a{order}", 1, 1 + order, seconds=100 if not order else 1) for order in range(9)),
    )
    assert draw(scheduler, 100).job_id == "z0"
    scheduler.add(make_waiting("new", 3, 100))
    scheduler.remove("a0")
    assert scheduler.queue(2) == ("a1", "new")


def test_an_endless_stream_of_tiny_newcomers_does_not_starve_a_waiting_job() -> None:
    """Each newcomer's job is a thousandth of the debt; without ageing the one in debt waits for 1,000."""
    scheduler = make_scheduler(
        make_waiting("first", 1, 0, seconds=1000),
        make_waiting("second", 1, 1),
        make_waiting("new", 2, 2, seconds=1),
    )
    assert draw(scheduler, 1000).job_id == "first"
    for turn in range(5 * MAX_SKIPPED_ROUNDS):
        scheduler.add(make_waiting(f"new{turn}", 100 + turn, 100 + turn, seconds=1))
        if draw(scheduler, 1).job_id == "second":
            break
    assert MAX_SKIPPED_ROUNDS / 2 < turn <= (MAX_SKIPPED_ROUNDS + 2) * 2


def one_in_debt() -> Scheduler:
    """Somebody who has had 1,000 seconds and waits again, and another with a hundred jobs of one."""
    scheduler = make_scheduler(
        make_waiting("first", 1, 0, seconds=1000),
        make_waiting("second", 1, 1, seconds=1),
        *(make_waiting(f"b{number}", 2, 2 + number, seconds=1) for number in range(100)),
    )
    assert [draw(scheduler, seconds).job_id for seconds in (1000, 1)] == ["first", "b0"]
    return scheduler


def test_a_person_in_debt_is_skipped_for_fifty_rounds_and_is_first_in_the_next() -> None:
    scheduler = one_in_debt()
    drawn = [draw(scheduler, 1).job_id for _ in range(52)]
    assert drawn == [*(f"b{number}" for number in range(1, 51)), "second", "b51"]


def test_a_person_who_leaves_the_queue_and_returns_is_skipped_again() -> None:
    scheduler = one_in_debt()
    for _ in range(30):
        draw(scheduler, 1)
    scheduler.remove("second")
    scheduler.add(make_waiting("third", 1, 200, seconds=1))
    drawn = [draw(scheduler, 1).job_id for _ in range(52)]
    assert drawn.index("third") == 51  # fifty rounds, and it was accepted last of the next


def test_a_person_who_cancels_one_of_two_jobs_is_not_skipped_again() -> None:
    scheduler = one_in_debt()
    scheduler.add(make_waiting("third", 1, 200, seconds=1))
    for _ in range(30):
        draw(scheduler, 1)
    scheduler.remove("second")
    drawn = [draw(scheduler, 1).job_id for _ in range(52)]
    assert drawn.index("third") == 21


def test_among_jobs_of_a_moment_a_newcomer_is_as_near_as_among_long_ones() -> None:
    scheduler = make_scheduler(*(make_waiting(f"a{order}", 1, order, seconds=0.01) for order in range(9)))
    draw(scheduler, 0.01)
    scheduler.add(make_waiting("new", 2, 100, seconds=10))
    assert scheduler.ahead_of("new").jobs <= 1


def test_jobs_that_take_no_time_at_all_are_drawn_in_turns_too() -> None:
    hers = [make_waiting(f"a{order}", 1, order, seconds=0) for order in range(3)]
    his = [make_waiting(f"b{order}", 2, 10 + order, seconds=0) for order in range(3)]
    assert draw_all(make_scheduler(*hers, *his)) == ["a0", "b0", "a1", "b1", "a2", "b2"]


def test_a_short_job_is_not_taken_for_a_long_one() -> None:
    short = [make_waiting(f"short{order}", 1, order, seconds=0.1) for order in range(30)]
    long = [make_waiting(f"long{order}", 2, 100 + order, seconds=1) for order in range(3)]
    drawn = draw_all(make_scheduler(*short, *long))
    assert 9 <= drawn.index("long1") <= 12


def test_a_job_that_passed_a_larger_one_came_back_and_was_cancelled_costs_nothing_more() -> None:
    large = make_waiting("large", 1, 0, gib=8)
    scheduler = make_scheduler(large, make_waiting("b0", 2, 1), make_waiting("b1", 2, 2))
    little = make_headroom(4)
    assert draw(scheduler, 30, little).job_id == "b0"
    assert scheduler.next(little).job_id == "b1"
    scheduler.add(make_waiting("b1", 2, 2))
    scheduler.remove("b1")
    scheduler.add(make_waiting("b2", 2, 3))
    scheduler.add(make_waiting("c0", 3, 4))
    assert scheduler.queue() == ("large", "c0", "b2")  # the thirty seconds of b0 are owed


def test_a_job_of_a_person_without_a_tier_has_one_picture_and_their_usual_share() -> None:
    plain = Waiting("j", 1, Cost(0, 10, 0), 0)
    assert (plain.weight, plain.pictures, plain.is_alone) == (1, 1, False)


def test_new_costs_change_how_far_the_jobs_of_a_person_are_apart_and_nobodys_turn() -> None:
    """Ann's jobs seemed long, so Bob had three turns to one of hers; in truth all are equal."""
    jobs = [make_waiting(f"a{number}", 1, number, seconds=30) for number in range(3)]
    jobs += [make_waiting(f"b{number}", 2, 10 + number, seconds=10) for number in range(3)]
    scheduler = make_scheduler(*jobs)
    assert scheduler.queue() == ("a0", "b0", "b1", "b2", "a1", "a2")
    scheduler.recost(lambda job_id: Cost(0, 1.0, 0))
    assert scheduler.queue() == ("a0", "b0", "a1", "b1", "a2", "b2")
    assert scheduler.ahead_of("b2").seconds == 5.0
    assert draw_all(scheduler) == ["a0", "b0", "a1", "b1", "a2", "b2"]


def test_new_costs_keep_what_people_owe() -> None:
    jobs = [make_waiting("a0", 1, 0, seconds=1), make_waiting("a1", 1, 1, seconds=1)]
    jobs += [make_waiting(f"b{number}", 2, 2 + number, seconds=1) for number in range(4)]
    scheduler = make_scheduler(*jobs)
    assert draw(scheduler, seconds=3).job_id == "a0"  # three times as long as predicted
    scheduler.recost(lambda job_id: Cost(0, 1.0, 0))
    assert draw_all(scheduler) == ["b0", "b1", "b2", "a1", "b3"]


@given(
    st.lists(st.tuples(st.integers(0, 4), st.floats(0.01, 100)), max_size=30),
    st.randoms(use_true_random=False),
)
def test_new_costs_at_any_time_leave_the_queue_sound(jobs: list[tuple[int, float]], random: Random) -> None:
    scheduler = make_scheduler()
    waiting: dict[str, int] = {}
    for order, (person, seconds) in enumerate(jobs):
        scheduler.add(make_waiting(f"j{order}", person, order, seconds=seconds))
        waiting[f"j{order}"] = person
        if random.random() < 0.3:
            scheduler.recost(lambda job_id: Cost(0, random.uniform(0.01, 100), 0))
        if random.random() < 0.3 and (drawn := draw(scheduler, seconds=random.uniform(0.01, 100)).job_id):
            oldest = min(
                (each for each in waiting if waiting[each] == waiting[drawn]), key=lambda each: int(each[1:])
            )
            assert drawn == oldest  # nobody overtakes themselves
            del waiting[drawn]
        assert set(scheduler.queue()) == waiting.keys()
        assert list(scheduler.queue()) == sorted(
            scheduler.queue(), key=lambda each: scheduler._entry_of[each]
        )
