"""Which LoRAs the renderer is told of before their turn."""

from typing import cast

from bot.desk.drawing import LoraPrefetch
from bot.desk.queue import JobQueue
from engine.request import LoraChoice


def lora(name: str, weight: float = 1.0) -> LoraChoice:
    return LoraChoice(name, name * 64, weight)


class FakeLine:
    """Jobs by number, each with the LoRAs it needs."""

    def __init__(self, *jobs: tuple[LoraChoice, ...]) -> None:
        self.jobs = {str(number): loras for number, loras in enumerate(jobs)}

    def queue(self, most: int | None = None) -> tuple[str, ...]:
        return tuple(self.jobs)[:most]

    def loras_of(self, job_id: str) -> tuple[LoraChoice, ...]:
        return self.jobs[job_id]


class Told:
    """A renderer that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def prefetch(self, loras: tuple[LoraChoice, ...]) -> None:
        self.told.append("".join(choice.name for choice in loras))


def foresight(*jobs: tuple[LoraChoice, ...]) -> tuple[LoraPrefetch, FakeLine, Told]:
    line, renderer = FakeLine(*jobs), Told()
    return LoraPrefetch(cast("JobQueue", line), renderer), line, renderer


def test_four_are_told_soonest_first_and_each_once_whatever_its_weight() -> None:
    sight, _, renderer = foresight(
        (lora("b"), lora("a")), (lora("a", 0.5),), (lora("c"),), (), (lora("d"), lora("e"))
    )
    sight.queue_changed()
    assert renderer.told == ["bacd"]


def test_the_eighth_job_in_line_is_looked_at_and_the_ninth_is_not() -> None:
    sight, _, renderer = foresight(*[()] * 7, (lora("h"),), (lora("i"),))
    sight.queue_changed()
    assert renderer.told == ["h"]


def test_the_renderer_is_told_when_that_changes_and_never_of_nothing() -> None:
    sight, line, renderer = foresight()
    sight.queue_changed()
    line.jobs = {"1": (lora("a"),)}
    sight.queue_changed("1")
    sight.queue_changed()
    line.jobs = {"2": (lora("b"),)}
    sight.queue_changed()
    line.jobs = {}
    sight.queue_changed()
    assert renderer.told == ["a", "b"]
