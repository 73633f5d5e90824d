"""The LoRAs of the next jobs are read in advance."""

from types import SimpleNamespace
from typing import Any, cast

from bot.desk.queue import JobQueue, PromisedWaits
from bot.store.rows import JobRow
from engine.planner.costs.book import CostBook
from engine.request import LoraChoice


def lora(name: str, weight: float = 1.0) -> LoraChoice:
    return LoraChoice(name, name * 64, weight)


class Prefetches:
    """A queue of jobs by number, each with its LoRAs, and the names that it requests at each change."""

    def __init__(self, *loras: tuple[LoraChoice, ...]) -> None:
        self.requests: list[str] = []
        self.queue = JobQueue(
            cast("Any", self._scheduler()),
            CostBook(),
            weights={},
            waits=PromisedWaits(),
            is_loading=lambda: False,
            prefetch=self._note,
        )
        self.replace_jobs(*loras)

    def _scheduler(self) -> SimpleNamespace:
        return SimpleNamespace(
            queue=lambda most: tuple(self.queue.jobs)[:most],
            ahead_of=lambda job_id: SimpleNamespace(jobs=int(job_id)),
        )

    def _note(self, loras: tuple[LoraChoice, ...]) -> None:
        self.requests.append("".join(choice.name for choice in loras))

    def replace_jobs(self, *loras: tuple[LoraChoice, ...]) -> None:
        jobs = {
            str(number): SimpleNamespace(recipe=SimpleNamespace(loras=of_job))
            for number, of_job in enumerate(loras)
        }
        self.queue.jobs = cast("dict[str, JobRow]", jobs)


def test_the_prefetch_requests_four_loras_soonest_first_and_each_once() -> None:
    prefetches = Prefetches(
        (lora("b"), lora("a")), (lora("a", 0.5),), (lora("c"),), (), (lora("d"), lora("e"))
    )
    prefetches.queue.report_change()
    assert prefetches.requests == ["bacd"]


def test_the_prefetch_looks_at_eight_jobs() -> None:
    prefetches = Prefetches(*[()] * 7, (lora("h"),), (lora("i"),))
    prefetches.queue.report_change()
    assert prefetches.requests == ["h"]


def test_the_prefetch_requests_only_changes_and_never_nothing() -> None:
    prefetches = Prefetches()
    prefetches.queue.report_change()
    prefetches.replace_jobs((lora("a"),))
    prefetches.queue.report_change()
    prefetches.queue.report_change()
    prefetches.replace_jobs((lora("b"),))
    prefetches.queue.report_change()
    prefetches.replace_jobs()
    prefetches.queue.report_change()
    assert prefetches.requests == ["a", "b"]
