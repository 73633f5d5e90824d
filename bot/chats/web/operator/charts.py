"""The charts of the last hour as values for SVG: paths in a box of 1000 × 100, which the page stretches.

The text stands beside the box, so that it is not stretched with it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bot.card.series import (
    HEADROOM,
    MEMORY_USES,
    ValueLine,
    known_lines,
    memory_title,
    part_of_hour,
    unbroken_runs,
)
from bot.messages import text
from engine.formatting import in_gib
from engine.planner.monitor import CardReading

WIDTH, HEIGHT = 1000, 100
BAR = 2  # the width of a reading that stands alone


@dataclass(frozen=True, slots=True)
class ChartPath:
    """One area or line.

    Attributes:
        name: Its class, which gives it its colour: ``weights``, ``load``, …
        kind: ``area`` or ``line``.
        d: The path.
    """

    name: str
    kind: str
    d: str


@dataclass(frozen=True, slots=True)
class ChartKey:
    """One entry of the legend: class, title and newest value."""

    name: str
    title: str
    value: str


@dataclass(frozen=True, slots=True)
class ChartView:
    """One chart.

    Attributes:
        name: ``memory``, or that of its line.
        title: With the unit.
        now: The newest value; empty where the legend has it or it is unknown.
        top: The end of the scale, which begins at 0.
        paths: In the order in which they are drawn.
        keys: The legend; empty for a single line.
    """

    name: str
    title: str
    now: str
    top: str
    paths: tuple[ChartPath, ...]
    keys: tuple[ChartKey, ...] = ()


def chart_views(readings: Sequence[CardReading], locale: str) -> tuple[ChartView, ...]:
    """Return the charts of these readings, the oldest first; none without a reading."""
    if not readings:
        return ()
    return (_memory(readings, locale), *(_line(readings, line, locale) for line in known_lines(readings)))


def _memory(readings: Sequence[CardReading], locale: str) -> ChartView:
    newest = readings[-1]
    total = max(1, newest.total_bytes)
    areas: dict[str, list[str]] = {use.name: [] for use in MEMORY_USES}
    levels = []
    for run in unbroken_runs(readings):
        floor = [0.0] * len(run)
        for use in MEMORY_USES:
            roof = [low + use.value(each) / total for low, each in zip(floor, run, strict=True)]
            areas[use.name].append(_area(run, newest.at_s, floor, roof))
            floor = roof
        levels.append(_polyline(run, newest.at_s, [each.headroom_bytes / total for each in run]))
    keys = [ChartKey(use.name, text(use.title, locale), in_gib(use.value(newest))) for use in MEMORY_USES]
    return ChartView(
        name="memory",
        title=text(memory_title(newest), locale, total=in_gib(total, 0)),
        now="",
        top=in_gib(total, 0),
        paths=(
            *(ChartPath(use.name, "area", " ".join(areas[use.name])) for use in MEMORY_USES),
            ChartPath("headroom", "line", " ".join(levels)),
        ),
        keys=(*keys, ChartKey("headroom", text(HEADROOM, locale), in_gib(newest.headroom_bytes))),
    )


def _line(readings: Sequence[CardReading], line: ValueLine, locale: str) -> ChartView:
    known = [each for each in readings if line.value(each) is not None]
    top, now_s, newest = line.top(readings), readings[-1].at_s, line.value(readings[-1])
    part: Callable[[CardReading], float] = lambda each: (line.value(each) or 0.0) / top  # noqa: E731
    runs = [(run, [part(each) for each in run]) for run in unbroken_runs(known)]
    return ChartView(
        name=line.name,
        title=text(line.title, locale),
        now="" if newest is None else f"{newest:.0f}",
        top=f"{top:.0f}",
        paths=(
            ChartPath(
                line.name, "area", " ".join(_area(run, now_s, [0.0] * len(run), parts) for run, parts in runs)
            ),
            ChartPath(line.name, "line", " ".join(_polyline(run, now_s, parts) for run, parts in runs)),
        ),
    )


def _area(run: Sequence[CardReading], now_s: float, floor: Sequence[float], roof: Sequence[float]) -> str:
    above = _points(run, now_s, roof)
    below = _points(run, now_s, floor)[::-1]
    return f"M{' '.join([*above, *below])}Z"


def _polyline(run: Sequence[CardReading], now_s: float, parts: Sequence[float]) -> str:
    return f"M{' '.join(_points(run, now_s, parts))}"


def _points(run: Sequence[CardReading], now_s: float, parts: Sequence[float]) -> list[str]:
    """Return a point for each reading, and one more, so that a reading alone is seen."""
    places = [(WIDTH - BAR) * part_of_hour(each, now_s) for each in run]
    places, parts = [*places, places[-1] + BAR], [*parts, parts[-1]]
    return [f"{x:.1f},{HEIGHT * (1 - min(1.0, part)):.1f}" for x, part in zip(places, parts, strict=True)]
