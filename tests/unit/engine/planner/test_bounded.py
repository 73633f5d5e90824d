"""A call that never returns blocks nobody, and later callers share it."""

import threading

import pytest

from engine.planner.bounded import BoundedCall


def test_it_returns_and_raises_what_the_function_does() -> None:
    answers = iter([1])
    call = BoundedCall(lambda: next(answers), 60)
    assert call() == 1
    with pytest.raises(StopIteration):
        call()


def test_a_call_that_hangs_times_out_and_is_shared_until_it_answers() -> None:
    may_answer, has_begun, began = threading.Event(), threading.Event(), []

    def hang() -> int:
        began.append(1)
        has_begun.set()
        may_answer.wait(60)
        return len(began)

    call = BoundedCall(hang, 0.01)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            call()
    assert has_begun.wait(60)
    assert len(began) == 1
    may_answer.set()
    patient = BoundedCall(hang, 60)
    assert patient() == 2
