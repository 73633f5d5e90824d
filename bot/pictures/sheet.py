"""The small pictures of a job as one labelled picture, a PNG.

Rows are labelled above, over the whole width, and columns at the top: so four columns fit a phone, and long
prompts can be read. Every picture bears its number, with which a person chooses it. The size depends on the
recipe alone.
"""

import io
import math
from collections.abc import Mapping
from dataclasses import dataclass

from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo

from bot.outcomes import Axis, Recipe, SheetAxis
from bot.pictures.fonts import Font, best_font, wrapped, writable

GAP_PX, MARGIN_PX = 8, 20
LEAST_CELL_PX, MOST_CELL_PX = 240, 400  # width of a picture in the sheet
PAPER, INK, FAINT, EMPTY = "#14171c", "#e8eaee", "#9aa1ac", "#2b3038"
LEAST_FONT_PX = 18
FONT_PART = 32  # of the width: 12 points on a phone
LINE = 1.35  # height of a line, in heights of the font
TITLE_LINES = 2
ROW_LINES, COLUMN_LINES = 2, 3  # of a label that is a prompt; the others have one line
XMP = "XML:com.adobe.xmp"  # the mark that a model made the picture


@dataclass(frozen=True, slots=True)
class SheetLabels:
    """The words in the picture of a sheet, and words in Latin letters for a machine without a Chinese font.

    Attributes:
        title: What all pictures have in common; empty for none.
        rows, columns: Label and substitute of each; without ``rows``, each picture has a label of
            ``columns``.
        missing: Of a place whose picture was not drawn.
    """

    title: tuple[str, str]
    rows: tuple[tuple[str, str], ...]
    columns: tuple[tuple[str, str], ...]
    missing: tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where everything is, in pixels. ``label_px`` is the height of the labels above each row of pictures."""

    columns: int
    rows: int
    cell_px: tuple[int, int]
    font_px: int
    title_px: int
    header_px: int
    label_px: int

    @property
    def width_px(self) -> int:
        return 2 * MARGIN_PX + self.columns * (self.cell_px[0] + GAP_PX) - GAP_PX

    @property
    def height_px(self) -> int:
        rows_px = self.rows * (self.label_px + self.cell_px[1] + GAP_PX) - GAP_PX
        return 2 * MARGIN_PX + self.title_px + self.header_px + rows_px

    def place(self, number: int) -> tuple[int, int]:
        """Return the upper left corner of a picture's place; its label is above it."""
        row, column = divmod(number, self.columns)
        top = MARGIN_PX + self.title_px + self.header_px
        y = top + row * (self.label_px + self.cell_px[1] + GAP_PX) + self.label_px
        return MARGIN_PX + column * (self.cell_px[0] + GAP_PX), y


def size_of_sheet(recipe: Recipe) -> tuple[int, int]:
    """Return width and height of the picture of a sheet.

    Raises:
        ValueError: The recipe is no sheet.
    """
    layout = _layout(recipe)
    return layout.width_px, layout.height_px


def compose_sheet(recipe: Recipe, pictures: Mapping[int, bytes], labels: SheetLabels) -> bytes:
    """Return the picture of a sheet, a PNG that bears the mark of its pictures.

    Args:
        recipe: Of the sheet.
        pictures: The PNG of each picture that was drawn, by its number.
        labels: The words in it.
    """
    layout, sheet = _layout(recipe), recipe.sheet
    assert sheet is not None  # noqa: S101 - ``_layout`` has raised
    image = Image.new("RGB", (layout.width_px, layout.height_px), PAPER)
    writer = _Writer(ImageDraw.Draw(image), layout)
    writer.write_title(*labels.title)
    marks = PngInfo()
    for place, number in enumerate(sheet.places):
        x, y = layout.place(place)
        if (png := pictures.get(number)) is None:
            writer.draw_empty(x, y, *labels.missing)
        else:
            with Image.open(io.BytesIO(png), formats=["PNG"]) as picture:
                image.paste(picture.convert("RGB").resize(layout.cell_px, Image.Resampling.LANCZOS), (x, y))
                if XMP in picture.info and not marks.chunks:
                    marks.add_itxt(XMP, picture.info[XMP])
        writer.draw_number(x, y, number + 1)
    writer.write_labels(labels)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", pnginfo=marks)
    return buffer.getvalue()


