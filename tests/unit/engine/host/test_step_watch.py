"""When a silent worker counts as hung."""

import pytest

from engine.host.worker_process import StepWatch
from engine.request import Drawn, Event, Picture, Progress, RenderRequest

REQUEST = RenderRequest("j", 1, "a face", 512, 768, 7)


def a_step(step: int, index: int = 0, job_id: str = "j") -> Progress:
    return Progress(job_id, 1, index, step, 8)


def limit_s(*events: tuple[float, Event], most_s: float = 120, size: tuple[int, int] = (512, 768)) -> float:
    """The limit for a picture of this size after events of 512 x 768 pictures."""
    watch = StepWatch(most_s)
    for now_s, event in events:
        watch.note(REQUEST, event, now_s)
    return watch.limit_s(RenderRequest("next", 1, "a face", *size, 7))


def test_while_nothing_is_measured_the_setting_holds() -> None:
    assert limit_s() == pytest.approx(120)
    assert limit_s((0, a_step(0)), (60, a_step(1))) == pytest.approx(120)  # the first step builds kernels


def test_a_quick_worker_may_be_silent_for_25_seconds() -> None:
    assert limit_s((0, a_step(1)), (0.1, a_step(2))) == pytest.approx(25)


def test_a_slow_worker_may_take_ten_usual_steps_and_never_more_than_the_setting() -> None:
    assert limit_s((0, a_step(1)), (4, a_step(2)), (5, a_step(3))) == pytest.approx(40)
    assert limit_s((0, a_step(1)), (30, a_step(2))) == pytest.approx(120)
    assert limit_s((0, a_step(1)), (4, a_step(2)), most_s=10) == pytest.approx(10)


def test_only_neighbouring_steps_of_one_picture_are_a_step() -> None:
    picture = Drawn("j", 1, Picture(0, 7, 64, 64, b""))
    assert limit_s((0, a_step(8)), (50, a_step(1, index=1))) == pytest.approx(120)
    assert limit_s((0, a_step(1)), (50, a_step(2, job_id="k"))) == pytest.approx(120)
    assert limit_s((0, a_step(1)), (1, picture), (50, a_step(2))) == pytest.approx(120)


def test_an_old_slow_step_is_forgotten() -> None:
    steps = [(float(number) / 10 + 5, a_step(number + 2)) for number in range(65)]
    assert limit_s((0, a_step(1)), *steps) == pytest.approx(25)
    assert limit_s((0, a_step(1)), *steps[:2]) == pytest.approx(50)


def test_a_larger_picture_may_be_silent_for_longer_and_a_smaller_one_makes_no_hang_of_it() -> None:
    steps = ((0.0, a_step(1)), (4.0, a_step(2)))
    usual, twice = limit_s(*steps, most_s=9999), limit_s(*steps, most_s=9999, size=(1024, 1536))
    assert usual == pytest.approx(40)
    assert 4 * usual < twice < 8 * usual  # four times as many tokens, and their attention
    assert limit_s(*steps, size=(1024, 1536)) == 120  # the setting
    assert limit_s(*steps, size=(256, 256)) == 25
