"""Turns a request into a recipe: its LoRAs (found and pinned), size, seed and final prompt."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

from bot.commands.finding.codes import new_recipe_code
from bot.commands.prompts.alternatives import MARK, compose_alternatives
from bot.commands.reading import NO_LORA
from bot.commands.render import size_text
from bot.commands.text import ComposedPrompt, compose_prompt, normalize
from bot.commands.values import Draw, Face, LoraWish, PixelSize, Ratio, Size
from bot.desk.iterating.derivation import Changes
from bot.desk.loras.shelf import HASH_MARK, LoraShelf, Rule, for_everybody
from bot.desk.loras.stacks import NO_STACK, Chosen, Stack, build_stack, repeat_stack
from bot.errors import EmptyPrompt, PromptTooLong, ShapeNotAllowed, SizeNotAllowed
from bot.outcomes import Note, Recipe, SizeChanged, Start, UnknownWords
from bot.store.rows import JobRow
from engine.checkpoint.model import ModelInfo
from engine.checkpoint.prompt_tokens import PromptLength
from engine.demo.vocabulary import read_prompt
from engine.request import MAX_SEED

SAME_SHAPE = 1.05  # nobody sees a picture that is so many times wider than requested
NEAR_SHAPE = 1.25  # drawn, with a note; shapes further away are refused


class Recipes:
    """Writes recipes for this shelf and model.

    Args:
        measure: Counts the tokens of a prompt; None if only the worker can.
    """

    def __init__(
        self,
        *,
        shelf: LoraShelf,
        model: ModelInfo,
        random: Random,
        measure: Callable[[str], PromptLength] | None = None,
    ) -> None:
        self._shelf = shelf
        self._model = model
        self._random = random
        self._measure = measure
        self._native_size = model.native_width_px, model.native_height_px

    def write(
        self, draw: Draw, default: LoraWish | None, may_use: Rule = for_everybody
    ) -> tuple[Recipe, tuple[Note, ...]]:
        """Return the recipe of ``draw``, with ``default`` if it names no LoRA, and notes about differences.

        Raises:
            NotUnderstood: EmptyPrompt, PromptTooLong, TooManyLoras, StackTooStrong, StepsDiffer.
            NotPossible: UnknownLora, StepsNotPossible, SizeNotAllowed, ShapeNotAllowed.
        """
        wishes = draw.loras or ((default,) if default else ())
        if wishes and not wishes[0].name:  # a weight without a name is for the default, if there is one
            wishes = (replace(default, weight=wishes[0].weight),) if default else ()
        stack = NO_STACK
        if wishes and NO_LORA not in [normalize(wish.name) for wish in wishes]:
            chosen = self._choose(wishes, may_use)
            stack = build_stack(chosen, self._shelf.find, model_steps=self._model.steps)
        typed = draw.prompt.strip()
        prompt = ComposedPrompt(typed, typed, ())
        if stack.triggers or draw.face != Face():
            prompt = compose_prompt(typed, draw.face, stack.triggers)
        if not prompt.final:
            raise EmptyPrompt
        return self._complete(prompt, stack, stack.triggers, draw.size, seed=draw.seed, count=draw.count or 1)

    def new_seed(self) -> int:
        """Return a new seed."""
        return self._random.getrandbits(32)

    def rewrite(
        self, job: JobRow, changes: Changes, may_use: Rule = for_everybody
    ) -> tuple[Recipe, tuple[Note, ...]]:
        """Return the job's recipe with these changes and the present file of each LoRA, and notes.

        What continues from one picture has the alternatives with which that picture was drawn.

        Raises:
            NotUnderstood: PromptTooLong; the model reads less than the one of the first time.
            NotPossible: The shelf or the model has changed: UnknownLora, SizeNotAllowed.
        """
        index = changes.lineage.index
        old = job.recipe if index is None else job.recipe.alone(index)
        files = [self._find(LoraWish(lora.name, lora.weight), may_use)[0] for lora in old.loras]
        weights = [lora.weight for lora in old.loras]
        stack = repeat_stack(list(zip(files, weights, strict=True)), model_steps=self._model.steps)
        size = PixelSize(changes.width_px, changes.height_px)
        prompt = ComposedPrompt(old.prompt, old.typed, old.triggers)
        return self._complete(
            *(prompt, stack, old.triggers, size),
            seed=changes.seed,
            count=changes.count,
            start=changes.start,
        )

    def repeat(self, old: Recipe, may_use: Rule = for_everybody) -> tuple[Recipe, tuple[Note, ...]]:
        """Return the recipe with the same seed and LoRA files, whatever these are called now, and notes.

        Raises:
            NotUnderstood: As ``rewrite``.
            NotPossible: UnknownLora, SizeNotAllowed.
        """
        wishes = [LoraWish(f"{HASH_MARK}{lora.sha256}", lora.weight) for lora in old.loras]
        found = [
            (self._find(wish, may_use)[0], lora.weight) for wish, lora in zip(wishes, old.loras, strict=True)
        ]
        stack = repeat_stack(found, model_steps=self._model.steps)
        size = PixelSize(old.width_px, old.height_px)
        prompt = ComposedPrompt(old.prompt, old.typed, old.triggers)
        return self._complete(
            *(prompt, stack, old.triggers, size), seed=old.seed, count=old.count, start=old.start
        )

    def find_notes(self, recipe: Recipe) -> tuple[Note, ...]:
        """Return what the built-in model does not know of what was typed; nothing for another model."""
        if not self._model.is_built_in:
            return ()
        reading = read_prompt("; ".join(dict.fromkeys(map(recipe.typed_of, range(recipe.count)))))
        words = (UnknownWords(reading.words, reading.is_blank),) if reading.words else ()
        return (*reading.features, *words)

    def _complete(
        self,
        prompt: ComposedPrompt,
        stack: Stack,
        triggers: Sequence[str],
        size: Size | None,
        *,
        seed: int | None,
        count: int,
        start: Start | None = None,
    ) -> tuple[Recipe, tuple[Note, ...]]:
        seed = self._random.getrandbits(32) if seed is None else seed
        prompts: tuple[str, ...] = ()
        if MARK.search(prompt.typed):
            seeds = [(seed + index) % (MAX_SEED + 1) for index in range(count)]
            prompts = compose_alternatives(prompt.typed, triggers, seeds)
        if self._measure is not None:
            _require_length(prompts or (prompt.final,), self._measure)
        (width_px, height_px), changes = self._native_size, tuple[Note, ...]()
        if size is not None:
            (width_px, height_px), changes = self._fit(size, has_start=start is not None)
        recipe = Recipe(
            prompt=prompts[0] if prompts else prompt.final,
            loras=stack.loras,
            width_px=width_px,
            height_px=height_px,
            seed=seed,
            count=count,
            steps=stack.steps or self._model.steps,
            typed=prompt.typed,
            triggers=prompt.triggers,
            prompts=prompts,
            start=start,
            code=new_recipe_code(self._random),
        )
        notes = (*stack.notes, *changes)
        return recipe, (*notes, *self.find_notes(recipe)) if self._model.is_built_in else notes

    def within(self, size: Size | None, limit: PixelSize) -> PixelSize | None:
        """Return the largest size of this shape within the limit; None if the size is within it.

        Raises:
            SizeNotAllowed, ShapeNotAllowed: The model draws no similar size.
        """
        width_px, height_px = self._native_size
        if size is not None:
            (width_px, height_px), _ = self._fit(size, has_start=False)
        most_px, step = limit.width_px * limit.height_px, self._model.multiple_px
        if width_px * height_px <= most_px:
            return None
        scale = math.sqrt(most_px / (width_px * height_px))
        sides = (int(side * scale) // step * step for side in (width_px, height_px))
        return PixelSize(*(max(side, self._model.min_side_px) for side in sides))

    def find_missing(self, wishes: Sequence[LoraWish], may_use: Rule) -> str:
        """Return the first LoRA of these that this person cannot use now; empty if they can use all."""
        named = (wish for wish in wishes if wish.name and normalize(wish.name) != NO_LORA)
        return next((wish.name for wish in named if self._shelf.find_wish(wish, may_use) is None), "")

    def _choose(self, wishes: tuple[LoraWish, ...], may_use: Rule) -> list[Chosen]:
        """Return the files of the LoRAs that a person named. Of two weights the last counts."""
        chosen: dict[str, Chosen] = {}
        for wish in wishes:
            found = self._find(wish, may_use)
            chosen[found[0].name] = found
        return list(chosen.values())

    def _find(self, wish: LoraWish, may_use: Rule) -> Chosen:
        if (found := self._shelf.find_wish(wish, may_use)) is None:
            raise self._shelf.unknown(wish.name, may_use)
        return found

    def _fit(self, size: Size, *, has_start: bool) -> tuple[tuple[int, int], tuple[Note, ...]]:
        """Return the size to draw, and a note if it differs from the requested one.

        A picture that begins with another one may be larger.

        Raises:
            SizeNotAllowed, ShapeNotAllowed: The model draws no similar size.
        """
        match size:
            case Ratio(width, height):
                fitted = self._model.fit(width, height)
                times = _times_wider(fitted, width, height)
                if times > NEAR_SHAPE:
                    raise ShapeNotAllowed(shape=size_text(size), nearest=(fitted,))
                return fitted, (SizeChanged(size_text(size), *fitted),) if times > SAME_SHAPE else ()
            case PixelSize(width_px, height_px):
                allows = self._model.allows_with_start if has_start else self._model.allows
                if allows(width_px, height_px):
                    return (width_px, height_px), ()
                nearest = self._model.nearest(width_px, height_px)
                for near in nearest:
                    if _times_wider(near, width_px, height_px) <= NEAR_SHAPE:
                        return near, (SizeChanged(size_text(size), *near),)
                raise SizeNotAllowed(width_px=width_px, height_px=height_px, nearest=nearest)


def _require_length(prompts: Sequence[str], measure: Callable[[str], PromptLength]) -> None:
    """Return if the model reads the whole of each prompt.

    Raises:
        PromptTooLong: The longest has too many tokens.
    """
    longest = max(map(measure, dict.fromkeys(prompts)), key=lambda length: length.tokens)
    if longest.tokens > longest.limit:
        raise PromptTooLong(tokens=longest.tokens, limit=longest.limit, excess=longest.excess_chars)


def _times_wider(size: tuple[int, int], width: int, height: int) -> float:
    """Return how many times a size is wider, or taller, than this shape; never below 1."""
    return math.exp(abs(math.log(size[0] / size[1] / (width / height))))
