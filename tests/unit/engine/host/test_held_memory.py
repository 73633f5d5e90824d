"""What a worker holds follows its reports, and is unknown while none is of now."""

from engine.host.held_memory import HeldMemory
from engine.planner.monitor import WorkerShare
from engine.request import Failed, FailReason, Finished, Progress, Stopped, Timings

DONE = Finished("a", 1, Timings(), peak_bytes=900, held_bytes=700, kept_bytes=500, lora_bytes=100)


def started() -> HeldMemory:
    held = HeldMemory()
    held.start(400)
    return held


def test_a_new_worker_holds_its_weights_at_least() -> None:
    held = started()
    assert (held.bytes, held.share, held.is_measured) == (400, WorkerShare(400, 400), False)


def test_a_finished_job_tells_all() -> None:
    held = started()
    held.begin()
    held.end(DONE)
    assert (held.bytes, held.share, held.is_measured) == (700, WorkerShare(700, 400, 100), True)
    held.begin()
    assert (held.bytes, held.is_measured) == (700, False)


def test_a_step_tells_what_is_held_now_and_more_may_follow() -> None:
    held = started()
    held.begin()
    held.note(Progress("a", 1, 0, 1, 8, held_bytes=600))
    held.note(Progress("a", 1, 0, 2, 8))  # a worker that does not tell
    assert (held.bytes, held.is_measured) == (600, False)


def test_a_job_that_was_stopped_or_failed_tells_nothing() -> None:
    for outcome in (Stopped("a", 1), Failed("a", 1, FailReason.WORKER_ERROR)):
        held = started()
        held.end(DONE)
        held.end(outcome)
        assert (held.bytes, held.is_measured) == (700, False)


def test_after_a_lack_of_memory_the_weights_are_left() -> None:
    held = started()
    held.end(DONE)
    held.end(Failed("a", 1, FailReason.OUT_OF_MEMORY))
    assert (held.bytes, held.is_measured) == (400, True)


def test_a_lost_worker_holds_nothing() -> None:
    held = started()
    held.end(DONE)
    held.forget()
    assert (held.bytes, held.share, held.is_measured) == (0, WorkerShare(), False)
