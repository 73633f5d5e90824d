"""From what a person asked to all that makes the picture: LoRAs pinned, size, seed and final prompt settled.

Pure but for the seed's randomness; the chat's default LoRA is handed in.
"""

from dataclasses import replace
from random import Random

from bot.commands.face import compose
from bot.commands.values import MAX_PROMPT_CHARS, Draw, LoraWish, Pixels, Ratio, Size
from bot.desk.outcomes import Recipe
from bot.desk.shelf_ import NONE, LoraShelf
from bot.errors import EmptyPrompt, PromptTooLong, SizeNotAllowed, TooManyLoras
from bot.store.rows import JobRow
from engine.model import ModelInfo
from engine.request import MAX_LORAS, STEPS, LoraChoice


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
    """Writes recipes for this shelf and model."""

    def __init__(self, *, shelf: LoraShelf, model: ModelInfo, random: Random) -> None:
        self._shelf = shelf
        self._model = model
        self._random = random

    def of_draw(self, draw: Draw, default: LoraWish | None) -> Recipe:
        """What ``draw`` asks for, with ``default`` where it names no LoRA.

        Raises:
            NotUnderstood: EmptyPrompt, PromptTooLong, TooManyLoras.
            NotPossible: UnknownLora, SizeNotAllowed.
        """
        wishes = draw.loras or ((default,) if default else ())
        if wishes and not wishes[0].name:  # a weight without a name is for the default, if there is one
            wishes = (replace(default, weight=wishes[0].weight),) if default else ()
        if any(wish.name.casefold() == NONE for wish in wishes):
            wishes = ()
        loras, triggers = self._pin(wishes)
        prompt = compose(draw.prompt.strip(), draw.face, triggers)
        if not prompt:
            raise EmptyPrompt
        if len(prompt) > MAX_PROMPT_CHARS:
            raise PromptTooLong(length=len(prompt), limit=MAX_PROMPT_CHARS)
        width_px, height_px = self._size(draw.size)
        seed = self.new_seed() if draw.seed is None else draw.seed
        return Recipe(prompt, loras, width_px, height_px, seed, draw.count, STEPS)

    def again(self, job: JobRow) -> Recipe:
        """The job's recipe with a new seed, and each LoRA as its file is now.

        Raises:
            NotPossible: The shelf or the model has changed since: UnknownLora, SizeNotAllowed.
        """
        loras, _ = self._pin(tuple(LoraWish(lora.name, lora.weight) for lora in job.loras))
        width_px, height_px = self._size(Pixels(job.width_px, job.height_px))
        return Recipe(job.prompt, loras, width_px, height_px, self.new_seed(), job.count, job.steps)

    def new_seed(self) -> int:
        """A seed of 32 bits."""
        return self._random.getrandbits(32)

    def _pin(self, wishes: tuple[LoraWish, ...]) -> tuple[tuple[LoraChoice, ...], list[str]]:
        # A LoRA named twice is meant once, with the strength said last.
        chosen = {(file := self._shelf.need(wish.name)).name: (file, wish.weight) for wish in wishes}
        if len(chosen) > MAX_LORAS:
            raise TooManyLoras(limit=MAX_LORAS)
        loras = tuple(
            LoraChoice(file.name, file.sha256, file.weight if weight is None else weight)
            for file, weight in chosen.values()
        )
        return loras, [file.trigger for file, _ in chosen.values()]

    def _size(self, size: Size | None) -> tuple[int, int]:
        match size:
            case None:
                return self._model.native_width_px, self._model.native_height_px
            case Ratio(width, height):
                return self._model.fit(width, height)
            case Pixels(width_px, height_px):
                if not self._model.allows(width_px, height_px):
                    nearest = self._model.nearest(width_px, height_px)
                    raise SizeNotAllowed(width_px=width_px, height_px=height_px, nearest=nearest)
                return width_px, height_px
