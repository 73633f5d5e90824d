"""What the scheduler is given and what it answers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from engine.planner.costs.book import Cost


@dataclass(frozen=True, slots=True)
class Waiting:
    """A job in the queue.

    Attributes:
        accepted_order: Rises with every acceptance.
        weight: The person's share of seconds, in shares of a usual person.
        pictures: How many the job has, each as long as the others.
        is_alone: Whether the worker may hold no other job beside it.
    """

    job_id: str
    person_id: int
    cost: Cost
    accepted_order: int
    weight: int = 1
    pictures: int = 1
    is_alone: bool = False


NeedOf = Callable[[Waiting], int]
"""Predicts how many bytes a waiting job needs on the card."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do next; ``reason`` is a sentence for the log.

    Attributes:
        job_id: The job to draw. It counts as running from now on, even while the worker draws another. None:
            no job can be drawn now.
        refuse: A job that can never fit. The caller ends it, removes it, and asks again.
        granted_bytes: The memory for which the job was admitted.
    """

    job_id: str | None
    reason: str
    refuse: str | None = None
    granted_bytes: int = 0


class Ahead(NamedTuple):
    """What comes before a job.

    Attributes:
        jobs: How many jobs are drawn, are ready or wait before it; 0 if it is drawn or unknown.
        seconds: The predicted seconds that remain before it begins; None if it is drawn or unknown.
    """

    jobs: int
    seconds: float | None


class WorkBefore(NamedTuple):
    """The predicted seconds that pass before a job begins.

    Attributes:
        least_s: If nobody asks again.
        most_s: If everybody who has a job now asks again whenever it is drawn, for as long a job: who has had
            less of the card goes first.
    """

    least_s: float
    most_s: float
