"""Draws the last hour of a card as a PNG: memory by use, load, temperature, power and the queue.

Wide enough for a phone that shows two pixels as one; dark, so that it suits a dark and a light chat.
"""

import io
from collections.abc import Sequence
from functools import cache

from PIL import Image, ImageDraw, ImageFont

from bot.card.series import (
    AGO,
    HEADROOM,
    HOUR_S,
    MAIN_MEMORY,
    MEMORY,
    MEMORY_USES,
    NOW,
    VALUE_LINES,
    ValueLine,
    known_lines,
    memory_title,
    part_of_hour,
    unbroken_runs,
)
from bot.messages import text
from bot.pictures.fonts import Font, chinese_font
from engine.formatting import in_gib
from engine.planner.monitor import CardReading

WIDTH, MARGIN, LEFT, RIGHT = 1080, 36, 92, 36  # px
PAPER, INK, FAINT, GRID = "#14171c", "#e8eaee", "#9aa1ac", "#2b3038"
MEMORY_PX, LINE_PX, GAP_PX, TITLE_PX = 400, 120, 30, 58
TITLE_PT, TEXT_PT, SMALL_PT = 40, 28, 24
SENTENCES = (
    *(each.title for each in (*MEMORY_USES, *VALUE_LINES)),
    *(HEADROOM, MEMORY, MAIN_MEMORY, AGO, NOW),
)

_USE_COLOURS = {"weights": "#4f8ff7", "loras": "#e0699a", "work": "#f2b84b", "other": "#7b8492"}
_LINE_COLOURS = {"load": "#63d2c6", "temperature": "#f08a5d", "power": "#c792ea", "queue": "#ffd866"}
_HEADROOM_COLOUR = "#63d297"


def draw_chart(readings: Sequence[CardReading], device_name: str, locale: str) -> bytes:
    """Return the picture, a PNG.

    Args:
        readings: Oldest first, at least one.
        device_name: The title.
        locale: Of the words in it; English instead where the system has no Chinese font.
    """
    lines = known_lines(readings)
    legend_px = 2 * 44 + 10
    panel_px = TITLE_PX + LINE_PX + GAP_PX
    height = MARGIN + 60 + TITLE_PX + MEMORY_PX + legend_px + GAP_PX + len(lines) * panel_px + 44
    image = Image.new("RGB", (WIDTH, height), PAPER)
    chart = _Chart(ImageDraw.Draw(image), readings[-1].at_s, locale)
    chart.write(MARGIN, MARGIN, device_name, INK, TITLE_PT)
    top = chart.draw_memory(readings, MARGIN + 60)
    for line in lines:
        top = chart.draw_line(readings, line, top)
    chart.draw_times(top - GAP_PX + 6)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


