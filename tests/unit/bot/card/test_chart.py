"""The chart has the readings in the right places, in both languages, whatever the driver does not tell."""

import io
from dataclasses import replace

import pytest
from PIL import Image

from bot.card import chart
from bot.card.chart import SENTENCES, WIDTH, draw_chart, font_of, words_locale
from bot.messages import LOCALES, text
from engine.planner.monitor import KEPT, KEPT_EVERY_S, CardReading

GIB = 2**30
BLUE, GREY, YELLOW = (0x4F, 0x8F, 0xF7), (0x7B, 0x84, 0x92), (0xF2, 0xB8, 0x4B)
READING = CardReading(
    at_s=1e9,
    total_bytes=24 * GIB,
    weights_bytes=12 * GIB,
    lora_bytes=GIB,
    work_bytes=2 * GIB,
    other_bytes=3 * GIB,
    headroom_bytes=20 * GIB,
    utilisation=0.5,
    temperature_c=60,
    power_w=200.0,
    waiting=3,
)
HOUR = tuple(replace(READING, at_s=1e9 + number * KEPT_EVERY_S) for number in range(KEPT))
MEMORY_TOP, MEMORY_PX = 36 + 60 + 58, 400


def picture(*readings: CardReading, locale: str = "en") -> Image.Image:
    image = Image.open(io.BytesIO(draw_chart(readings, "NVIDIA A10", locale)))
    assert image.format == "PNG"
    return image.convert("RGB")


def colour_at(image: Image.Image, part_of_hour: float, gib: float) -> tuple[int, ...]:
    x = 92 + part_of_hour * (WIDTH - 36 - 92)
    found = image.getpixel((round(x), round(MEMORY_TOP + MEMORY_PX * (1 - gib / 24))))
    assert isinstance(found, tuple)
    return found


@pytest.mark.parametrize("locale", LOCALES)
def test_memory_is_stacked_by_use(locale: str) -> None:
    image = picture(*HOUR, locale=locale)
    for part in (0.1, 0.5, 0.9):
        assert colour_at(image, part, 5) == BLUE
        assert colour_at(image, part, 14) == YELLOW
        assert colour_at(image, part, 17) == GREY
        assert colour_at(image, part, 22) not in (BLUE, YELLOW, GREY)


def test_a_time_without_readings_is_empty() -> None:
    image = picture(*HOUR[:60], *HOUR[180:])
    assert [colour_at(image, part, 5) == BLUE for part in (0.1, 0.5, 0.9)] == [True, False, True]


def test_a_first_reading_alone_is_a_chart() -> None:
    assert colour_at(picture(READING), 1.0, 5) == BLUE


def test_what_the_driver_does_not_tell_has_no_panel() -> None:
    silent = replace(READING, utilisation=None, temperature_c=None, power_w=None)
    assert picture(silent).height < picture(READING).height
    assert picture(silent, READING).height == picture(READING).height


def test_a_card_of_which_nothing_is_known_is_drawn() -> None:
    nothing = CardReading(
        at_s=0, total_bytes=0, weights_bytes=0, lora_bytes=0, work_bytes=0, other_bytes=0, headroom_bytes=0
    )
    assert picture(nothing).width == WIDTH


@pytest.mark.parametrize("locale", LOCALES)
def test_the_font_has_every_character_of_the_chart(locale: str) -> None:
    words_in = words_locale(locale)
    font = font_of(28, words_in)
    missing = bytes(font.getmask("\U000f0000"))
    words = "".join(text(sentence, words_in) for sentence in SENTENCES)
    printable = "".join(map(chr, range(33, 127)))
    lacking = [each for each in {*words, *printable} if each != " " and bytes(font.getmask(each)) == missing]
    assert lacking == []


def test_without_a_chinese_font_the_words_are_english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chart, "chinese_font", lambda size: None)
    font_of.cache_clear()
    try:
        assert words_locale("zh-CN") == "en"
        assert draw_chart(HOUR, "NVIDIA A10", "zh-CN") == draw_chart(HOUR, "NVIDIA A10", "en")
    finally:
        font_of.cache_clear()


def test_a_chart_is_small_enough_for_every_platform() -> None:
    assert len(draw_chart(HOUR, "NVIDIA A10", "en")) < 500_000
