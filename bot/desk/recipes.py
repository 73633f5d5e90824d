"""From what a person asked to all that makes the picture: LoRAs pinned, size, seed and final prompt settled.

Pure but for the seed's randomness; the chat's default LoRA is handed in.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from random import Random

from bot.commands.face import compose
from bot.commands.reading import NO_LORA, is_number, weight_of
from bot.commands.render import lora_text, size_text
from bot.commands.text import normalize
from bot.commands.values import MAX_TOTAL_WEIGHT, Draw, LoraWish, PixelSize, Ratio, Size
from bot.desk.loras import LoraShelf
from bot.errors import (
    EmptyPrompt,
    PromptTooLong,
    ShapeNotAllowed,
    SizeNotAllowed,
    TooManyLoras,
    WeightsTooHigh,
)
from bot.outcomes import Note, Recipe, SizeChanged, UnknownWords
from bot.store.rows import JobRow
from engine.checkpoint.model import ModelInfo
from engine.checkpoint.prompt_tokens import PromptLength
from engine.demo.vocabulary import read_prompt
from engine.request import MAX_LORAS, STEPS, LoraChoice

SAME_SHAPE = 1.05  # nobody sees a picture that is so many times wider than asked
NEAR_SHAPE = 1.25  # drawn, with a note; what is further away is refused

Pinned = tuple[tuple[LoraChoice, ...], list[str]]  # and their triggers


def recipe_of_job(job: JobRow) -> Recipe:
    """The recipe as a job stored it."""
    return Recipe(
        prompt=job.prompt,
        loras=job.loras,
        width_px=job.width_px,
        height_px=job.height_px,
        seed=job.seed,
        count=job.count,
        steps=job.steps,
    )


class Recipes:
    """Writes recipes for this shelf and model.

    Args:
        measure: How long a prompt is for the model; None where only the worker knows.
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

    def of_draw(self, draw: Draw, default: LoraWish | None) -> tuple[Recipe, tuple[Note, ...]]:
        """What ``draw`` asks for, with ``default`` where it names no LoRA; and what is drawn otherwise.

        Raises:
            NotUnderstood: EmptyPrompt, PromptTooLong, TooManyLoras, WeightsTooHigh.
            NotPossible: UnknownLora, SizeNotAllowed, ShapeNotAllowed.
        """
        wishes = draw.loras or ((default,) if default else ())
        if wishes and not wishes[0].name:  # a weight without a name is for the default, if there is one
            wishes = (replace(default, weight=wishes[0].weight),) if default else ()
        if any(normalize(wish.name) == NO_LORA for wish in wishes):
            wishes = ()
        loras, triggers = self._pin(wishes)
        _require_sane_weights(loras)
        prompt = compose(draw.prompt.strip(), draw.face, triggers)
        if not prompt:
            raise EmptyPrompt
        self._require_short(prompt)
        (width_px, height_px), changes = self._size(draw.size)
        seed = self.new_seed() if draw.seed is None else draw.seed
        recipe = Recipe(prompt, loras, width_px, height_px, seed, draw.count, STEPS)
        return recipe, (*changes, *self.word_notes(prompt))

    def again(self, job: JobRow) -> tuple[Recipe, tuple[Note, ...]]:
        """The job's recipe with a new seed, and each LoRA as its file is now.

        Raises:
            NotUnderstood: PromptTooLong, for a model that reads less than the one of the first time.
            NotPossible: The shelf or the model has changed since: UnknownLora, SizeNotAllowed.
        """
        loras, _ = self._pin(tuple(LoraWish(lora.name, lora.weight) for lora in job.loras))
        self._require_short(job.prompt)
        (width_px, height_px), changes = self._size(PixelSize(job.width_px, job.height_px))
        recipe = Recipe(job.prompt, loras, width_px, height_px, self.new_seed(), job.count, job.steps)
        return recipe, (*changes, *self.word_notes(job.prompt))

    def new_seed(self) -> int:
        """A seed of 32 bits."""
        return self._random.getrandbits(32)

    def word_notes(self, prompt: str) -> tuple[Note, ...]:
        """What the built-in model does not know of a prompt; nothing for a model that reads any words."""
        if not self._model.is_built_in:
            return ()
        reading = read_prompt(prompt)
        words = (UnknownWords(reading.words, reading.is_blank),) if reading.words else ()
        return (*reading.features, *words)

    def _require_short(self, prompt: str) -> None:
        if self._measure is None:
            return
        length = self._measure(prompt)
        if length.tokens > length.limit:
            raise PromptTooLong(tokens=length.tokens, limit=length.limit, excess=length.excess_chars)

    def _pin(self, wishes: tuple[LoraWish, ...]) -> Pinned:
        # A LoRA named twice is meant once, with the strength said last.
        wishes = tuple(self._named(wish) for wish in wishes)
        chosen = {(file := self._shelf.need(wish.name)).name: (file, wish.weight) for wish in wishes}
        if len(chosen) > MAX_LORAS:
            raise TooManyLoras(limit=MAX_LORAS)
        loras = tuple(
            LoraChoice(file.name, file.sha256, file.weight if weight is None else weight)
            for file, weight in chosen.values()
        )
        return loras, [file.trigger for file, _ in chosen.values()]

    def _named(self, wish: LoraWish) -> LoraWish:
        """A menu's ``sugar 0.8`` as ``sugar:0.8``, unless the shelf knows that very name."""
        name, _, weight = wish.name.rpartition(" ")
        if wish.weight is None and is_number(weight) and self._shelf.find(wish.name) is None:
            return LoraWish(name, weight_of(weight)) if self._shelf.find(name) else wish
        return wish

    def _size(self, size: Size | None) -> tuple[tuple[int, int], tuple[Note, ...]]:
        """The size to draw.

        Raises:
            SizeNotAllowed, ShapeNotAllowed: The model draws nothing like it.
        """
        match size:
            case None:
                return (self._model.native_width_px, self._model.native_height_px), ()
            case Ratio(width, height):
                fitted = self._model.fit(width, height)
                times = math.exp(abs(math.log(fitted[0] / fitted[1] / (width / height))))
                if times > NEAR_SHAPE:
                    raise ShapeNotAllowed(shape=size_text(size), nearest=(fitted,))
                return fitted, (SizeChanged(size_text(size), *fitted),) if times > SAME_SHAPE else ()
            case PixelSize(width_px, height_px):
                if self._model.allows(width_px, height_px):
                    return (width_px, height_px), ()
                nearest = self._model.nearest(width_px, height_px)
                for near in nearest:
                    if max(abs(near[0] - width_px), abs(near[1] - height_px)) < self._model.multiple_px:
                        return near, (SizeChanged(size_text(size), *near),)
                raise SizeNotAllowed(width_px=width_px, height_px=height_px, nearest=nearest)


def _require_sane_weights(loras: tuple[LoraChoice, ...]) -> None:
    total = sum(abs(lora.weight) for lora in loras)
    if round(total, 3) <= MAX_TOTAL_WEIGHT:
        return
    share = MAX_TOTAL_WEIGHT / total
    within = [LoraWish(lora.name, math.trunc(round(100 * share * lora.weight, 6)) / 100) for lora in loras]
    example = " ".join(map(lora_text, within))
    raise WeightsTooHigh(total=round(total, 2), limit=MAX_TOTAL_WEIGHT, example=example)
