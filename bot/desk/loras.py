"""The shelf as people use it: names, titles in two languages, pinyin, and the defaults that hosts switch."""

from collections.abc import Iterable
from dataclasses import dataclass

from rapidfuzz import fuzz

from bot.commands.reading import NO_LORA
from bot.commands.text import normalize
from bot.commands.values import LoraSwitch, LoraWish, Scope
from bot.errors import UnknownLora
from bot.outcomes import CommandContext, LoraListing, LoraSummary, LoraSwitched
from bot.store import Store
from bot.store.rows import DefaultLora
from engine import shelf
from engine.shelf import LoraFile

MOST_SUGGESTED = 25  # what Discord shows at most in one autocomplete
_LIKENESS = 60.0  # of 100; below it a suggestion is noise


@dataclass(frozen=True, slots=True)
class _Entry:
    card: LoraSummary
    keys: tuple[str, ...]  # name, titles and their pinyin, each as ``normalize`` compares them


class LoraShelf:
    """Finds LoRAs by what people type; answers from memory."""

    def __init__(self, files: shelf.Shelf) -> None:
        self._files = files.files
        self._entries = tuple(_entry_of(file) for _, file in sorted(files.files.items()))
        self._names = {key: entry.card.name for entry in reversed(self._entries) for key in entry.keys}

    @property
    def summaries(self) -> tuple[LoraSummary, ...]:
        """Every LoRA, by name."""
        return tuple(entry.card for entry in self._entries)

    def find(self, typed: str) -> LoraFile | None:
        """The LoRA with this name, title or a title's pinyin, compared as ``normalize`` compares."""
        wanted = normalize(typed)
        name = wanted if wanted in self._files else self._names.get(wanted)
        return None if name is None else self._files[name]

    def need(self, typed: str) -> LoraFile:
        """As ``find``.

        Raises:
            UnknownLora: There is none; its facts name the nearest.
        """
        if file := self.find(typed):
            return file
        nearest = tuple(card.name for card in self.suggest(typed, "en")[:3])
        raise UnknownLora(name=typed, nearest=nearest)

    def suggest(self, typed: str, locale: str) -> tuple[LoraSummary, ...]:
        """At most 25 LoRAs that match what was typed so far, best first; all of them for nothing typed."""
        wanted = normalize(typed)
        scored = [(_likeness(wanted, entry.keys), entry.card) for entry in self._entries]
        scored = [(score, card) for score, card in scored if score >= _LIKENESS]
        scored.sort(key=lambda found: (-found[0], found[1].titles.get(locale, found[1].name).casefold()))
        return tuple(card for _, card in scored[:MOST_SUGGESTED])


class LoraDefaults:
    """Which LoRA a picture gets when nobody named one: the chat's, else the bot's, else the settings'.

    Attributes:
        of_bot: The name used wherever no chat has its own; empty for none. True once ``recall`` returned.
    """

    def __init__(self, *, store: Store, shelf: LoraShelf, from_settings: str) -> None:
        self._store = store
        self._shelf = shelf
        self._from_settings = "" if normalize(from_settings) == NO_LORA else from_settings
        self.of_bot = self._from_settings

    async def recall(self) -> None:
        """Remember what hosts switched before this start."""
        if stored := await self._store.defaults.of_bot():
            self.of_bot = stored.lora

    async def of(self, context: CommandContext) -> LoraWish | None:
        """The default here; None for none, also when its file has left the shelf since."""
        address = context.address
        stored = await self._store.defaults.of(address.platform, address.chat_id)
        wish = LoraWish(stored.lora, stored.weight) if stored else LoraWish(self._from_settings)
        return wish if wish.name and self._shelf.find(wish.name) else None

    async def show(self, context: CommandContext) -> LoraListing:
        """The whole shelf, with the default here."""
        default = await self.of(context)
        return LoraListing(loras=self._shelf.summaries, default=default.name if default else "")

    async def switch(self, command: LoraSwitch, context: CommandContext) -> LoraSwitched:
        """Change a default. Waiting jobs keep the LoRA they were accepted with.

        Raises:
            UnknownLora: There is no such LoRA; the default stays.
        """
        default = self._settle(command.lora)
        if command.scope is Scope.BOT:
            async with self._store.atomic():
                await self._store.defaults.set_for_bot(default)
                self._store.after_commit(lambda: self._use(default.lora))
        else:
            await self._store.defaults.set_for_chat(
                context.address.platform, context.address.chat_id, default
            )
        return LoraSwitched(lora=default.lora, weight=default.weight, scope=command.scope)

    def _use(self, name: str) -> None:
        self.of_bot = name

    def _settle(self, wish: LoraWish) -> DefaultLora:
        if normalize(wish.name) == NO_LORA:
            return DefaultLora("", 0.0)
        file = self._shelf.need(wish.name)
        return DefaultLora(file.name, file.weight if wish.weight is None else wish.weight)


def _entry_of(file: LoraFile) -> _Entry:
    card = LoraSummary(name=file.name, titles=dict(file.titles), trigger=file.trigger, weight=file.weight)
    keys = dict.fromkeys(normalize(key) for key in (file.name, *_spoken(file.titles.values())))
    return _Entry(card, tuple(keys))


def _spoken(titles: Iterable[str]) -> list[str]:
    # Its dictionary takes 0.2 s to import, which a shelf without Chinese titles, or `--help`, never needs.
    from pypinyin import Style, lazy_pinyin  # noqa: PLC0415

    keys = []
    for title in titles:
        keys.append(title)
        if not title.isascii():
            keys.append("".join(lazy_pinyin(title)).replace(" ", ""))
            keys.append("".join(lazy_pinyin(title, style=Style.FIRST_LETTER)).replace(" ", ""))
    return keys


def _likeness(wanted: str, keys: tuple[str, ...]) -> float:
    """0 … 300: a key that begins with what was typed, before one that contains it, before one like it."""
    best = 0.0
    for key in keys:
        if key.startswith(wanted):
            return 300.0
        best = max(best, 200.0 if wanted in key else fuzz.ratio(wanted, key))
    return best
