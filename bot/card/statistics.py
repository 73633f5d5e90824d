"""Draws what the bot did in the last days as a PNG, in the style of the card's chart."""

import io
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from PIL import Image, ImageDraw

from bot.card.chart import (
    FAINT,
    GRID,
    INK,
    MARGIN,
    PAPER,
    RIGHT,
    SMALL_PT,
    TEXT_PT,
    TITLE_PT,
    TITLE_PX,
    WIDTH,
    font_of,
    words_locale,
)
from bot.card.series import rounded_up
from bot.messages import N_, shorten, text
from bot.outcomes import Span, StatisticsShown

LEFT = 104
BARS_PX, GAP_PX, LORA_PX, NAME_PX = 190, 66, 50, 330
LAST_DAY, LAST_DAYS = N_("The last day"), N_("The last {days} days")
PICTURES, PEOPLE, FAILED = N_("pictures"), N_("people"), N_("failed jobs")
LORAS = N_("pictures by LoRA")
SENTENCES = (LAST_DAY, LAST_DAYS, PICTURES, PEOPLE, FAILED, LORAS)

_PANELS: tuple[tuple[str, str, Callable[[Span], int]], ...] = (
    (PICTURES, "#4f8ff7", lambda span: span.pictures),
    (PEOPLE, "#63d297", lambda span: span.people),
    (FAILED, "#f08a5d", lambda span: span.failed),
)
_LORA_COLOUR = "#e0699a"


def draw_statistics(statistics: StatisticsShown, locale: str) -> bytes:
    """Return the picture, a PNG; English where the system has no Chinese font. Blocking."""
    locale = words_locale(locale)
    bars = len(_PANELS) * (TITLE_PX + BARS_PX + GAP_PX)
    loras = TITLE_PX + len(statistics.loras) * LORA_PX if statistics.loras else 0
    image = Image.new("RGB", (WIDTH, MARGIN + 60 + bars + loras + MARGIN), PAPER)
    chart = _Bars(ImageDraw.Draw(image), locale)
    title = text(LAST_DAY if statistics.days == 1 else LAST_DAYS, locale, days=statistics.days)
    chart.write(MARGIN, MARGIN, title, INK, TITLE_PT)
    top = MARGIN + 60
    for name, colour, value in _PANELS:
        chart.draw_spans(statistics, name, colour, value, top)
        top += TITLE_PX + BARS_PX + GAP_PX
    if statistics.loras:
        chart.draw_loras(statistics.loras, top)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


class _Bars:
    """One picture while it is drawn."""

    def __init__(self, draw: ImageDraw.ImageDraw, locale: str) -> None:
        self._draw = draw
        self._locale = locale

    def write(self, x: float, y: float, words: str, colour: str, size: int, anchor: str = "la") -> None:
        """Write some words."""
        self._draw.text((x, y), words, fill=colour, font=font_of(size, self._locale), anchor=anchor)

    def draw_spans(
        self, statistics: StatisticsShown, name: str, colour: str, value: Callable[[Span], int], top: int
    ) -> None:
        """Draw a bar for each span, with the times below."""
        spans = statistics.spans
        values = [value(span) for span in spans]
        highest = max(4.0, rounded_up(max(values, default=0)))
        self._title(name, colour, top)
        top += TITLE_PX
        bottom = top + BARS_PX
        for level, words in ((top, f"{highest:.0f}"), (bottom, "0")):
            self._draw.line((LEFT, level, WIDTH - RIGHT, level), fill=GRID, width=2)
            self.write(LEFT - 12, level, words, FAINT, SMALL_PT, "rm")
        step = (WIDTH - RIGHT - LEFT) / len(spans)
        for number, one in enumerate(values):
            if one:
                x = LEFT + number * step
                edges = (x + 0.1 * step, bottom - BARS_PX * one / highest, x + 0.9 * step, bottom)
                self._draw.rectangle(edges, fill=colour)
        for number in sorted({0, len(spans) // 2, len(spans) - 1}):
            moment = datetime.fromtimestamp(spans[number].at_s, tz=UTC)
            words = f"{moment:%H:%M} UTC" if statistics.days == 1 else f"{moment:%m-%d}"
            self.write(LEFT + (number + 0.5) * step, bottom + 10, words, FAINT, SMALL_PT, "ma")

    def draw_loras(self, loras: Sequence[tuple[str, int]], top: int) -> None:
        """Draw a bar for each LoRA, with its name before it and its pictures behind it."""
        self._title(LORAS, _LORA_COLOUR, top)
        top += TITLE_PX
        most = max(count for _, count in loras)
        room = WIDTH - RIGHT - NAME_PX - 130
        for number, (name, count) in enumerate(loras):
            y = top + number * LORA_PX
            shown = self._fitting(name, NAME_PX - MARGIN - 16)
            self.write(NAME_PX - 16, y + LORA_PX / 2, shown, INK, SMALL_PT, "rm")
            end = NAME_PX + max(4.0, room * count / most)
            self._draw.rectangle((NAME_PX, y + 10, end, y + LORA_PX - 10), fill=_LORA_COLOUR)
            self.write(end + 14, y + LORA_PX / 2, str(count), FAINT, SMALL_PT, "lm")

    def _title(self, name: str, colour: str, top: int) -> None:
        self._draw.rounded_rectangle((MARGIN, top + 10, MARGIN + 24, top + 34), 6, fill=colour)
        self.write(MARGIN + 36, top, text(name, self._locale), FAINT, TEXT_PT)

    def _fitting(self, name: str, most_px: int) -> str:
        """Shorten a name to a width."""
        font, most_chars = font_of(SMALL_PT, self._locale), len(name)
        while most_chars > 1 and font.getlength(shorten(name, most_chars)) > most_px:
            most_chars -= 1
        return shorten(name, most_chars)
