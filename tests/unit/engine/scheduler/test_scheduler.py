"""The queue of one card: honest about memory, places and the work before a job."""

from dataclasses import replace

import pytest

from engine.planner.headroom import Headroom
from engine.scheduler import Decision, Scheduler
from tests.unit.engine.scheduler.making import GIB, ROOMY, draw, make_headroom, make_scheduler, make_waiting


class Seconds:
    """A clock that a test moves."""

    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def test_an_empty_queue_gives_no_job() -> None:
    assert Scheduler().next(ROOMY) == Decision(None, "nothing waits")


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
    scheduler = make_scheduler(make_waiting("a0", 1, 0, seconds=10))
    draw(scheduler, seconds=600)
    scheduler.add(make_waiting("a1", 1, 1))
    scheduler.add(make_waiting("b0", 2, 2))
    assert scheduler.queue() == ("a1", "b0")


def test_a_card_that_draws_or_has_waiting_jobs_forgives_no_debt() -> None:
    scheduler = make_scheduler(make_waiting("a0", 1, 0), make_waiting("c0", 3, 1))
    draw(scheduler, seconds=600)  # c0 waits
    assert scheduler.next(ROOMY).job_id == "c0"
    scheduler.remove("unknown")  # nobody waits, and c0 is drawn
    scheduler.add(make_waiting("a1", 1, 2))
    scheduler.add(make_waiting("b0", 2, 3))
    assert scheduler.queue() == ("b0", "a1")


def test_a_position_counts_the_running_job_and_the_jobs_before() -> None:
    scheduler = make_scheduler(*(make_waiting(f"j{order}", order, order) for order in range(3)))
    assert [scheduler.ahead_of(f"j{order}").jobs for order in range(3)] == [0, 1, 2]
    scheduler.next(ROOMY)
    assert [scheduler.ahead_of(f"j{order}").jobs for order in range(3)] == [0, 1, 2]
    scheduler.update("j0", 10)
    assert [scheduler.ahead_of(f"j{order}").jobs for order in range(3)] == [0, 0, 1]


def test_the_seconds_before_a_job_are_the_sum_of_those_of_earlier_jobs() -> None:
    scheduler = make_scheduler(
        *(make_waiting(f"j{order}", order, order, seconds=order + 1) for order in range(3))
    )
    scheduler.next(ROOMY)
    assert [scheduler.ahead_of(f"j{order}").seconds for order in range(3)] == [None, 1, 3]
    assert scheduler.ahead_of("unknown").seconds is None


def test_of_a_running_job_only_the_remaining_pictures_count() -> None:
    scheduler = make_scheduler(make_waiting("j0", 1, 0, seconds=40, pictures=4), make_waiting("j1", 2, 1))
    scheduler.next(ROOMY)
    scheduler.progress("j0", 2.5)
    scheduler.progress("unknown", 1)
    assert scheduler.ahead_of("j1").seconds == 15


def test_a_job_too_large_for_now_waits_with_the_reason() -> None:
    scheduler = make_scheduler(make_waiting("j", 1, 0, gib=8))
    turn = scheduler.next(make_headroom(4))
    assert (turn.job_id, turn.refuse) == (None, None)
    assert "8.0 GiB" in turn.reason
    assert "others use it" in turn.reason
    assert scheduler.next(make_headroom(8)).job_id == "j"


def test_a_job_that_can_never_fit_is_refused_and_the_next_runs_after_its_removal() -> None:
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
    passed = [draw(scheduler, headroom=make_headroom(4)).job_id for _ in range(3)]
    assert passed == ["small0", "small1", "small2"]
    for _ in range(5):
        assert scheduler.next(make_headroom(4)).job_id is None
    assert scheduler.next(make_headroom(8)).job_id == "large"


def test_no_person_overtakes_their_own_job_that_waits_for_memory() -> None:
    scheduler = make_scheduler(make_waiting("large", 1, 0, gib=8), make_waiting("small", 1, 1))
    assert scheduler.next(make_headroom(4)).job_id is None


