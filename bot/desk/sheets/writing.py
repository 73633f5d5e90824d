"""From a comparison or drafts to the recipe of one job."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

from bot.commands.reading import NO_LORA
from bot.commands.text import normalize
from bot.commands.values import DRAFTS, MAX_CELLS, Compare, Draft, Draw, LoraWish
from bot.desk.asking.recipes import Recipes
from bot.desk.iterating.derivation import Changes
from bot.desk.loras.shelf import Rule
from bot.errors import NothingToCompare, TooManyAxes, TooManyCells
from bot.outcomes import Axis, Note, NothingSmaller, Recipe, Sheet, SheetAxis, SheetCell
from bot.store.rows import JobRow
from engine.checkpoint.model import ModelInfo
from engine.request import MAX_SEED, LoraChoice

MAX_AXES = 2  # what differs in more ways is no table

Written = tuple[Recipe, tuple[Note, ...]]


class Sheets:
    """Writes the recipes of sheets for this model."""

    def __init__(self, recipes: Recipes, model: ModelInfo) -> None:
        self._recipes = recipes
        self._model = model

    def write(self, command: Compare | Draft, default: LoraWish | None, may_use: Rule) -> Written:
        """Return the recipe of a sheet, and the notes of all its pictures.

        Raises:
            NotUnderstood: NothingToCompare, TooManyAxes, TooManyCells, and as for a single picture.
            NotPossible: As for a single picture.
        """
        if isinstance(command, Draft):
            return self._write_drafts(command.draw, default, may_use)
        values = self._values(command)
        rows, columns = _axes(values)
        written: list[Written] = []
        for row in values[rows] if rows else (None,):
            for column in values[columns]:
                chosen = {axis: each[0] for axis, each in values.items()} | {columns: column}
                draw = _draw_of(chosen | ({rows: row} if rows else {}), command)
                written.append(self._recipes.write(draw, default, may_use))
        across = len(values[columns])
        column_axis = _labelled(columns, values[columns], written[:across])
        row_axis = _labelled(rows, values[rows], written[::across]) if rows else None
        numbers: dict[tuple[object, ...], int] = {}
        places = tuple(numbers.setdefault(_identity(recipe), len(numbers)) for recipe, _ in written)
        if len(numbers) == 1:  # strengths without a LoRA, for example
            raise NothingToCompare
        different = [written[places.index(number)][0] for number in range(len(numbers))]
        recipe = self._assemble(different, row_axis, column_axis, places, is_draft=False)
        return recipe, _notes(written, recipe)

    def _write_drafts(self, draw: Draw, default: LoraWish | None, may_use: Rule) -> Written:
        first = self._recipes.new_seed() if draw.seed is None else draw.seed
        seeds = tuple((first + number) % (MAX_SEED + 1) for number in range(DRAFTS))
        written = [self._recipes.write(replace(draw, count=1, seed=seed), default, may_use) for seed in seeds]
        columns = SheetAxis(Axis.SEED, tuple(map(str, seeds)))
        recipes = [recipe for recipe, _ in written]
        recipe = self._assemble(recipes, None, columns, tuple(range(DRAFTS)), is_draft=True)
        return recipe, _notes(written, recipe)

    def rewrite(self, job: JobRow, changes: Changes, may_use: Rule) -> Written:
        """Return the recipe of an earlier sheet with its seeds moved to that of ``changes``, and notes.

        The LoRAs have their present files.

        Raises:
            PersonError: As ``Recipes.rewrite``.
        """
        sheet, seed = job.recipe.sheet, changes.seed
        shift = (self._recipes.new_seed() if seed is None else seed) - job.recipe.seed
        assert sheet is not None  # noqa: S101 - the caller has asked

        def moved(seed: int) -> int:
            return (seed + shift) % (MAX_SEED + 1)

        def relabelled(axis: SheetAxis) -> SheetAxis:
            if axis.axis is not Axis.SEED:
                return axis
            return replace(axis, labels=tuple(str(moved(int(label))) for label in axis.labels))

        written: list[Written] = []
        alone = replace(changes, count=1, width_px=sheet.width_px, height_px=sheet.height_px)
        for number, cell in enumerate(sheet.cells):
            lineage = replace(changes.lineage, index=number)
            one = replace(alone, lineage=lineage, seed=moved(cell.seed))
            written.append(self._recipes.rewrite(job, one, may_use))
        rows, columns = sheet.rows and relabelled(sheet.rows), relabelled(sheet.columns)
        recipes = [recipe for recipe, _ in written]
        recipe = self._assemble(recipes, rows, columns, sheet.places, is_draft=sheet.is_draft)
        return recipe, _notes(written, recipe)

    def _values(self, command: Compare) -> dict[Axis, tuple[Any, ...]]:
        """Return the different values of each axis: at least one."""
        wishes: tuple[LoraWish | None, ...] = command.loras or (None,)
        weights: tuple[float | None, ...] = command.weights or (None,)
        values = {
            Axis.PROMPT: command.prompts,
            Axis.LORA: wishes,
            Axis.WEIGHT: weights,
            Axis.SEED: command.seeds or (self._recipes.new_seed(),),
        }
        return {axis: tuple(dict.fromkeys(each)) for axis, each in values.items()}

    def _assemble(
        self,
        recipes: Sequence[Recipe],
        rows: SheetAxis | None,
        columns: SheetAxis,
        places: tuple[int, ...],
        *,
        is_draft: bool,
    ) -> Recipe:
        first = recipes[0]
        cells = tuple(
            SheetCell(each.prompt, each.loras, each.seed, each.steps, each.typed, each.triggers)
            for each in (recipe.alone(0) for recipe in recipes)  # without alternatives
        )
        loras: dict[str, LoraChoice] = {}
        for lora in chain.from_iterable(cell.loras for cell in cells):
            loras.setdefault(lora.sha256, lora)
        width_px, height_px = self._model.small(first.width_px, first.height_px)
        return replace(
            first,
            loras=tuple(loras.values()),
            width_px=width_px,
            height_px=height_px,
            count=len(cells),
            steps=max(cell.steps for cell in cells),
            prompts=(),
            code="",  # a code is of pictures that are drawn alike
            typed=" | ".join(dict.fromkeys(cell.typed for cell in cells)),
            triggers=tuple(dict.fromkeys(trigger for cell in cells for trigger in cell.triggers)),
            sheet=Sheet(is_draft, rows, columns, places, cells, first.width_px, first.height_px),
        )


def _notes(written: Sequence[Written], recipe: Recipe) -> tuple[Note, ...]:
    """Return the notes of all pictures, each once."""
    size, sheet = (recipe.width_px, recipe.height_px), recipe.sheet
    smallest = [NothingSmaller(*size)] if sheet and size == (sheet.width_px, sheet.height_px) else []
    return tuple(dict.fromkeys([*smallest, *(note for _, notes in written for note in notes)]))


def _axes(values: Mapping[Axis, Sequence[Any]]) -> tuple[Axis | None, Axis]:
    """Return what differs from row to row and from column to column.

    The longer axis runs down, because a phone is narrow.

    Raises:
        NothingToCompare, TooManyAxes, TooManyCells: It makes no table, or too large a one.
    """
    differing = [axis for axis, each in values.items() if len(each) > 1]
    if not differing:
        raise NothingToCompare
    if len(differing) > MAX_AXES:
        raise TooManyAxes(limit=MAX_AXES)
    count = math.prod(len(each) for each in values.values())
    if count > MAX_CELLS:
        raise TooManyCells(count=count, limit=MAX_CELLS)
    if len(differing) == 1:
        return None, differing[0]
    rows, columns = sorted(differing, key=lambda axis: -len(values[axis]))
    return rows, columns


def _loras(wish: LoraWish | None, weight: float | None) -> tuple[LoraWish, ...]:
    """Return the LoRAs of one picture; a weight without a LoRA is for the default."""
    if wish is None:
        return () if weight is None else (LoraWish("", weight),)
    if weight is None or wish.weight is not None or normalize(wish.name) == NO_LORA:
        return (wish,)
    return (replace(wish, weight=weight),)


def _draw_of(chosen: Mapping[Axis, Any], command: Compare) -> Draw:
    loras = _loras(chosen[Axis.LORA], chosen[Axis.WEIGHT])
    return Draw(chosen[Axis.PROMPT], loras=loras, size=command.size, seed=chosen[Axis.SEED])


def _labelled(axis: Axis, values: Sequence[Any], written: Sequence[Written]) -> SheetAxis:
    """Return an axis with the label of each value; ``written`` are the recipes that have them."""
    labels = [_label(axis, value, recipe) for value, (recipe, _) in zip(values, written, strict=True)]
    return SheetAxis(axis, tuple(labels))


def _label(axis: Axis, value: Any, recipe: Recipe) -> str:
    match axis:
        case Axis.PROMPT:
            return recipe.typed_of(0)
        case Axis.LORA if recipe.loras:
            return (
                recipe.loras[0].name if value.weight is None else f"{recipe.loras[0].name} {value.weight:g}"
            )
        case Axis.LORA:
            return ""  # no LoRA
        case Axis.WEIGHT:
            return f"{value:g}"
        case Axis.SEED:
            return str(value)


def _identity(recipe: Recipe) -> tuple[object, ...]:
    """Return what decides the picture."""
    return recipe.prompt, recipe.loras, recipe.seed, recipe.steps
