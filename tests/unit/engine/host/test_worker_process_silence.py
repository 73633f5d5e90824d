"""When a silent worker counts as hung."""

from engine.host.worker_process import StepWatch
from engine.request import Drawn, Event, Picture, Progress


def a_step(step: int, index: int = 0, job_id: str = "j") -> Progress:
    return Progress(job_id, 1, index, step, 8)


def watched(*events: tuple[float, Event], most_s: float = 120) -> StepWatch:
    watch = StepWatch(most_s)
    for now_s, event in events:
        watch.note(event, now_s)
    return watch


def test_while_nothing_is_measured_the_setting_holds() -> None:
    assert watched().limit_s == 120
    assert watched((0, a_step(0)), (60, a_step(1))).limit_s == 120  # the first step builds kernels


def test_a_quick_worker_may_be_silent_for_25_seconds() -> None:
    assert watched((0, a_step(1)), (0.1, a_step(2))).limit_s == 25


def test_a_slow_worker_may_take_ten_usual_steps_and_never_more_than_the_setting() -> None:
    assert watched((0, a_step(1)), (4, a_step(2)), (5, a_step(3))).limit_s == 40
    assert watched((0, a_step(1)), (30, a_step(2))).limit_s == 120
    assert watched((0, a_step(1)), (4, a_step(2)), most_s=10).limit_s == 10


def test_only_neighbouring_steps_of_one_picture_are_a_step() -> None:
    picture = Drawn("j", 1, Picture(0, 7, 64, 64, b""))
    assert watched((0, a_step(8)), (50, a_step(1, index=1))).limit_s == 120
    assert watched((0, a_step(1)), (50, a_step(2, job_id="k"))).limit_s == 120
    assert watched((0, a_step(1)), (1, picture), (50, a_step(2))).limit_s == 120


def test_an_old_slow_step_is_forgotten() -> None:
    steps = [(float(number) / 10 + 5, a_step(number + 2)) for number in range(65)]
    assert watched((0, a_step(1)), *steps).limit_s == 25
    assert watched((0, a_step(1)), *steps[:2]).limit_s == 50