class _Chart:
    """One picture while it is drawn.

    Args:
        now_s: The time at the right edge.
    """

    def __init__(self, draw: ImageDraw.ImageDraw, now_s: float, locale: str) -> None:
        self._draw = draw
        self._now_s = now_s
        self._locale = words_locale(locale)

    def write(self, x: float, y: float, words: str, colour: str, size: int, anchor: str = "la") -> float:
        """Write and return where the words end."""
        font = font_of(size, self._locale)
        self._draw.text((x, y), words, fill=colour, font=font, anchor=anchor)
        return x + font.getlength(words)

    def draw_memory(self, readings: Sequence[CardReading], top: int) -> int:
        """Draw the memory, stacked by use, with its legend; return where the next panel begins."""
        newest = readings[-1]
        total = max(1, newest.total_bytes)
        title = text(memory_title(newest), self._locale, total=in_gib(total, 0))
        self.write(MARGIN, top, title, FAINT, TEXT_PT)
        top += TITLE_PX
        bottom = top + MEMORY_PX

        def y(count_bytes: float) -> float:
            return bottom - MEMORY_PX * min(1.0, count_bytes / total)

        for quarter in range(5):
            self._rule(y(total * quarter / 4), in_gib(total * quarter // 4, 0))
        for run in unbroken_runs(readings):
            floor = [0] * len(run)
            xs = [self._x(each) for each in run]
            for use in MEMORY_USES:
                roof = [low + use.value(each) for low, each in zip(floor, run, strict=True)]
                self._band(xs, [y(low) for low in floor], [y(high) for high in roof], _USE_COLOURS[use.name])
                floor = roof
            for x0, x1, each in zip(xs, [*xs[1:], xs[-1] + 2], run, strict=True):
                level = y(each.headroom_bytes)
                self._draw.line((x0, level, x1, level), fill=_HEADROOM_COLOUR, width=4)
        entries = [(use.title, _USE_COLOURS[use.name], use.value(newest)) for use in MEMORY_USES]
        self._legend([*entries, (HEADROOM, _HEADROOM_COLOUR, newest.headroom_bytes)], bottom + 20)
        return bottom + 20 + 2 * 44 + GAP_PX

    def draw_line(self, readings: Sequence[CardReading], line: ValueLine, top: int) -> int:
        """Draw one value over the hour; return where the next panel begins."""
        values = [value for each in readings if (value := line.value(each)) is not None]
        highest, colour = line.top(readings), _LINE_COLOURS[line.name]
        self._draw.rounded_rectangle((MARGIN, top + 10, MARGIN + 24, top + 34), 6, fill=colour)
        self.write(MARGIN + 36, top, text(line.title, self._locale), FAINT, TEXT_PT)
        if line.value(readings[-1]) is not None:
            self.write(WIDTH - RIGHT, top, f"{values[-1]:.0f}", INK, TEXT_PT, "ra")
        top += TITLE_PX
        bottom = top + LINE_PX
        self._rule(top, f"{highest:.0f}")
        self._rule(bottom, "0")
        for run in unbroken_runs([each for each in readings if line.value(each) is not None]):
            xs = [self._x(each) for each in run]
            ys = [bottom - LINE_PX * (line.value(each) or 0.0) / highest for each in run]
            self._band(xs, [float(bottom)] * len(run), ys, _dimmed(colour))
            points = list(zip(xs, ys, strict=True))
            self._draw.line([*points, (xs[-1] + 2, ys[-1])], fill=colour, width=3, joint="curve")
        return bottom + GAP_PX

    def draw_times(self, y: int) -> None:
        """Write the times below the last panel."""
        for part, anchor in ((0.0, "la"), (0.5, "ma"), (1.0, "ra")):
            minutes = round((1 - part) * HOUR_S / 60)
            words = text(AGO, self._locale, minutes=minutes) if minutes else text(NOW, self._locale)
            self.write(LEFT + part * (WIDTH - RIGHT - LEFT), y, words, FAINT, SMALL_PT, anchor)

    def _x(self, reading: CardReading) -> float:
        return LEFT + part_of_hour(reading, self._now_s) * (WIDTH - RIGHT - LEFT)

    def _rule(self, y: float, words: str) -> None:
        self._draw.line((LEFT, y, WIDTH - RIGHT, y), fill=GRID, width=2)
        self.write(LEFT - 12, y, words, FAINT, SMALL_PT, "rm")

    def _band(self, xs: list[float], low: list[float], high: list[float], colour: str) -> None:
        """Fill between two lines; one reading alone is a narrow bar."""
        xs, low, high = [*xs, xs[-1] + 2], [*low, low[-1]], [*high, high[-1]]
        outline = [*zip(xs, high, strict=True), *reversed(list(zip(xs, low, strict=True)))]
        self._draw.polygon(outline, fill=colour)

    def _legend(self, entries: Sequence[tuple[str, str, int]], top: int) -> None:
        """Name each colour with its newest value, in rows of three."""
        column = (WIDTH - 2 * MARGIN) / 3
        for number, (name, colour, value) in enumerate(entries):
            x, y = MARGIN + column * (number % 3), top + 44 * (number // 3)
            self._draw.rounded_rectangle((x, y + 10, x + 24, y + 34), 6, fill=colour)
            end = self.write(x + 36, y, text(name, self._locale), FAINT, TEXT_PT)
            self.write(end + 12, y, in_gib(value), INK, TEXT_PT)


def _dimmed(colour: str) -> str:
    """Mix a colour with the paper."""
    mixed = (
        round(0.25 * int(colour[at : at + 2], 16) + 0.75 * int(PAPER[at : at + 2], 16)) for at in (1, 3, 5)
    )
    return "#" + "".join(f"{each:02x}" for each in mixed)


def words_locale(locale: str) -> str:
    """Return the language of the words in a chart: English where the system has no Chinese font."""
    return locale if locale == "en" or chinese_font(TEXT_PT) else "en"


@cache
def font_of(size: int, locale: str) -> Font:
    """Return a font for these words; Pillow's own has Latin letters."""
    return (chinese_font(size) if locale != "en" else None) or ImageFont.load_default(size)