def _layout(recipe: Recipe) -> _Layout:
    sheet = recipe.sheet
    if sheet is None:
        raise ValueError("not a sheet")
    columns = len(sheet.columns.labels)
    if sheet.rows is None:
        columns = math.ceil(math.sqrt(columns))
    width = min(max(recipe.width_px, LEAST_CELL_PX), MOST_CELL_PX)
    cell_px = (width, round(recipe.height_px * width / recipe.width_px))
    font_px = max(LEAST_FONT_PX, columns * width // FONT_PART)
    line_px = round(font_px * LINE)

    def height_of(axis: SheetAxis, prompt_lines: int) -> int:
        return (prompt_lines if axis.axis is Axis.PROMPT else 1) * line_px + GAP_PX

    return _Layout(
        columns=columns,
        rows=math.ceil(len(sheet.places) / columns),
        cell_px=cell_px,
        font_px=font_px,
        title_px=TITLE_LINES * line_px + GAP_PX,
        header_px=height_of(sheet.columns, COLUMN_LINES) if sheet.rows else 0,
        label_px=height_of(sheet.rows, ROW_LINES) if sheet.rows else height_of(sheet.columns, COLUMN_LINES),
    )


class _Writer:
    """Writes the words of one sheet."""

    def __init__(self, draw: ImageDraw.ImageDraw, layout: _Layout) -> None:
        self._draw = draw
        self._layout = layout
        self._line_px = round(layout.font_px * LINE)
        self._font: Font = best_font(layout.font_px)

    def write_title(self, words: str, fallback: str) -> None:
        """Write what all pictures have in common, in two lines at most."""
        width_px = self._layout.width_px - 2 * MARGIN_PX
        lines = wrapped(writable(words, fallback, self._font), self._font, width_px, TITLE_LINES)
        self._write_lines(MARGIN_PX, MARGIN_PX, lines, INK)

    def write_labels(self, labels: SheetLabels) -> None:
        """Write the label of every row and column, or of every picture."""
        layout, cell_width = self._layout, self._layout.cell_px[0]
        for column, (words, fallback) in enumerate(labels.columns):
            x, y = layout.place(column)
            y -= layout.label_px + (layout.header_px if labels.rows else 0)
            self._write(x, y, cell_width, layout.header_px or layout.label_px, words, fallback, FAINT)
        for row, (words, fallback) in enumerate(labels.rows):
            x, y = layout.place(row * layout.columns)
            width_px = layout.width_px - 2 * MARGIN_PX
            self._write(x, y - layout.label_px, width_px, layout.label_px, words, fallback, INK)

    def draw_empty(self, x: int, y: int, words: str, fallback: str) -> None:
        """Draw the place of a picture that was not drawn."""
        width, height = self._layout.cell_px
        self._draw.rectangle((x, y, x + width - 1, y + height - 1), fill=EMPTY)
        words = writable(words, fallback, self._font)
        self._draw.text((x + width / 2, y + height / 2), words, fill=FAINT, font=self._font, anchor="mm")

    def draw_number(self, x: int, y: int, number: int) -> None:
        """Write the number of a picture into its lower left corner, on a dark ground."""
        words, bottom = str(number), y + self._layout.cell_px[1]
        width = round(self._font.getlength(words)) + self._line_px // 2
        box = (x, bottom - self._line_px, x + width, bottom - 1)
        self._draw.rectangle(box, fill=PAPER)
        middle = (x + width / 2, bottom - self._line_px / 2)
        self._draw.text(middle, words, fill=INK, font=self._font, anchor="mm")

    def _write(
        self, x: int, y: int, width_px: int, height_px: int, words: str, fallback: str, colour: str
    ) -> None:
        """Write words into a space, at its lower edge."""
        lines = wrapped(
            writable(words, fallback, self._font), self._font, width_px, height_px // self._line_px
        )
        self._write_lines(x, y + height_px - GAP_PX // 2 - len(lines) * self._line_px, lines, colour)

    def _write_lines(self, x: int, y: int, lines: list[str], colour: str) -> None:
        for number, line in enumerate(lines):
            self._draw.text((x, y + number * self._line_px), line, fill=colour, font=self._font)
