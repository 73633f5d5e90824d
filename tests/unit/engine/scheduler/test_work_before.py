"""The work before a job is between what waits now and what joins if everybody asks again."""

from random import Random

import pytest

from engine.scheduler import Scheduler, WorkBefore
from tests.unit.engine.scheduler.making import ROOMY, draw, make_scheduler, make_waiting

PEOPLE = 50
SECONDS = (0.25, 0.33, 0.48, 0.85)  # of the sizes on an H200


def test_without_debts_nobody_who_asks_again_goes_first() -> None:
    scheduler = make_scheduler(*(make_waiting(f"j{each}", each, each, seconds=2) for each in range(3)))
    assert scheduler.work_before("j2") == WorkBefore(4, 4)


def test_people_who_have_had_less_may_ask_again_and_go_first() -> None:
    scheduler = make_scheduler(
        make_waiting("long", 1, 0, seconds=10),
        *(make_waiting(f"j{each}", each, each, seconds=1) for each in (2, 3)),
    )
    draw(scheduler, seconds=10)
    scheduler.add(make_waiting("again", 1, 4))

    # Both jobs that wait; and nine more of each, and one that ends after this one's beginning.
    assert scheduler.work_before("again") == WorkBefore(2, 2 + 2 * (9 + 1))


def test_a_job_that_is_drawn_or_unknown_has_no_work_before_it() -> None:
    scheduler = make_scheduler(make_waiting("j0", 1, 0), make_waiting("j1", 2, 1))
    scheduler.next(ROOMY)
    assert scheduler.work_before("j0") is None
    assert scheduler.work_before("unknown") is None
    scheduler.next(ROOMY)  # it is ready in the worker, and nobody goes before it
    assert scheduler.work_before("j1") == WorkBefore(10, 10)


@pytest.mark.parametrize(("asks_again", "share"), [(True, 0.95), (False, 1.0)])
def test_real_waits_are_within_the_work_before_a_job(asks_again: bool, share: float) -> None:
    """Everybody asks again at once, or nobody does; each job takes what was predicted."""
    random, scheduler, now_s = Random(7), Scheduler(), 0.0
    accepted: dict[str, tuple[float, WorkBefore]] = {}
    within: list[bool] = []

    def ask(person: int) -> None:
        job_id = f"j{len(accepted)}"
        scheduler.add(make_waiting(job_id, person, len(accepted), seconds=random.choice(SECONDS)))
        work = scheduler.work_before(job_id)
        assert work is not None
        accepted[job_id] = now_s, work

    for person in range(PEOPLE):
        ask(person)
    while (job_id := scheduler.next(ROOMY).job_id) is not None and len(within) < 1_000:
        accepted_s, work = accepted[job_id]
        within.append(work.least_s - 1e-6 <= now_s - accepted_s <= 1.1 * work.most_s)
        job = scheduler._running[job_id].entry.job
        now_s += job.cost.seconds
        scheduler.update(job_id, job.cost.seconds)
        if asks_again:
            ask(job.person_id)

    assert len(within) == (1_000 if asks_again else PEOPLE)
    assert sum(within) >= share * len(within)
