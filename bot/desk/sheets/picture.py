"""The picture of a sheet, in the words of the person who asked for it."""

from collections.abc import Sequence

from bot.messages.sheets.words import sheet_labels
from bot.outcomes import Recipe
from bot.pictures.sheet import compose_sheet, size_of_sheet
from engine.request import Picture


def draw_sheet(recipe: Recipe, drawn: Sequence[Picture], locale: str) -> Picture:
    """Return the picture of a sheet; its number is that after the last cell. Blocking.

    Args:
        recipe: Of the sheet.
        drawn: The pictures of its cells, as far as they were drawn.
        locale: Of the words in it.

    Raises:
        ValueError: The recipe is no sheet.
    """
    png = compose_sheet(recipe, {each.index: each.png for each in drawn}, sheet_labels(recipe, locale))
    return Picture(recipe.count, recipe.seed, *size_of_sheet(recipe), png)
