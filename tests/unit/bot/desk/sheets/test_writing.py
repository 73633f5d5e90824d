"""From a comparison to the recipe of one job: which pictures, which labels, which sizes."""

from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from bot.commands.values import Compare, Draft, Draw, LoraWish, PixelSize
from bot.desk.asking.recipes import Recipes
from bot.desk.loras.shelf import LoraShelf, for_everybody
from bot.desk.sheets.writing import Sheets
from bot.errors import NothingToCompare, PersonError, TooManyAxes, TooManyCells, UnknownLora
from bot.outcomes import Axis, Note, NothingSmaller, Recipe, Sheet, WeightBounded
from engine.checkpoint.model import ModelInfo
from engine.request import MAX_SEED, LoraChoice
from engine.shelf import LoraFile, Shelf, Sidecar
from tests.fakes.desk_harness import MODEL, SHELF

SUGAR, ANIME, NONE = LoraWish("sugar"), LoraWish("anime"), LoraWish("none")
BOUNDED = LoraFile("soft", Path("soft"), "c" * 64, 1, 8, sidecar=Sidecar(least_weight=0.0, most_weight=1.0))
A = ("a girl",)


def sheets(model: ModelInfo = MODEL, shelf: Shelf = SHELF) -> Sheets:
    return Sheets(Recipes(shelf=LoraShelf(shelf), model=model, random=Random(3)), model)


def written(
    command: Compare | Draft, default: LoraWish | None = None, writer: Sheets | None = None
) -> tuple[Recipe, Sheet, tuple[Note, ...]]:
    recipe, notes = (writer or sheets()).write(command, default, for_everybody)
    assert recipe.sheet is not None
    return recipe, recipe.sheet, notes


def test_loras_by_weights_are_drawn_once_each_and_no_lora_once_in_all() -> None:
    recipe, sheet, _ = written(Compare(A, (SUGAR, ANIME, NONE), (0.4, 0.8), (7,)))
    assert sheet.rows is not None
    assert (sheet.rows.axis, sheet.rows.labels) == (Axis.LORA, ("sugar", "anime", ""))
    assert (sheet.columns.axis, sheet.columns.labels) == (Axis.WEIGHT, ("0.4", "0.8"))
    assert sheet.places == (0, 1, 2, 3, 4, 4)
    assert [[(lora.name, lora.weight) for lora in cell.loras] for cell in sheet.cells] == [
        [("sugar", 0.4)], [("sugar", 0.8)], [("anime", 0.4)], [("anime", 0.8)], [],
    ]  # fmt: skip
    assert {cell.seed for cell in sheet.cells} == {7}
    assert (recipe.count, recipe.seed, [lora.name for lora in recipe.loras]) == (5, 7, ["sugar", "anime"])
    assert (recipe.width_px, recipe.height_px, sheet.width_px, sheet.height_px) == (64, 64, 128, 128)
    assert sheet.cells[0].prompt == "sugar face, a girl"
    assert (recipe.typed, recipe.triggers) == ("a girl", ("sugar face",))


@pytest.mark.parametrize(
    ("command", "rows", "columns"),
    [
        (Compare(A, (SUGAR, ANIME), seeds=(1, 2)), Axis.LORA, Axis.SEED),
        (Compare(A, (SUGAR, ANIME), seeds=(1, 2, 3)), Axis.SEED, Axis.LORA),  # the longer one runs down
        (Compare(("a", "b"), (SUGAR, NONE)), Axis.PROMPT, Axis.LORA),
        (Compare(("a", "b"), (SUGAR, ANIME, NONE)), Axis.LORA, Axis.PROMPT),
        (Compare(A, (SUGAR,), (0.1, 0.2, 0.3)), None, Axis.WEIGHT),
        (Compare(("a", "b", "a")), None, Axis.PROMPT),
        (Compare(A, seeds=(1, 2)), None, Axis.SEED),
    ],
)
def test_what_differs_makes_rows_and_columns(command: Compare, rows: Axis | None, columns: Axis) -> None:
    recipe, sheet, _ = written(command)
    assert (sheet.rows and sheet.rows.axis, sheet.columns.axis) == (rows, columns)
    labels = len(sheet.rows.labels) if sheet.rows else 1
    assert len(sheet.places) == labels * len(sheet.columns.labels)
    assert len(sheet.cells) == recipe.count == len(set(sheet.places))


