"""The picture of a sheet: its size follows from the recipe; every place has its picture, number and label."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from bot.messages.sheets.words import sheet_labels
from bot.outcomes import Axis, Recipe, Sheet, SheetAxis, SheetCell
from bot.pictures.sheet import EMPTY, PAPER, SheetLabels, compose_sheet, size_of_sheet
from engine.finish.encoder import encode
from engine.finish.metadata import PictureSettings
from tests.fakes.renderer import tiny_png

NO_LABELS = SheetLabels(("", ""), (), (), ("-", "-"))
COLOURS = {number: (40 + 20 * number, 0, 200) for number in range(8)}


def a_sheet(
    rows: int, columns: int, width_px: int = 256, height_px: int = 384, axis: Axis = Axis.LORA
) -> Recipe:
    """A recipe of a sheet; without ``rows``, ``columns`` pictures with a label each."""
    count = max(1, rows) * columns
    cells = tuple(SheetCell("p", (), number, 8, "a girl") for number in range(count))
    row_axis = SheetAxis(axis, tuple(f"row {number}" for number in range(rows))) if rows else None
    sheet = Sheet(
        False,
        row_axis,
        SheetAxis(Axis.SEED, tuple(map(str, range(columns)))),
        tuple(range(count)),
        cells,
        512,
        768,
    )
    return Recipe("p", (), width_px, height_px, 0, count, 8, "a girl", sheet=sheet)


def a_png(colour: tuple[int, int, int]) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (256, 384), colour).save(buffer, "PNG")
    return buffer.getvalue()


def opened(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png))


@pytest.mark.parametrize(
    ("recipe", "across"),
    [
        (a_sheet(2, 4), 4),
        (a_sheet(0, 4), 2),
        (a_sheet(0, 16), 4),
        (a_sheet(0, 2), 2),
        (a_sheet(8, 2), 2),
        (a_sheet(4, 4, 128, 192), 4),
        (a_sheet(2, 2, 512, 768), 2),
        (a_sheet(3, 2, axis=Axis.PROMPT), 2),
    ],
)
@pytest.mark.parametrize("locale", ["en", "zh-CN"])
def test_a_sheet_has_the_size_that_its_recipe_says_and_fits_the_platforms(
    recipe: Recipe, across: int, locale: str
) -> None:
    png = compose_sheet(
        recipe, {number: tiny_png(number) for number in range(recipe.count)}, sheet_labels(recipe, locale)
    )
    with opened(png) as picture:
        assert picture.size == size_of_sheet(recipe)
        width, height = picture.size
    assert 240 * across <= width <= 420 * across + 40
    assert width + height <= 10_000
    assert max(width, height) <= 20 * min(width, height), "Telegram takes no photo that is longer"


def test_every_picture_stands_at_its_place_and_equal_ones_at_several() -> None:
    recipe = a_sheet(2, 2)
    assert recipe.sheet is not None
    recipe = replace(recipe, count=3, sheet=replace(recipe.sheet, places=(0, 1, 2, 0)))
    png = compose_sheet(recipe, {number: a_png(COLOURS[number]) for number in range(3)}, NO_LABELS)
    with opened(png) as picture:
        pixels = np.asarray(picture)
    areas = {number: int((pixels == COLOURS[number]).all(axis=2).sum()) for number in range(3)}
    assert areas[1] == pytest.approx(256 * 384, rel=0.03)  # without the ground of its number
    assert areas[0] == pytest.approx(2 * areas[1], rel=0.01)
    rows, columns = np.nonzero((pixels == COLOURS[2]).all(axis=2))
    assert rows.min() > picture.height / 2
    assert columns.max() < picture.width / 2


def test_a_picture_that_was_not_drawn_leaves_its_place_empty() -> None:
    recipe = a_sheet(0, 4)
    png = compose_sheet(recipe, {0: a_png(COLOURS[0])}, NO_LABELS)
    with opened(png) as picture:
        grey = tuple(int(EMPTY[at : at + 2], 16) for at in (1, 3, 5))
        assert (np.asarray(picture) == grey).all(axis=2).sum() > 2.8 * 256 * 384


@pytest.mark.parametrize("locale", ["en", "zh-CN"])
def test_labels_change_nothing_but_their_own_space(locale: str) -> None:
    recipe = a_sheet(2, 2)
    pictures = {number: a_png(COLOURS[number]) for number in range(4)}
    bare, labelled = (
        np.asarray(opened(compose_sheet(recipe, pictures, labels)))
        for labels in (NO_LABELS, sheet_labels(recipe, locale))
    )
    changed = (bare != labelled).any(axis=2)
    assert changed.sum() > 500
    paper = tuple(int(PAPER[at : at + 2], 16) for at in (1, 3, 5))
    assert (bare[changed] == paper).all()


def test_the_mark_that_a_model_made_the_pictures_is_in_the_sheet() -> None:
    pixels = np.random.default_rng(3).integers(0, 255, (384, 256, 3), np.uint8)
    png = encode(pixels, PictureSettings("p", 1, 256, 384, 8, "m"))
    with opened(compose_sheet(a_sheet(0, 4), {1: png}, NO_LABELS)) as sheet:
        assert "trainedAlgorithmicMedia" in str(sheet.info["XML:com.adobe.xmp"])
        assert "parameters" not in sheet.info, "a sheet is not the picture of one prompt and seed"


def test_what_is_no_sheet_has_no_picture() -> None:
    with pytest.raises(ValueError, match="not a sheet"):
        size_of_sheet(replace(a_sheet(0, 4), sheet=None))