def test_a_job_without_room_is_tried_after_a_minute_however_often_it_is_looked_at() -> None:
    clock = Seconds()
    jobs = make_waiting("j", 1, 0, gib=8), make_waiting("next", 2, 1, gib=9)
    scheduler = make_scheduler(*jobs, clock=clock)
    for _ in range(500):  # every arrival is a look
        assert scheduler.next(make_headroom(4)).job_id is None
    clock.now_s += 60
    assert scheduler.next(make_headroom(4)).job_id is None
    clock.now_s += 0.1
    turn = scheduler.next(make_headroom(4))
    assert turn.job_id == "j"
    assert "without room" in turn.reason
    scheduler.update("j", 1)
    assert scheduler.next(make_headroom(4)).job_id is None  # the next one has its own minute
    clock.now_s += 59
    assert scheduler.next(make_headroom(4)).job_id is None
    clock.now_s += 2
    assert scheduler.next(make_headroom(4)).job_id == "next"


def test_a_returning_job_waits_its_full_minute_again() -> None:
    clock = Seconds()
    scheduler = make_scheduler(make_waiting("j", 1, 0, gib=8), clock=clock)
    assert scheduler.next(make_headroom(4)).job_id is None
    clock.now_s += 61
    assert scheduler.next(make_headroom(4)).job_id == "j"
    scheduler.add(make_waiting("j", 1, 0, gib=8))
    assert scheduler.next(make_headroom(4)).job_id is None
    scheduler.remove("j")
    clock.now_s += 61
    scheduler.add(make_waiting("j", 1, 0, gib=8))
    assert scheduler.next(make_headroom(4)).job_id is None


@pytest.mark.parametrize("last", [make_headroom(8, 16, 1), make_headroom(0, 0)])
def test_while_memory_is_unknown_no_job_is_refused(last: Headroom) -> None:
    scheduler = make_scheduler(make_waiting("j", 1, 0, gib=23))
    turn = scheduler.next(replace(last, unknown_s=5.0))
    assert (turn.job_id, turn.refuse) == (None, None)


def test_while_memory_is_unknown_the_last_reading_admits_jobs_that_fit_it() -> None:
    scheduler = make_scheduler(make_waiting("j", 1, 0, gib=8), make_waiting("large", 2, 1, gib=9))
    assert scheduler.next(make_headroom(8, unknown_s=3600)).job_id == "j"
    scheduler.update("j", 1)
    assert scheduler.next(make_headroom(8, unknown_s=3600)).job_id is None


def test_without_any_reading_for_a_minute_jobs_are_tried_one_at_a_time() -> None:
    scheduler = make_scheduler(*(make_waiting(f"j{order}", order, order, gib=2) for order in range(3)))
    assert scheduler.next(make_headroom(0, 0, unknown_s=60)).job_id is None
    blind = make_headroom(0, 0, unknown_s=60.5)
    assert scheduler.next(blind).job_id == "j0"
    assert scheduler.next(blind).job_id is None
    scheduler.update("j0", 1)
    assert scheduler.next(blind).job_id == "j1"  # the minute is over for everybody


def test_the_need_of_a_job_is_predicted_when_it_is_chosen() -> None:
    scheduler = make_scheduler(
        make_waiting("j0", 1, 0), make_waiting("j1", 2, 1), make_waiting("small", 3, 2)
    )
    needs = {"j0": 4, "j1": 9, "small": 2}

    def choose(free_gib: float) -> Decision:
        return scheduler.next(make_headroom(free_gib), lambda job: needs[job.job_id] * GIB)

    assert choose(4).granted_bytes == 4 * GIB
    assert choose(4).job_id is None  # j1 does not fit behind j0, which was found to need 4
    scheduler.update("j0", 1)
    passing = choose(4)
    assert passing.job_id == "small"
    assert "j1 needs 9.0 GiB" in passing.reason
    scheduler.update("small", 1)
    needs["j1"] = 25
    assert choose(24).refuse == "j1"


def test_unknown_ids_are_ignored() -> None:
    scheduler = make_scheduler(make_waiting("j", 1, 0))
    scheduler.remove("unknown")
    scheduler.update("unknown", 5)
    assert scheduler.ahead_of("unknown").jobs == 0
    assert scheduler.queue() == ("j",)