def test_weights_without_a_named_lora_are_for_the_chats_default() -> None:
    _, sheet, _ = written(Compare(A, weights=(0.4, 0.8)), LoraWish("anime"))
    assert [cell.loras[0].weight for cell in sheet.cells] == [0.4, 0.8]
    assert {cell.loras[0].name for cell in sheet.cells} == {"anime"}


def test_a_lora_at_two_strengths_of_its_own_says_so_in_its_labels() -> None:
    _, sheet, _ = written(Compare(A, (LoraWish("sugar", 0.4), LoraWish("sugar", 1.0), SUGAR)))
    assert sheet.columns.labels == ("sugar 0.4", "sugar 1", "sugar")


def test_a_strength_that_the_host_bounds_is_drawn_once_and_noted() -> None:
    shelf = Shelf({**SHELF.files, "soft": BOUNDED})
    command = Compare(A, (LoraWish("soft"),), (0.5, 1.0, 1.5))
    recipe, sheet, notes = written(command, writer=sheets(shelf=shelf))
    assert sheet.places == (0, 1, 1)
    assert recipe.count == 2
    assert notes == (WeightBounded("soft", 1.5, 1.0, 0.0, 1.0),)


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (Compare(A), NothingToCompare),
        (Compare(A, (SUGAR, SUGAR), seeds=(1, 1)), NothingToCompare),
        (Compare(A, weights=(0.4, 0.8)), NothingToCompare),  # there is no LoRA
        (Compare(A, (NONE,), (0.4, 0.8)), NothingToCompare),
        (Compare(A, (SUGAR, ANIME), (0.4, 0.8), (1, 2)), TooManyAxes),
        (Compare(A, (SUGAR, ANIME), seeds=tuple(range(9))), TooManyCells),
        (Compare(A, (SUGAR, LoraWish("suger"))), UnknownLora),
    ],
)
def test_what_makes_no_table_is_refused(command: Compare, error: type[PersonError]) -> None:
    with pytest.raises(error):
        written(command)


def test_sixteen_pictures_are_allowed() -> None:
    assert written(Compare(A, (SUGAR, ANIME), seeds=tuple(range(8))))[0].count == 16


def test_without_a_seed_all_pictures_have_the_same_new_one() -> None:
    _, first, _ = written(Compare(A, (SUGAR, ANIME)))
    assert len({cell.seed for cell in first.cells}) == 1


def test_drafts_are_four_seeds_of_one_picture_and_wrap() -> None:
    draw = Draw("a girl", loras=(SUGAR, ANIME), seed=MAX_SEED - 1, size=PixelSize(256, 512))
    recipe, sheet, _ = written(Draft(draw))
    assert sheet.is_draft
    assert [cell.seed for cell in sheet.cells] == [MAX_SEED - 1, MAX_SEED, 0, 1]
    assert len(sheet.cells[0].loras) == 2
    assert (recipe.width_px, recipe.height_px, sheet.width_px, sheet.height_px) == (128, 256, 256, 512)


def test_a_model_that_draws_nothing_smaller_says_so() -> None:
    large = replace(MODEL, min_side_px=128)
    recipe, sheet, notes = written(Draft(Draw("a")), writer=sheets(large))
    assert (recipe.width_px, recipe.height_px) == (sheet.width_px, sheet.height_px) == (128, 128)
    assert notes == (NothingSmaller(128, 128),)


def test_a_cell_is_the_recipe_of_its_picture_at_full_size() -> None:
    recipe, _, _ = written(Compare(A, (SUGAR, NONE), (0.4, 0.8), (7,)))
    alone = sheets()._recipes.write(
        Draw("a girl", loras=(LoraWish("sugar", 0.8),), seed=7), None, for_everybody
    )[0]
    assert recipe.of_cell(1) == alone
    assert recipe.of_cell(2).loras == ()
    for number in (-1, 3):
        with pytest.raises(LookupError):
            recipe.of_cell(number)
    with pytest.raises(LookupError):
        alone.of_cell(0)


def test_every_lora_of_a_sheet_is_known_with_its_pictures() -> None:
    _, sheet, _ = written(Compare(A, (SUGAR, ANIME, NONE), (0.4, 0.8)))
    assert sheet.pictures_with("a" * 64) == {0, 1}
    assert sheet.pictures_with("b" * 64) == {2, 3}
    assert sheet.pictures_with("c" * 64) == set()
    assert [cell.loras for cell in sheet.request_cells][2] == (LoraChoice("anime", "b" * 64, 0.4),)
