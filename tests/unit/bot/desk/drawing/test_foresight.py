"""Which LoRAs the renderer is told of before their turn."""

from typing import cast

from bot.desk.drawing import Foresight
from bot.desk.waiting import Line
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

    def foresee(self, loras: tuple[LoraChoice, ...]) -> None:
        self.told.append("".join(choice.name for choice in loras))


def foresight(*jobs: tuple[LoraChoice, ...]) -> tuple[Foresight, FakeLine, Told]:
    line, renderer = FakeLine(*jobs), Told()
    return Foresight(cast("Line", line), renderer), line, renderer


def test_four_are_told_soonest_first_and_each_once_whatever_its_weight() -> None:
    sight, _, renderer = foresight(
        (lora("b"), lora("a")), (lora("a", 0.5),), (lora("c"),), (), (lora("d"), lora("e"))
    )
    sight.line_moved()
    assert renderer.told == ["bacd"]


def test_the_eighth_job_in_line_is_looked_at_and_the_ninth_is_not() -> None:
    sight, _, renderer = foresight(*[()] * 7, (lora("h"),), (lora("i"),))
    sight.line_moved()
    assert renderer.told == ["h"]


def test_the_renderer_is_told_when_that_changes_and_never_of_nothing() -> None:
    sight, line, renderer = foresight()
    sight.line_moved()
    line.jobs = {"1": (lora("a"),)}
    sight.line_moved("1")
    sight.line_moved()
    line.jobs = {"2": (lora("b"),)}
    sight.line_moved()
    line.jobs = {}
    sight.line_moved()
    assert renderer.told == ["a", "b"]
