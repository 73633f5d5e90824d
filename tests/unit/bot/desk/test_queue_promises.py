from random import Random

import pytest

from bot.desk.queue import FEW_WAITS, MOST_PROMISES, PromisedWaits
from bot.monitoring.figures import REGISTRY
from engine.request import TimeEstimate


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def starts(result: str) -> float:
    return REGISTRY.get_sample_value("sugarbot_eta_total", {"result": result}) or 0.0


def error_s() -> float:
    return REGISTRY.get_sample_value("sugarbot_eta_error_seconds_sum") or 0.0


def test_a_start_is_early_within_or_late() -> None:
    for waited_s, result, wrong_by_s in ((1.0, "early", 4.0), (6.0, "within", 1.0), (9.0, "late", 4.0)):
        clock = Clock()
        waits, before, error_before_s = PromisedWaits(clock), starts(result), error_s()

        waits.promise("a", 5.0, TimeEstimate(3.0, 7.0))
        clock.now_s += waited_s
        waits.note_start("a")

        assert starts(result) == before + 1
        assert error_s() - error_before_s == pytest.approx(wrong_by_s)


def test_the_first_promise_counts_once() -> None:
    clock = Clock()
    waits, before = PromisedWaits(clock), starts("late")

    waits.promise("a", 1.5, TimeEstimate(1.0, 2.0))
    waits.promise("a", 150.0, TimeEstimate(100.0, 200.0))
    clock.now_s += 50
    waits.note_start("a")
    waits.note_start("a")

    assert starts("late") == before + 1


def test_no_promise_counts_nothing() -> None:
    waits, before = PromisedWaits(Clock()), sum(map(starts, ("early", "within", "late")))

    waits.promise("a", None, None)
    waits.note_start("a")

    assert sum(map(starts, ("early", "within", "late"))) == before


def test_promises_are_bounded() -> None:
    waits, before = PromisedWaits(Clock()), starts("early")

    for number in range(MOST_PROMISES + 1):
        waits.promise(str(number), 1.5, TimeEstimate(1.0, 2.0))
    waits.note_start("0")

    assert starts("early") == before


def wait_for(waits: PromisedWaits, clock: Clock, predicted_s: float, real_s: float) -> bool:
    """Promise a wait and let it pass; return whether it was in the promised range."""
    wait = waits.correct(predicted_s, TimeEstimate(0.9 * predicted_s, 1.1 * predicted_s))
    assert wait is not None
    waits.promise("a", predicted_s, wait)
    clock.now_s += real_s
    waits.note_start("a")
    return wait.least_s <= real_s <= wait.most_s


def test_pauses_between_jobs_and_later_jobs_that_are_drawn_earlier_are_learned() -> None:
    """The work alone is predicted exactly, and every wait takes 20 to 50 % longer."""
    clock, random = Clock(), Random(1)
    waits = PromisedWaits(clock)
    for _ in range(FEW_WAITS):
        assert not wait_for(waits, clock, 30.0, 30.0 * random.uniform(1.2, 1.5))

    predicted = [random.uniform(0, 60) for _ in range(500)]
    hits = [wait_for(waits, clock, each, each * random.uniform(1.2, 1.5)) for each in predicted]

    assert sum(hits) >= 0.8 * len(hits)
    wait = waits.correct(30.0, TimeEstimate(27.0, 33.0))
    assert wait is not None
    assert 34 < wait.least_s < wait.most_s < 47


def test_short_waits_do_not_widen_the_range_of_long_ones() -> None:
    clock, random = Clock(), Random(2)
    waits = PromisedWaits(clock)
    for _ in range(200):
        wait_for(waits, clock, 0.1, random.uniform(0.05, 0.4))
        wait_for(waits, clock, 40.0, 40.0 * random.uniform(0.95, 1.05))

    wait = waits.correct(40.0, TimeEstimate(1.0, 100.0))
    assert wait is not None
    assert wait.least_s > 36
    assert wait.most_s < 52


def test_while_few_waits_are_known_the_jobs_own_seconds_are_promised() -> None:
    clock = Clock()
    waits = PromisedWaits(clock)
    for _ in range(FEW_WAITS - 1):
        wait_for(waits, clock, 10.0, 20.0)

    assert waits.correct(10.0, TimeEstimate(9.0, 11.0)) == TimeEstimate(9.0, 11.0)
    assert waits.correct(10.0, None) is None
