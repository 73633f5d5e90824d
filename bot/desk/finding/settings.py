"""``/info``: the settings inside a picture file, carried over to what this bot draws.

The file is read in memory, within limits, and forgotten; it is never a start for a picture. The settings are
kept under a recipe code, so that the button that draws them works after a restart.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from bot.commands.makers.drawing import MAX_TEXT_CHARS
from bot.commands.render import render
from bot.commands.text import clean
from bot.commands.values import MAX_WEIGHT, ReadSettings, SentFile
from bot.desk.finding.recipes import KeptSettings, RecipeBook
from bot.desk.loras.consent import ConsentLedger
from bot.desk.loras.shelf import HASH_MARK, LoraShelf, Rule
from bot.errors import NoSettings, PictureNeeded
from bot.outcomes import CommandContext, Setting, SettingsRead
from bot.uploads import MAX_PICTURE_BYTES, LoraTag, Parameters, parse_parameters, settings_text_of
from engine.checkpoint.model import ModelInfo
from engine.request import MAX_LORAS, MAX_SEED, LoraChoice

AT_ONCE = 2  # files of MAX_PICTURE_BYTES in memory
MAX_SHOWN_CHARS = 120  # of a setting that is left out

_OUR_SAMPLERS = frozenset({"", "Euler"})
_NO_GUIDANCE = frozenset({"", "0", "0.0", "1", "1.0"})

FetchSent = Callable[[SentFile, int], Awaitable[bytes]]
"""Returns the content of a file that a person sent, of at most so many bytes."""


class SettingsReader:
    """Answers ``ReadSettings``."""

    def __init__(
        self,
        *,
        book: RecipeBook,
        shelf: LoraShelf,
        consents: ConsentLedger,
        model: ModelInfo,
        download: FetchSent,
    ) -> None:
        self._book = book
        self._shelf = shelf
        self._consents = consents
        self._model = model
        self._download = download
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def read(self, command: ReadSettings, context: CommandContext) -> SettingsRead:
        """Return the settings in the file, as far as this bot can draw them, and keep them.

        Raises:
            PersonError: PictureNeeded, NotAPicture, NoSettings, PictureTooLarge, TextTooLong; those of
                ``bot.errors.downloads``.
        """
        if command.file is None:
            raise PictureNeeded
        async with self._slots:
            content = await self._download(command.file, MAX_PICTURE_BYTES)
            parameters = await asyncio.to_thread(_parse, content)
        prompt = clean(parameters.prompt, limit=MAX_TEXT_CHARS)
        if not prompt:
            raise NoSettings
        loras, by_name, unknown = self._find_loras(parameters.loras, partial(self._consents.may_use, context))
        seed = parameters.seed if parameters.seed is not None and parameters.seed <= MAX_SEED else None
        settings = KeptSettings(prompt, loras, self._size_of(parameters), seed)
        code = await self._book.keep(settings)
        text = render(settings.to_draw(by_hash=False))
        return SettingsRead(code, text, tuple(self._left_out(parameters, settings, unknown)), by_name)

    def _find_loras(
        self, tags: Sequence[LoraTag], may_use: Rule
    ) -> tuple[tuple[LoraChoice, ...], tuple[str, ...], tuple[str, ...]]:
        """Return the LoRAs of the shelf, the names of those found by name alone, and of those not found."""
        found: dict[str, LoraChoice] = {}
        by_name, unknown = [], []
        for tag in tags:
            file = self._shelf.find(f"{HASH_MARK}{tag.hash}", may_use)
            is_certain = file is not None
            file = file or self._shelf.find(tag.name, may_use)
            if file is None or len(found) == MAX_LORAS:
                unknown.append(tag.name)
                continue
            if not is_certain:
                by_name.append(file.name)
            weight = round(max(-MAX_WEIGHT, min(MAX_WEIGHT, tag.weight)), 3)
            found[file.name] = LoraChoice(file.name, file.sha256, weight)
        return tuple(found.values()), tuple(by_name), tuple(unknown)

    def _size_of(self, parameters: Parameters) -> tuple[int, int] | None:
        """Return the size to draw: that of the file, or the nearest that the model draws."""
        if parameters.size is None or self._model.allows(*parameters.size):
            return parameters.size
        return self._model.nearest(*parameters.size)[0]

    def _left_out(
        self, parameters: Parameters, settings: KeptSettings, unknown: Sequence[str]
    ) -> list[tuple[Setting, str]]:
        """Return what the picture had and this bot's will not have."""
        fact = parameters.fact
        size = parameters.size
        is_upscaled = any(key.startswith("Hires") for key, _ in parameters.facts)
        values = {
            Setting.NEGATIVE: parameters.negative,
            Setting.SAMPLER: fact("Sampler") if fact("Sampler") not in _OUR_SAMPLERS else "",
            Setting.GUIDANCE: fact("CFG scale") if fact("CFG scale") not in _NO_GUIDANCE else "",
            Setting.STEPS: fact("Steps") if parameters.steps not in (None, self._model.steps) else "",
            Setting.MODEL: fact("Model") if fact("Model") != self._model.name else "",
            Setting.SIZE: f"{size[0]} × {size[1]}" if size and size != settings.size_px else "",
            Setting.SEED: fact("Seed") if settings.seed is None else "",
            Setting.LORAS: ", ".join(unknown),
            Setting.HYPERNETS: ", ".join(parameters.hypernets),
            Setting.UPSCALING: fact("Hires upscale") or ("Hires" if is_upscaled else ""),
            Setting.START: fact("Denoising strength") if not is_upscaled else "",
        }
        return [(setting, _shortened(value)) for setting, value in values.items() if value]


def _parse(content: bytes) -> Parameters:
    return parse_parameters(settings_text_of(content))


def _shortened(value: str) -> str:
    line = " ".join(clean(value).split())
    return line if len(line) <= MAX_SHOWN_CHARS else f"{line[: MAX_SHOWN_CHARS - 1]}…"
