"""What the charts of a card show over the last hour: its memory by use, and single values as lines."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bot.messages import N_
from engine.planner.monitor import KEPT, KEPT_EVERY_S, CardReading

HOUR_S = KEPT * KEPT_EVERY_S
HOLE_S = 4 * KEPT_EVERY_S  # without a reading for longer, a line is broken

HEADROOM = N_("free for a job")
MEMORY, MAIN_MEMORY = N_("memory, GiB of {total}"), N_("main memory, GiB of {total}")
AGO, NOW = N_("{minutes} min ago"), N_("now")


@dataclass(frozen=True, slots=True)
class MemoryUse:
    """One use of the memory: its name, a msgid as its title, and its bytes."""

    name: str
    title: str
    value: Callable[[CardReading], int]


@dataclass(frozen=True, slots=True)
class ValueLine:
    """A value over the hour, drawn on a scale of at least ``least_top``; None where it is unknown."""

    name: str
    title: str
    value: Callable[[CardReading], float | None]
    least_top: float

    def top(self, readings: Sequence[CardReading]) -> float:
        """Return the end of the scale: a number that is easy to read."""
        values = (value for each in readings if (value := self.value(each)) is not None)
        return max(self.least_top, *map(rounded_up, values))


MEMORY_USES = (
    MemoryUse("weights", N_("weights"), lambda each: each.weights_bytes),
    MemoryUse("loras", N_("LoRAs"), lambda each: each.lora_bytes),
    MemoryUse("work", N_("work space"), lambda each: each.work_bytes),
    MemoryUse("other", N_("other programs"), lambda each: each.other_bytes),
)
"""From the bottom of the stack to its top."""

VALUE_LINES = (
    ValueLine(
        "load",
        N_("load, %"),
        lambda each: None if each.utilisation is None else 100 * each.utilisation,
        100,
    ),
    ValueLine("temperature", N_("temperature, °C"), lambda each: each.temperature_c, 90),
    ValueLine("power", N_("power, W"), lambda each: each.power_w, 100),
    ValueLine("queue", N_("waiting jobs"), lambda each: each.waiting, 4),
)


def memory_title(reading: CardReading) -> str:
    """Return the msgid of the title of the memory, which is the machine's own without a card."""
    return MEMORY if reading.is_card else MAIN_MEMORY


def known_lines(readings: Sequence[CardReading]) -> list[ValueLine]:
    """Return the lines of which any reading has a value: a processor tells neither load nor power."""
    return [line for line in VALUE_LINES if any(line.value(each) is not None for each in readings)]


def part_of_hour(reading: CardReading, now_s: float) -> float:
    """Return the position of a reading in the hour before ``now_s``: 0 at its beginning, 1 at its end."""
    return max(0.0, min(1.0, 1 - (now_s - reading.at_s) / HOUR_S))


def unbroken_runs(readings: Sequence[CardReading]) -> list[list[CardReading]]:
    """Split where no reading was possible for a while."""
    runs: list[list[CardReading]] = []
    for each in readings:
        if runs and 0 <= each.at_s - runs[-1][-1].at_s <= HOLE_S:
            runs[-1].append(each)
        else:
            runs.append([each])
    return runs


def rounded_up(value: float) -> float:
    """Round up to a number that is easy to read: 4, 10, 20 to 100, 150, 200."""
    grain = 2 if value <= 10 else 10 if value <= 100 else 50
    return math.ceil(value / grain) * grain
