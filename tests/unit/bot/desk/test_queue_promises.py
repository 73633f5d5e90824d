from random import Random

import pytest

from bot.desk.queue import FEW_WAITS, MOST_PROMISES, PromisedWaits
from bot.monitoring.figures import REGISTRY
from engine.request import TimeEstimate
from engine.scheduler import WorkBefore


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def starts(result: str) -> float:
    return REGISTRY.get_sample_value("sugarbot_eta_total", {"result": result}) or 0.0


def error_s() -> float:
    return REGISTRY.get_sample_value("sugarbot_eta_error_seconds_sum") or 0.0


def exactly(seconds: float) -> WorkBefore:
    return WorkBefore(seconds, seconds)


def test_a_start_is_early_within_or_late() -> None:
    for waited_s, result, wrong_by_s in ((1.0, "early", 4.0), (6.0, "within", 1.0), (9.0, "late", 4.0)):
        clock = Clock()
        waits, before, error_before_s = PromisedWaits(clock), starts(result), error_s()

        waits.promise("a", exactly(5.0), TimeEstimate(3.0, 7.0))
        clock.now_s += waited_s
        waits.note_start("a")

        assert starts(result) == before + 1
        assert error_s() - error_before_s == pytest.approx(wrong_by_s)


def test_the_first_promise_counts_once() -> None:
    clock = Clock()
    waits, before = PromisedWaits(clock), starts("late")

    waits.promise("a", exactly(1.5), TimeEstimate(1.0, 2.0))
    waits.promise("a", exactly(150.0), TimeEstimate(100.0, 200.0))
    clock.now_s += 50
    waits.note_start("a")
    waits.note_start("a")

    assert starts("late") == before + 1


def test_a_start_without_a_promise_counts_nothing() -> None:
    waits, before = PromisedWaits(Clock()), sum(map(starts, ("early", "within", "late")))

    waits.note_start("a")

    assert sum(map(starts, ("early", "within", "late"))) == before


def test_promises_are_bounded() -> None:
    waits, before = PromisedWaits(Clock()), starts("early")

    for number in range(MOST_PROMISES + 1):
        waits.promise(str(number), exactly(1.5), TimeEstimate(1.0, 2.0))
    waits.note_start("0")

    assert starts("early") == before


def wait_for(waits: PromisedWaits, clock: Clock, work: WorkBefore, real_s: float) -> bool:
    """Promise a wait and let it pass; return whether it was in the promised range."""
    wait = waits.correct(work, TimeEstimate(0.9 * work.least_s, 1.1 * work.most_s))
    waits.promise("a", work, wait)
    clock.now_s += real_s
    waits.note_start("a")
    return wait.least_s <= real_s <= wait.most_s


def test_pauses_between_jobs_are_learned() -> None:
    """The work is predicted exactly, and every wait takes 20 to 50 % longer."""
    clock, random = Clock(), Random(1)
    waits = PromisedWaits(clock)
    for _ in range(FEW_WAITS):
        assert not wait_for(waits, clock, exactly(30.0), 30.0 * random.uniform(1.2, 1.5))

    work = [random.uniform(0, 60) for _ in range(500)]
    hits = [wait_for(waits, clock, exactly(each), each * random.uniform(1.2, 1.5)) for each in work]

    assert sum(hits) >= 0.8 * len(hits)
    wait = waits.correct(exactly(30.0), TimeEstimate(27.0, 33.0))
    assert 34 < wait.least_s < wait.most_s < 47


def test_how_often_people_ask_again_is_learned() -> None:
    """Between the least and the most work; so the range ends well below the most."""
    clock, random = Clock(), Random(3)
    waits, work = PromisedWaits(clock), WorkBefore(20.0, 40.0)
    for _ in range(200):
        wait_for(waits, clock, work, random.uniform(20.0, 25.0))

    wait = waits.correct(work, TimeEstimate(18.0, 44.0))
    assert 19 < wait.least_s < 21
    assert 24 < wait.most_s < 26


def test_short_waits_do_not_widen_the_range_of_long_ones() -> None:
    clock, random = Clock(), Random(2)
    waits = PromisedWaits(clock)
    for _ in range(200):
        wait_for(waits, clock, exactly(0.1), random.uniform(0.05, 0.4))
        wait_for(waits, clock, exactly(40.0), 40.0 * random.uniform(0.95, 1.05))

    wait = waits.correct(exactly(40.0), TimeEstimate(1.0, 100.0))
    assert wait.least_s > 36
    assert wait.most_s < 52


def test_while_few_waits_are_known_what_the_jobs_before_say_is_promised() -> None:
    clock = Clock()
    waits = PromisedWaits(clock)
    for _ in range(FEW_WAITS - 1):
        wait_for(waits, clock, exactly(10.0), 20.0)

    assert waits.correct(exactly(10.0), TimeEstimate(9.0, 11.0)) == TimeEstimate(9.0, 11.0)


def test_a_wait_that_a_pause_or_another_program_made_long_teaches_nothing() -> None:
    clock, random = Clock(), Random(4)
    waits = PromisedWaits(clock)
    for _ in range(50):
        wait_for(waits, clock, exactly(20.0), 20.0 * random.uniform(1.0, 1.2))
    before, late = waits.correct(exactly(20.0), TimeEstimate(18.0, 22.0)), starts("late")

    for _ in range(30):
        assert not wait_for(waits, clock, exactly(20.0), 3600.0)

    assert waits.correct(exactly(20.0), TimeEstimate(18.0, 22.0)) == before
    assert starts("late") == late + 30, "the promise was wrong all the same"
