"""Jobs, cards and turns of the desk, for tests of the scheduler."""

from collections.abc import Callable

from engine.planner.costs.book import Cost
from engine.planner.headroom import Headroom
from engine.scheduler import Decision, Scheduler, Waiting

GIB = 2**30
ROOMY = Headroom(24 * GIB, 24 * GIB, 0, "a card", "plenty")


def make_waiting(
    job_id: str,
    person_id: int,
    order: int,
    *,
    seconds: float = 10,
    gib: float = 1,
    weight: int = 1,
    pictures: int = 1,
) -> Waiting:
    size = int(gib * GIB)
    return Waiting(job_id, person_id, Cost(size, seconds, size), order, weight, pictures)


def make_scheduler(*jobs: Waiting, clock: Callable[[], float] = lambda: 0.0) -> Scheduler:
    scheduler = Scheduler(clock)
    for job in jobs:
        scheduler.add(job)
    return scheduler


def make_headroom(
    free_gib: float, total_gib: float = 24, reserve_gib: float = 0, *, unknown_s: float | None = None
) -> Headroom:
    return Headroom(
        int(free_gib * GIB),
        int(total_gib * GIB),
        0,
        "a card",
        "others use it",
        int(reserve_gib * GIB),
        unknown_s,
    )


def draw(scheduler: Scheduler, seconds: float | None = None, headroom: Headroom = ROOMY) -> Decision:
    """One turn of the desk: the job runs and ends at once."""
    turn = scheduler.next(headroom)
    if turn.job_id is not None:
        if seconds is None:
            scheduler.remove(turn.job_id)
        else:
            scheduler.update(turn.job_id, seconds)
    return turn


def draw_all(scheduler: Scheduler) -> list[str]:
    """Every job, in the order it is drawn."""
    drawn = []
    while (job_id := draw(scheduler).job_id) is not None:
        drawn.append(job_id)
    return drawn
