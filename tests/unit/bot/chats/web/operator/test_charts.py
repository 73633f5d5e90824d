"""The charts have the readings in the right places."""

import re
from dataclasses import replace

import pytest

from bot.chats.web.operator.charts import ChartView, chart_views
from engine.planner.monitor import KEPT, KEPT_EVERY_S, CardReading

GIB = 2**30
READING = CardReading(
    at_s=1e9,
    total_bytes=24 * GIB,
    weights_bytes=12 * GIB,
    lora_bytes=0,
    work_bytes=3 * GIB,
    other_bytes=3 * GIB,
    headroom_bytes=18 * GIB,
    utilisation=0.5,
    temperature_c=60,
    power_w=240.0,
    waiting=2,
)


def after(seconds: float, **changed: object) -> CardReading:
    return replace(READING, at_s=READING.at_s + seconds, **changed)  # type: ignore[arg-type]


def points(path: str) -> list[list[tuple[float, float]]]:
    """The points of each part of a path."""
    parts = [part for part in re.split("[MZ]", path) if part.strip()]
    return [[(float(x), float(y)) for x, y in (point.split(",") for point in part.split())] for part in parts]


def chart(name: str, *readings: CardReading, locale: str = "en") -> ChartView:
    return next(view for view in chart_views(readings, locale) if view.name == name)


def test_without_a_reading_there_is_no_chart() -> None:
    assert chart_views((), "en") == ()


def test_the_memory_is_stacked_by_use() -> None:
    view = chart("memory", READING)
    heights = {path.name: points(path.d)[0][0][1] for path in view.paths}
    assert heights == {"weights": 50.0, "loras": 50.0, "work": 37.5, "other": 25.0, "headroom": 25.0}
    assert {key.name: key.value for key in view.keys}["weights"] == "12.0"
    assert view.top == "24"


def test_the_newest_reading_is_at_the_right_edge_and_an_hour_is_the_width() -> None:
    hour_s = KEPT * KEPT_EVERY_S
    view = chart("queue", READING, after(hour_s / 2), after(hour_s, waiting=4))
    parts = points(view.paths[-1].d)  # the pauses between the readings break the line
    assert [part[0][0] for part in parts] == [0.0, 499.0, 998.0]
    assert [part[0][1] for part in parts] == [50.0, 50.0, 0.0]
    assert parts[-1][-1][0] == 1000.0
    assert view.now == "4"


def test_a_new_reading_moves_what_was_there_to_the_left() -> None:
    before = points(chart("load", READING, after(15)).paths[-1].d)[0]
    later = points(chart("load", READING, after(15), after(30)).paths[-1].d)[0]
    assert later[0][0] < before[0][0]


def test_a_scale_ends_at_a_number_that_is_easy_to_read() -> None:
    assert chart("power", READING).top == "250"
    assert chart("load", READING).top == "100"
    assert chart("queue", after(0, waiting=7)).top == "8"


def test_a_value_that_is_unknown_now_keeps_its_past() -> None:
    view = chart("load", READING, after(15, utilisation=None))
    assert view.now == ""
    assert len(points(view.paths[-1].d)[0]) == 2


def test_a_processor_has_no_chart_of_what_it_does_not_tell() -> None:
    reading = after(0, utilisation=None, temperature_c=None, power_w=None)
    assert [view.name for view in chart_views((reading,), "en")] == ["memory", "queue"]


@pytest.mark.parametrize(("locale", "title"), [("en", "waiting jobs"), ("zh-CN", "排队任务")])
def test_titles_are_in_the_language_of_the_page(locale: str, title: str) -> None:
    assert chart("queue", READING, locale=locale).title == title


def test_without_a_card_the_chart_shows_main_memory() -> None:
    assert chart("memory", READING, locale="zh-CN").title == "显存（GiB，共 24）"
    processor = replace(READING, is_card=False)
    assert chart("memory", processor, locale="zh-CN").title == "内存（GiB，共 24）"
    assert chart("memory", processor).title == "main memory, GiB of 24"
