"""Finds LoRAs by what people type."""

from collections.abc import Iterable
from dataclasses import dataclass

from rapidfuzz import fuzz

from bot.commands.text import normalize
from bot.errors import UnknownLora
from bot.outcomes import LoraSummary
from engine.shelf import LoraFile, Shelf

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