def test_the_first_few_jobs_are_the_first_of_the_whole_queue() -> None:
    scheduler = make_scheduler(*(make_waiting(f"j{order}", order % 3, order) for order in range(9)))
    assert scheduler.queue(4) == scheduler.queue()[:4]
    assert (scheduler.waiting, "j0" in scheduler.queue(), "unknown" in scheduler.queue()) == (9, True, False)


def test_the_next_job_is_ready_behind_the_drawn_one_and_counts_before_the_others() -> None:
    scheduler = make_scheduler(*(make_waiting(f"j{order}", order, order, seconds=10) for order in range(3)))
    assert [scheduler.next(ROOMY).job_id for _ in range(2)] == ["j0", "j1"]
    assert [scheduler.ahead_of(f"j{order}").jobs for order in range(3)] == [0, 1, 2]
    assert [scheduler.ahead_of(f"j{order}").seconds for order in range(3)] == [None, 10, 20]
    assert scheduler.waiting == 2
    scheduler.update("j0", 10)
    assert [scheduler.ahead_of(f"j{order}").seconds for order in range(3)] == [None, None, 10]


def test_a_job_fits_behind_one_of_the_same_size_whatever_memory_is_free() -> None:
    scheduler = make_scheduler(make_waiting("j0", 1, 0, gib=8), make_waiting("j1", 2, 1, gib=8))
    assert scheduler.next(make_headroom(8)).job_id == "j0"
    assert scheduler.next(make_headroom(1)).job_id == "j1"


def test_behind_a_running_job_only_the_first_waiting_job_may_start() -> None:
    scheduler = make_scheduler(
        make_waiting("j0", 1, 0, gib=4), make_waiting("large", 2, 1, gib=8), make_waiting("small", 3, 2)
    )
    assert scheduler.next(make_headroom(4)).job_id == "j0"
    for _ in range(120):
        assert scheduler.next(make_headroom(4)).job_id is None
    scheduler.update("j0", 1)
    assert scheduler.next(make_headroom(4)).job_id == "small"  # on a free card it may pass


def test_a_job_tried_without_room_admits_no_job_behind_it() -> None:
    clock = Seconds()
    jobs = make_waiting("j", 1, 0, gib=8), make_waiting("next", 2, 1, gib=8)
    scheduler = make_scheduler(*jobs, clock=clock)
    assert scheduler.next(make_headroom(4)).job_id is None
    clock.now_s += 61
    assert scheduler.next(make_headroom(4)).job_id == "j"
    assert scheduler.next(make_headroom(4)).job_id is None


def test_a_job_that_is_drawn_alone_is_never_in_flight_with_another() -> None:
    alone = replace(make_waiting("alone", 2, 1), is_alone=True)
    scheduler = make_scheduler(make_waiting("j0", 1, 0), alone, make_waiting("j2", 3, 2))
    assert scheduler.next(ROOMY).job_id == "j0"
    assert scheduler.next(ROOMY).job_id is None
    scheduler.update("j0", 1)
    assert scheduler.next(ROOMY).job_id == "alone"
    assert scheduler.next(ROOMY).job_id is None
    scheduler.update("alone", 1)
    assert scheduler.next(ROOMY).job_id == "j2"


def test_a_card_that_is_idle_because_its_jobs_were_removed_forgives_all_debts() -> None:
    scheduler = make_scheduler(make_waiting("a0", 1, 0, seconds=600), make_waiting("z0", 3, 1, seconds=1))
    assert scheduler.next(ROOMY).job_id == "a0"
    scheduler.remove("z0")
    scheduler.remove("a0")
    scheduler.add(make_waiting("a1", 1, 2))
    scheduler.add(make_waiting("b0", 2, 3))
    assert scheduler.queue() == ("a1", "b0")


def test_a_job_as_large_as_all_there_ever_is_waits_and_is_not_refused() -> None:
    scheduler = make_scheduler(make_waiting("j", 1, 0, gib=23))
    assert scheduler.next(make_headroom(4, 24, 1)) == Decision(
        None, "j needs 23.0 GiB and waits for memory: others use it"
    )
    assert scheduler.next(make_headroom(23, 24, 1)).job_id == "j"
