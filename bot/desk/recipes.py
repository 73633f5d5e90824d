"""From a request to a recipe: LoRAs found and pinned, size, seed and final prompt fixed.

``LoraShelf`` finds LoRAs by what people type, ``LoraDefaults`` keeps the defaults that hosts switch, and
``Recipes`` writes recipes.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from random import Random

from rapidfuzz import fuzz

from bot.commands.reading import NO_LORA, is_number, weight_of
from bot.commands.render import size_text
from bot.commands.text import ComposedPrompt, compose_prompt, normalize
from bot.commands.values import (
    Draw,
    LoraSwitch,
    LoraWish,
    PixelSize,
    Ratio,
    Scope,
    Size,
)
from bot.desk.loras.stacks import Chosen, Stack, build_stack, repeat_stack
from bot.errors import (
    EmptyPrompt,
    PromptTooLong,
    ShapeNotAllowed,
    SizeNotAllowed,
    UnknownLora,
)
from bot.outcomes import (
    CommandContext,
    LoraListing,
    LoraSummary,
    LoraSwitched,
    Note,
    Recipe,
    SizeChanged,
    UnknownWords,
)
from bot.store import Store
from bot.store.rows import DefaultLora, JobRow
from engine.checkpoint.model import ModelInfo
from engine.checkpoint.prompt_tokens import PromptLength
from engine.demo.vocabulary import read_prompt
from engine.shelf import LoraFile, Shelf

SAME_SHAPE = 1.05  # nobody sees a picture that is so many times wider than requested
NEAR_SHAPE = 1.25  # drawn, with a note; shapes further away are refused
MOST_SUGGESTED = 25  # the limit of Discord's autocomplete
_LIKENESS = 60.0  # of 100; suggestions below it are noise


@dataclass(frozen=True, slots=True)
class _Entry:
    summary: LoraSummary
    keys: tuple[str, ...]  # name, titles and their pinyin, each as ``normalize`` compares them


class LoraShelf:
    """Finds LoRAs by what people type; answers from memory."""

    def __init__(self, files: Shelf) -> None:
        self._files = files.files
        self._entries = tuple(_entry_of(file) for _, file in sorted(files.files.items()))
        self._names = {key: entry.summary.name for entry in reversed(self._entries) for key in entry.keys}

    @property
    def summaries(self) -> tuple[LoraSummary, ...]:
        """Every LoRA, by name."""
        return tuple(entry.summary for entry in self._entries)

    def find(self, typed: str) -> LoraFile | None:
        """Return the LoRA with this name, title, or pinyin of a title, compared as ``normalize`` compares."""
        wanted = normalize(typed)
        name = wanted if wanted in self._files else self._names.get(wanted)
        return None if name is None else self._files[name]

    def unknown(self, typed: str) -> UnknownLora:
        """Return the refusal of a name that ``find`` does not find; it names the nearest LoRAs."""
        nearest = tuple(summary.name for summary in self.suggest(typed, "en")[:3])
        return UnknownLora(name=typed, nearest=nearest)

    def suggest(self, typed: str, locale: str) -> tuple[LoraSummary, ...]:
        """Return at most 25 LoRAs that match what was typed, best first; all match an empty text."""
        wanted = normalize(typed)
        scored = [(_likeness(wanted, entry.keys), entry.summary) for entry in self._entries]
        scored = [(score, summary) for score, summary in scored if score >= _LIKENESS]
        scored.sort(key=lambda found: (-found[0], found[1].titles.get(locale, found[1].name).casefold()))
        return tuple(summary for _, summary in scored[:MOST_SUGGESTED])


class LoraDefaults:
    """The LoRA of a request that names none: the chat's default, else the bot's, else that of the settings.

    Attributes:
        of_bot: The default of chats without their own; empty for none. Valid once ``load`` has returned.
    """

    def __init__(self, *, store: Store, shelf: LoraShelf, from_settings: str) -> None:
        self._store = store
        self._shelf = shelf
        self._from_settings = "" if normalize(from_settings) == NO_LORA else from_settings
        self.of_bot = self._from_settings

    async def load(self) -> None:
        """Load the default that hosts switched before this start."""
        if stored := await self._store.defaults.of_bot():
            self.of_bot = stored.lora

    async def find(self, context: CommandContext) -> LoraWish | None:
        """Return the default of this chat; None for none, also when its file has left the shelf."""
        address = context.address
        stored = await self._store.defaults.of(address.platform, address.chat_id)
        wish = LoraWish(stored.lora, stored.weight) if stored else LoraWish(self._from_settings)
        return wish if wish.name and self._shelf.find(wish.name) else None

    async def show(self, context: CommandContext) -> LoraListing:
        """Return the whole shelf, with the default of this chat."""
        default = await self.find(context)
        return LoraListing(loras=self._shelf.summaries, default=default.name if default else "")

    async def switch(self, command: LoraSwitch, context: CommandContext) -> LoraSwitched:
        """Change a default. Waiting jobs keep the LoRA they were accepted with.

        Raises:
            UnknownLora: The shelf has no such LoRA; the default stays.
        """
        default = self._require(command.lora)
        if command.scope is Scope.BOT:
            async with self._store.atomic():
                await self._store.defaults.set_for_bot(default)
                self._store.after_commit(lambda: self._set_of_bot(default.lora))
        else:
            await self._store.defaults.set_for_chat(
                context.address.platform, context.address.chat_id, default
            )
        return LoraSwitched(lora=default.lora, weight=default.weight, scope=command.scope)

    def _set_of_bot(self, name: str) -> None:
        self.of_bot = name

    def _require(self, wish: LoraWish) -> DefaultLora:
        if normalize(wish.name) == NO_LORA:
            return DefaultLora("", 0.0)
        if (file := self._shelf.find(wish.name)) is None:
            raise self._shelf.unknown(wish.name)
        return DefaultLora(file.name, file.weight if wish.weight is None else wish.weight)


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

    def write(self, draw: Draw, default: LoraWish | None) -> tuple[Recipe, tuple[Note, ...]]:
        """Return the recipe of ``draw``, with ``default`` if it names no LoRA, and notes about differences.

        Raises:
            NotUnderstood: EmptyPrompt, PromptTooLong, TooManyLoras, StackTooStrong, StepsDiffer.
            NotPossible: UnknownLora, StepsNotPossible, SizeNotAllowed, ShapeNotAllowed.
        """
        wishes = draw.loras or ((default,) if default else ())
        if wishes and not wishes[0].name:  # a weight without a name is for the default, if there is one
            wishes = (replace(default, weight=wishes[0].weight),) if default else ()
        if any(normalize(wish.name) == NO_LORA for wish in wishes):
            wishes = ()
        stack = build_stack(self._choose(wishes), self._shelf.find, model_steps=self._model.steps)
        prompt = compose_prompt(draw.prompt.strip(), draw.face, stack.triggers)
        if not prompt.final:
            raise EmptyPrompt
        return self._complete(prompt, stack, draw.size, seed=draw.seed, count=draw.count)

    def rewrite(self, job: JobRow) -> tuple[Recipe, tuple[Note, ...]]:
        """Return the job's recipe with a new seed and the present file of each LoRA, and notes.

        Raises:
            NotUnderstood: PromptTooLong; the model reads less than the one of the first time.
            NotPossible: The shelf or the model has changed: UnknownLora, SizeNotAllowed.
        """
        old = job.recipe
        chosen = self._choose(tuple(LoraWish(lora.name, lora.weight) for lora in old.loras))
        files = [file for file, _ in chosen]
        stack = repeat_stack(files, old.loras, model_steps=self._model.steps)
        size = PixelSize(old.width_px, old.height_px)
        prompt = ComposedPrompt(old.prompt, old.typed, old.triggers)
        return self._complete(prompt, stack, size, seed=None, count=old.count)

    def find_notes(self, typed: str) -> tuple[Note, ...]:
        """Return what the built-in model does not know of what was typed; nothing for another model."""
        if not self._model.is_built_in:
            return ()
        reading = read_prompt(typed)
        words = (UnknownWords(reading.words, reading.is_blank),) if reading.words else ()
        return (*reading.features, *words)

    def _complete(
        self,
        prompt: ComposedPrompt,
        stack: Stack,
        size: Size | None,
        *,
        seed: int | None,
        count: int,
    ) -> tuple[Recipe, tuple[Note, ...]]:
        final = prompt.final
        if self._measure is not None and (length := self._measure(final)).tokens > length.limit:
            raise PromptTooLong(tokens=length.tokens, limit=length.limit, excess=length.excess_chars)
        (width_px, height_px), changes = self._fit(size)
        seed = self._random.getrandbits(32) if seed is None else seed
        recipe = Recipe(
            prompt=final,
            loras=stack.loras,
            width_px=width_px,
            height_px=height_px,
            seed=seed,
            count=count,
            steps=stack.steps or self._model.steps,
            typed=prompt.typed,
            triggers=prompt.triggers,
        )
        return recipe, (*stack.notes, *changes, *self.find_notes(prompt.typed))

    def _choose(self, wishes: tuple[LoraWish, ...]) -> list[Chosen]:
        """Return the files of the LoRAs that a person named. Of two weights the last counts."""
        chosen: dict[str, Chosen] = {}
        for wish in wishes:
            file, weight = self._shelf.find(wish.name), wish.weight
            name, _, number = wish.name.rpartition(" ")
            if file is None and weight is None and is_number(number):
                file, weight = self._shelf.find(name), weight_of(number)  # a menu's ``sugar 0.8``
            if file is None:
                raise self._shelf.unknown(wish.name)
            chosen[file.name] = (file, weight)
        return list(chosen.values())

    def _fit(self, size: Size | None) -> tuple[tuple[int, int], tuple[Note, ...]]:
        """Return the size to draw, and a note if it differs from the requested one.

        Raises:
            SizeNotAllowed, ShapeNotAllowed: The model draws no similar size.
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


def _entry_of(file: LoraFile) -> _Entry:
    summary = LoraSummary(name=file.name, titles=dict(file.titles), trigger=file.trigger, weight=file.weight)
    keys = dict.fromkeys(normalize(key) for key in (file.name, *_search_keys(file.titles.values())))
    return _Entry(summary, tuple(keys))


def _search_keys(titles: Iterable[str]) -> list[str]:
    # The import takes 0.2 s, and only Chinese titles need it.
    from pypinyin import Style, lazy_pinyin  # noqa: PLC0415

    keys = []
    for title in titles:
        keys.append(title)
        if not title.isascii():
            keys.append("".join(lazy_pinyin(title)).replace(" ", ""))
            keys.append("".join(lazy_pinyin(title, style=Style.FIRST_LETTER)).replace(" ", ""))
    return keys


def _likeness(wanted: str, keys: tuple[str, ...]) -> float:
    """Return 0 … 300: highest for a key that starts with ``wanted``, then for one that contains it."""
    best = 0.0
    for key in keys:
        if key.startswith(wanted):
            return 300.0
        best = max(best, 200.0 if wanted in key else fuzz.ratio(wanted, key))
    return best
