"""The picture of ``/stats`` has a bar where something happened, and its words in both languages."""

import io

import pytest
from PIL import Image

from bot.card.chart import font_of, words_locale
from bot.card.statistics import SENTENCES, draw_statistics
from bot.messages import LOCALES, text
from bot.outcomes import Span, StatisticsShown

BLUE, GREEN, ORANGE, PINK = (0x4F, 0x8F, 0xF7), (0x63, 0xD2, 0x97), (0xF0, 0x8A, 0x5D), (0xE0, 0x69, 0x9A)
DAY_S = 86_400
WEEK = tuple(
    Span(1_790_000_000 + day * DAY_S, pictures=10 * day, failed=int(day == 6), people=min(day, 3))
    for day in range(7)
)


def week(spans: tuple[Span, ...] = WEEK, loras: tuple[tuple[str, int], ...] = ()) -> StatisticsShown:
    return StatisticsShown(7, 210, 3, 60, 1, 2, (2.0, 30.0), (), (), loras, spans)


def picture(statistics: StatisticsShown, locale: str = "en") -> Image.Image:
    image = Image.open(io.BytesIO(draw_statistics(statistics, locale)))
    assert image.format == "PNG"
    return image.convert("RGB")


def colours(image: Image.Image) -> set[tuple[int, ...]]:
    return {colour for _, colour in image.getcolors(2**24) or () if isinstance(colour, tuple)}


@pytest.mark.parametrize("locale", LOCALES)
def test_each_figure_has_its_bars(locale: str) -> None:
    assert {BLUE, GREEN, ORANGE, PINK} <= colours(picture(week(loras=(("sugar", 9), ("糖" * 99, 1))), locale))


def test_the_highest_day_has_the_highest_bar() -> None:
    image = picture(week())
    heights = []
    for day in range(7):
        x = round(104 + (day + 0.5) * (1080 - 36 - 104) / 7)
        column = [image.getpixel((x, y)) for y in range(154, 345)]
        heights.append(column.count(BLUE))
    assert heights == sorted(heights)
    assert heights[0] == 0 < heights[1]


def test_days_without_anything_have_no_bars() -> None:
    empty = week(tuple(Span(span.at_s) for span in WEEK))
    image = picture(empty)
    below = image.crop((104, 155, 1044, 340))  # the squares of the legend stand to the left
    assert not {BLUE, GREEN, ORANGE} & colours(below)


@pytest.mark.parametrize("locale", LOCALES)
def test_the_font_has_every_character_of_the_picture(locale: str) -> None:
    locale = words_locale(locale)
    font = font_of(28, locale)
    missing = font.getmask("\uffff").getbbox()
    for sentence in SENTENCES:
        for character in text(sentence, locale, days=7):
            assert character == " " or font.getmask(character).getbbox() is not None or missing is None


def test_a_quarter_of_days_is_small_enough_for_a_chat() -> None:
    spans = tuple(Span(1_790_000_000 + day * DAY_S, day, day, day) for day in range(90))
    assert len(draw_statistics(week(spans, tuple((f"lora {n}", 10**n) for n in range(6))), "zh-CN")) < 500_000
