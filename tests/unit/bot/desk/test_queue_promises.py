import pytest

from bot.desk.queue import MOST_PROMISES, PromisedWaits
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

        waits.promise("a", TimeEstimate(3.0, 7.0))
        clock.now_s += waited_s
        waits.note_start("a")

        assert starts(result) == before + 1
        assert error_s() - error_before_s == pytest.approx(wrong_by_s)


def test_the_first_promise_counts_once() -> None:
    clock = Clock()
    waits, before = PromisedWaits(clock), starts("late")

    waits.promise("a", TimeEstimate(1.0, 2.0))
    waits.promise("a", TimeEstimate(100.0, 200.0))
    clock.now_s += 50
    waits.note_start("a")
    waits.note_start("a")

    assert starts("late") == before + 1


def test_no_promise_counts_nothing() -> None:
    waits, before = PromisedWaits(Clock()), sum(map(starts, ("early", "within", "late")))

    waits.promise("a", None)
    waits.note_start("a")

    assert sum(map(starts, ("early", "within", "late"))) == before


def test_promises_are_bounded() -> None:
    waits, before = PromisedWaits(Clock()), starts("early")

    for number in range(MOST_PROMISES + 1):
        waits.promise(str(number), TimeEstimate(1.0, 2.0))
    waits.note_start("0")

    assert starts("early") == before
