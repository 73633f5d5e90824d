"""The queue: fair in seconds, in order for each person, and honest about memory."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.cost import Cost
from engine.headroom import Headroom
from engine.scheduler import MAX_PASSES, PATIENCE, Scheduler, Turn, Waiting

GIB = 2**30
ROOMY = Headroom(24 * GIB, 24 * GIB, 0, "a card", "plenty")


def make_waiting(
    job_id: str, person_id: int, order: int, *, seconds: float = 10, gib: float = 1, is_measured: bool = True
) -> Waiting:
    return Waiting(job_id, person_id, Cost(int(gib * GIB), seconds, is_measured), order)


def make_scheduler(*jobs: Waiting) -> Scheduler:
    scheduler = Scheduler()
    for job in jobs:
        scheduler.add(job)
    return scheduler


def make_headroom(free_gib: float, total_gib: float = 24, reserve_gib: float = 0) -> Headroom:
    return Headroom(
        int(free_gib * GIB), int(total_gib * GIB), 0, "a card", "others use it", int(reserve_gib * GIB)
    )


def draw(scheduler: Scheduler, seconds: float | None = None, headroom: Headroom = ROOMY) -> Turn:
    """One turn of the desk: the job runs and ends at once."""
    turn = scheduler.next(headroom)
    if turn.job_id is not None:
        if seconds is None:
            scheduler.remove(turn.job_id)
        else:
            scheduler.update(turn.job_id, seconds)
    return turn


def draw_all(scheduler: Scheduler) -> list[str]:
    drawn = []
    while (job_id := draw(scheduler).job_id) is not None:
        drawn.append(job_id)
    return drawn


people_and_seconds = st.lists(st.tuples(st.integers(1, 5), st.floats(0.01, 600)), max_size=40)


def test_an_empty_queue_has_no_turn() -> None:
    assert Scheduler().next(ROOMY) == Turn(None, "nothing waits")


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


@given(people_and_seconds, st.integers(0, 40), st.floats(0.01, 600))
def test_a_newcomer_waits_for_at_most_one_job_of_each_person(
    jobs: list[tuple[int, float]], drawn_before: int, seconds: float
) -> None:
    scheduler = make_scheduler(
        *(
            make_waiting(f"{person}.{order}", person, order, seconds=each)
            for order, (person, each) in enumerate(jobs)
        )
    )
    for _ in range(drawn_before):
        draw(scheduler, 5.0)
    scheduler.add(make_waiting("new.0", 99, 1000, seconds=seconds))
    before = scheduler.queue()[: scheduler.place("new.0")]
    assert all(count == 1 for count in Counter(job_id.split(".")[0] for job_id in before).values())


@given(people_and_seconds)
def test_nobody_starves_and_what_was_foretold_happens(jobs: list[tuple[int, float]]) -> None:
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


@given(people_and_seconds, st.data())
def test_a_removed_job_changes_nobody_elses_order(jobs: list[tuple[int, float]], data: st.DataObject) -> None:
    # Equal costs: with unequal ones a removal rightly shortens or lengthens the others' instalments.
    scheduler = make_scheduler(
        *(make_waiting(f"j{order}", person, order) for order, (person, _) in enumerate(jobs))
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


def test_a_job_that_comes_back_is_next_and_was_not_charged() -> None:
    scheduler = make_scheduler(
        make_waiting("a0", 1, 0), make_waiting("a1", 1, 1), make_waiting("b0", 2, 2), make_waiting("b1", 2, 3)
    )
    assert scheduler.next(ROOMY).job_id == "a0"
    scheduler.add(make_waiting("a0", 1, 0))
    assert scheduler.queue() == ("a0", "b0", "a1", "b1")


def test_adding_a_job_twice_queues_it_once() -> None:
    job = make_waiting("j", 1, 0)
    assert make_scheduler(job, job).queue() == ("j",)


def test_an_idle_card_forgives_all_debts() -> None:
    scheduler = make_scheduler(make_waiting("a0", 1, 0, seconds=600))
    draw(scheduler)
    scheduler.add(make_waiting("a1", 1, 1))
    scheduler.add(make_waiting("b0", 2, 2))
    assert scheduler.queue() == ("a1", "b0")


def test_place_counts_the_running_job_and_those_before() -> None:
    scheduler = make_scheduler(*(make_waiting(f"j{order}", order, order) for order in range(3)))
    assert [scheduler.place(f"j{order}") for order in range(3)] == [0, 1, 2]
    scheduler.next(ROOMY)
    assert [scheduler.place(f"j{order}") for order in range(3)] == [0, 1, 2]
    scheduler.update("j0", 10)
    assert [scheduler.place(f"j{order}") for order in range(3)] == [0, 0, 1]


def test_the_wait_is_the_sum_of_what_comes_before() -> None:
    scheduler = make_scheduler(
        *(make_waiting(f"j{order}", order, order, seconds=order + 1) for order in range(3))
    )
    scheduler.next(ROOMY)
    assert [scheduler.wait_s(f"j{order}") for order in range(3)] == [0, 1, 3]
    assert scheduler.wait_s("unknown") is None


def test_no_wait_is_told_where_nothing_was_measured() -> None:
    scheduler = make_scheduler(make_waiting("j0", 1, 0, is_measured=False), make_waiting("j1", 2, 1))
    assert scheduler.wait_s("j0") == 0
    assert scheduler.wait_s("j1") is None


def test_a_job_too_large_for_now_waits_with_the_reason() -> None:
    scheduler = make_scheduler(make_waiting("j", 1, 0, gib=8))
    turn = scheduler.next(make_headroom(4))
    assert (turn.job_id, turn.refuse) == (None, None)
    assert "8.0 GiB" in turn.reason
    assert "others use it" in turn.reason
    assert scheduler.next(make_headroom(8)).job_id == "j"


def test_a_job_that_can_never_fit_is_said_so_and_the_next_one_runs_once_it_is_removed() -> None:
    scheduler = make_scheduler(make_waiting("huge", 1, 0, gib=23.5), make_waiting("j", 2, 1))
    turn = scheduler.next(make_headroom(23, total_gib=24, reserve_gib=1))
    assert turn.job_id is None
    assert turn.refuse == "huge"
    scheduler.remove("huge")
    assert scheduler.next(make_headroom(23)).job_id == "j"


def test_at_most_three_smaller_jobs_pass_one_that_waits_for_memory() -> None:
    scheduler = make_scheduler(
        make_waiting("large", 1, 0, gib=8),
        make_waiting("small of the same person", 1, 1),
        *(make_waiting(f"small{order}", 2 + order % 2, 2 + order) for order in range(6)),
    )
    passed = [draw(scheduler, headroom=make_headroom(4)).job_id for _ in range(MAX_PASSES)]
    assert passed == ["small0", "small1", "small2"]
    for _ in range(5):
        assert scheduler.next(make_headroom(4)).job_id is None
    assert scheduler.next(make_headroom(8)).job_id == "large"


def test_nobody_overtakes_their_own_job_that_waits_for_memory() -> None:
    scheduler = make_scheduler(make_waiting("large", 1, 0, gib=8), make_waiting("small", 1, 1))
    assert scheduler.next(make_headroom(4)).job_id is None


def test_a_job_that_never_finds_room_is_tried_in_the_end() -> None:
    scheduler = make_scheduler(make_waiting("j", 1, 0, gib=8), make_waiting("next", 2, 1, gib=9))
    for _ in range(PATIENCE):
        assert scheduler.next(make_headroom(4)).job_id is None
    turn = scheduler.next(make_headroom(4))
    assert turn.job_id == "j"
    assert "without room" in turn.reason
    scheduler.update("j", 1)
    assert scheduler.next(make_headroom(4)).job_id is None


def test_unknown_ids_are_ignored() -> None:
    scheduler = make_scheduler(make_waiting("j", 1, 0))
    scheduler.remove("unknown")
    scheduler.update("unknown", 5)
    assert scheduler.place("unknown") == 0
    assert scheduler.queue() == ("j",)
