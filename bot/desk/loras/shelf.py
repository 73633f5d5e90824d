"""Finds LoRAs by what people type: name, title, pinyin, initials, with typing errors; answers from memory.

A LoRA that somebody may not use does not exist for them: every search takes the rule that tells.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile

from rapidfuzz import fuzz

from bot.commands.flags import nearest
from bot.commands.reading import is_number, weight_of
from bot.commands.render import lora_text, name_text
from bot.commands.text import normalize
from bot.commands.values import LoraWish
from bot.desk.loras.statements import Statements
from bot.errors import LoraBeingChecked, LorasJoined, UnknownLora
from bot.languages import title_of
from bot.outcomes import LoraSummary
from engine.planner.costs.priors import BYTES_A_LORA
from engine.request import LoraChoice
from engine.shelf import LoraFile, Shelf

MOST_SUGGESTED = 25  # the limit of Discord's autocomplete
HASH_MARK = "#"  # before the start of a file's sha256, in place of a name
_LEAST_HASH_CHARS = 12
_LEAST_CHARS = 3  # of a name that is looked for inside titles, for a refusal
_WEIGHT = re.compile("[:：]")
_LIKENESS = 60.0  # of 100; suggestions below it are noise
_CONTAINS, _STARTS, _EQUALS = 200.0, 300.0, 400.0

Rule = Callable[[LoraFile], bool]
"""Whether a person may use a LoRA."""


def for_everybody(_: LoraFile) -> bool:
    """The rule without restrictions."""
    return True


@dataclass(frozen=True, slots=True)
class _Entry:
    file: LoraFile
    summary: LoraSummary
    keys: tuple[str, ...]  # name, titles and their pinyin, each as ``normalize`` compares them


class LoraShelf:
    """Finds LoRAs by what people type; answers from memory.

    Attributes:
        files: What it finds them in.
        statements: What is stated about these and earlier files.
    """

    def __init__(self, files: Shelf, statements: Statements | None = None) -> None:
        self.statements = statements or Statements()
        self._entries: tuple[_Entry, ...] = ()
        self.replace(files)

    def replace(self, files: Shelf) -> None:
        """Offer these files from now on. Call it on the event loop: a search never sees half of a change.

        The entries of unchanged files stay: the pinyin of a thousand titles takes 0.1 s.
        """
        self.files = files
        self._files = files.files
        self._held_bytes = {each.sha256: each.held_bytes for each in files.files.values()}
        before = {entry.file.name: entry for entry in self._entries}
        self._entries = tuple(
            entry if (entry := before.get(name)) is not None and entry.file == file else _entry_of(file)
            for name, file in sorted(files.files.items())
        )
        self._named: defaultdict[str, list[LoraFile]] = defaultdict(list)  # the best first
        for entry in self._entries:
            self._named[entry.keys[0]].append(entry.file)
        for entry in self._entries:
            for key in entry.keys[1:]:
                self._named[key].append(entry.file)
        self.statements.learn((*files.checking.values(), *self._files.values()))

    def extra_bytes(self, loras: Sequence[LoraChoice]) -> int:
        """Return what these LoRAs take of the card beyond usual ones; see ``CostBook.predict``."""
        held = (self._held_bytes.get(lora.sha256, 0) for lora in loras)
        return sum(max(0, each - BYTES_A_LORA) for each in held)

    @property
    def all_files(self) -> tuple[LoraFile, ...]:
        """Every LoRA, by name."""
        return tuple(entry.file for entry in self._entries)

    def summaries(self, may_use: Rule = for_everybody) -> tuple[LoraSummary, ...]:
        """Return every LoRA that somebody may use, by name."""
        return tuple(entry.summary for entry in self._entries if may_use(entry.file))

    def find(self, typed: str, may_use: Rule = for_everybody) -> LoraFile | None:
        """Return the LoRA with this name, title, or pinyin of a title, compared as ``normalize`` compares.

        ``#`` and the start of a file's sha256 find it too.
        """
        wanted = normalize(typed)
        found: Iterable[LoraFile] = self._named.get(wanted, ())
        if wanted.startswith(HASH_MARK) and len(wanted) > _LEAST_HASH_CHARS:
            found = (*found, *(each for each in self._files.values() if each.sha256.startswith(wanted[1:])))
        return next(filter(may_use, found), None)

    def find_wish(self, wish: LoraWish, may_use: Rule) -> tuple[LoraFile, float | None] | None:
        """Return the LoRA that a wish means, and its strength; a number behind the name may belong to it.

        Raises:
            BadWeight: The number behind the name of a LoRA is no strength.
            LorasJoined: A comma joins another LoRA to it.
        """
        self._refuse_joined(wish, may_use)
        if (file := self.find(wish.name, may_use)) is not None:
            return file, wish.weight
        if wish.weight is not None:
            file = self.find(f"{wish.name} {wish.weight:g}", may_use)  # a name such as ``Style 2``
            return (file, None) if file else None
        name, _, number = wish.name.rpartition(" ")
        if is_number(number) and (file := self.find(name, may_use)) is not None:
            return file, weight_of(number)  # a menu's ``sugar 0.8``
        return None

    def _refuse_joined(self, wish: LoraWish, may_use: Rule) -> None:
        """Raise LorasJoined if a comma joins another LoRA to this one."""
        names = {part: _WEIGHT.split(part)[0].strip(' "“”') for part in wish.joined}
        if joined := list(takewhile(lambda part: self.find(names[part], may_use), names)):
            example = " ".join([lora_text(wish), *(f"--lora {part}" for part in joined)])
            raise LorasJoined(name=names[joined[0]], example=example)

    def find_checking(self, typed: str, may_use: Rule = for_everybody) -> LoraFile | None:
        """Return the LoRA with this name that nobody may choose before its trial picture."""
        wanted = normalize(typed)
        found = (file for file in self.files.checking.values() if normalize(file.name) == wanted)
        return next(filter(may_use, found), None)

    def unknown(self, typed: str, may_use: Rule = for_everybody) -> UnknownLora | LoraBeingChecked:
        """Return the refusal of a name that ``find`` does not find; it names the nearest LoRAs, as typed."""
        if file := self.find_checking(typed, may_use):
            return LoraBeingChecked(name=file.name)
        near = [summary.name for summary in self.suggest(typed, "en", may_use)]
        if typed.isascii() and len(typed.strip()) < _LEAST_CHARS:
            near = list(nearest(normalize(typed), near))  # one or two letters begin or are in many titles
        return UnknownLora(name=typed, nearest=tuple(map(name_text, near[:3])))

    def suggest(
        self, typed: str, locale: str, may_use: Rule = for_everybody, preferred: Sequence[str] = ()
    ) -> tuple[LoraSummary, ...]:
        """Return the first 25 LoRAs of ``search``."""
        return self.search(typed, locale, may_use, preferred)[:MOST_SUGGESTED]

    def search(
        self, typed: str, locale: str, may_use: Rule = for_everybody, preferred: Sequence[str] = ()
    ) -> tuple[LoraSummary, ...]:
        """Return the LoRAs that match what was typed, best first; all match an empty text.

        Args:
            typed: What the person has typed so far.
            locale: Equal matches are sorted by their titles in it.
            may_use: Tells which LoRAs this person may use.
            preferred: Names that come before others whose key contains the text, too.
        """
        wanted = normalize(typed)
        rank = {name: place for place, name in enumerate(preferred)}
        scored: list[tuple[tuple[bool, int, float, str], LoraSummary]] = []
        for entry in self._entries:
            score = _likeness(wanted, entry.keys)
            if score >= _LIKENESS and may_use(entry.file):
                name = entry.summary.name
                place = rank.get(name, len(rank)) if score >= _CONTAINS else len(rank)
                title = (title_of(entry.summary.titles, locale) or name).casefold()
                # Whoever types a whole name means it; then come the preferred ones.
                scored.append(((score < _EQUALS, place, -score, title), entry.summary))
        scored.sort(key=lambda found: found[0])
        return tuple(summary for _, summary in scored)


def summary_of(file: LoraFile) -> LoraSummary:
    """Return what people see of a file."""
    return LoraSummary(
        name=file.name,
        titles=dict(file.titles),
        trigger=file.trigger,
        weight=file.weight,
        sha256=file.sha256,
    )


def _entry_of(file: LoraFile) -> _Entry:
    summary = summary_of(file)
    keys = dict.fromkeys(normalize(key) for key in (file.name, *_search_keys(file.titles.values())))
    return _Entry(file, summary, tuple(keys))


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
    """Return 0 … 400: a key that is ``wanted``, starts with it, contains it, or is similar to it."""
    best = 0.0
    for key in keys:
        if key.startswith(wanted):
            best = max(best, _EQUALS if key == wanted else _STARTS)
        elif wanted in key:
            best = max(best, _CONTAINS)
        elif best < _CONTAINS:
            best = max(best, fuzz.ratio(wanted, key, score_cutoff=_LIKENESS))
            if len(key) > len(wanted):  # the beginning of a long key, with a typing error
                best = max(best, fuzz.ratio(wanted, key[: len(wanted)], score_cutoff=_LIKENESS))
    return best
