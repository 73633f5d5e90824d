"""Finds options inside a sentence and leaves the rest of it as it was.

An option is written ``--name value`` (full-width too, or with the em-dash that phones make of ``--``),
``-n 4``, ``<lora:name:weight>``, or as a Chinese word with a number: ``比例 2:3``. Prose is left alone:
``well--known``, a lone dash, ``种子`` without a number. A face slot's value runs to the next option or
comma, or stands in quotes. A bare ``--`` before the first word of the prompt ends the options: all that
follows is prompt.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from rapidfuzz import fuzz, process

from bot.commands import marks
from bot.commands.cleaning import plain
from bot.commands.table import SUGAR_OPTIONS, UNSUPPORTED, Option, OptionKind
from bot.commands.traditional import simplified
from bot.errors import FixedSteps, MissingValue, UnknownFlag
from engine.request import STEPS

NEAREST = 3  # suggestions in one message
_ALIKE_PERCENT = 60
_ALIKE_CHINESE_PERCENT = 50  # names of two letters share one of them


@dataclass(frozen=True, slots=True)
class Flag:
    """An option found in text, its value as typed (empty for a switch)."""

    option: Option
    value: str


@dataclass(frozen=True, slots=True)
class Scan:
    """A sentence taken apart: what is left of it, its flags and the insides of its LoRA tags, in order."""

    prompt: str
    flags: tuple[Flag, ...]
    tags: tuple[str, ...]

    def last(self, name: str) -> str | None:
        """The value of the last flag of this name."""
        return next((flag.value for flag in reversed(self.flags) if flag.option.name == name), None)

    def every(self, name: str) -> tuple[str, ...]:
        """The values of all flags of this name."""
        return tuple(flag.value for flag in self.flags if flag.option.name == name)


_UNSUPPORTED_CHINESE = re.compile("|".join(name for name in UNSUPPORTED if not name.isascii()))


def scan(text: str, options: Sequence[Option] = SUGAR_OPTIONS) -> Scan:
    """Take a cleaned sentence apart; ``options`` are those that may occur.

    Raises:
        UnknownFlag: Something that can only be meant as an option is none.
        MissingValue: An option stands without its value.
    """
    return _Scanner(text, _vocabulary(tuple(options))).run()


def nearest(word: str, known: Iterable[str]) -> tuple[str, ...]:
    """Up to three of the known words that look like this one, best first; none where nothing does."""
    least = _ALIKE_PERCENT if word.isascii() else _ALIKE_CHINESE_PERCENT
    found = process.extract(word, list(known), scorer=fuzz.ratio, limit=NEAREST, score_cutoff=least)
    return tuple(choice for choice, _score, _index in found)


@dataclass(frozen=True, slots=True)
class _Vocabulary:
    """What the options are called: ``names`` after dashes, ``keywords`` also without."""

    names: dict[str, Option]
    keywords: dict[str, Option]
    start: re.Pattern[str]
    chinese: re.Pattern[str]


@lru_cache
def _vocabulary(options: tuple[Option, ...]) -> _Vocabulary:
    names = {name: option for option in options if not option.positional for name in option.spellings}
    chinese = sorted((name for name in names if not name.isascii()), key=len, reverse=True)
    keywords = {name: names[name] for name in chinese if names[name].keyword}
    return _Vocabulary(
        names=names,
        keywords=keywords,
        start=re.compile("|".join([marks.DASH_OR_BRACKET, *keywords])),
        chinese=re.compile("|".join(chinese) or r"(?!)"),
    )


@dataclass(frozen=True, slots=True)
class _Start:
    """An option recognised by its name, which ends at ``end``; ``option`` None is a LoRA tag.

    ``value`` is set where recognising it meant reading it: tags, and Chinese words with a number.
    """

    option: Option | None
    typed: str
    end: int
    value: str | None = None


@dataclass
class _Scanner:
    """One pass over one sentence, left to right; what was matched is never looked at again."""

    text: str
    known: _Vocabulary
    flags: list[Flag] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    kept_to: int = 0  # everything before it is in ``kept`` or was an option

    def run(self) -> Scan:
        at = 0
        while found := self.known.start.search(self.text, at):
            at = found.start()
            if (last := marks.END_OF_FLAGS.match(self.text, at)) and self._is_blank_until(at):
                return self._scan(self.text[last.end() :].strip())
            start = self._start_at(at)
            if start is None:
                at += 1
                continue
            self.kept.append(self.text[self.kept_to : at])
            self.kept_to = at = self._take(start)
        return self._scan(_sewn([*self.kept, self.text[self.kept_to :]]))

    def _scan(self, prompt: str) -> Scan:
        return Scan(prompt, tuple(self.flags), tuple(self.tags))

    def _is_blank_until(self, at: int) -> bool:
        before = "".join([*self.kept, self.text[self.kept_to : at]])
        return not before.strip(f" {marks.COMMAS}")

    def _start_at(self, at: int) -> _Start | None:
        """The option that begins here; None where it is prose.

        Raises:
            UnknownFlag: It can only be meant as an option, but there is none of this name.
            MissingValue: Half a LoRA tag.
        """
        before = self.text[at - 1] if at > self.kept_to else ""
        if tag := marks.TAG.match(self.text, at):
            if not tag["end"] or not tag["lora"].strip():
                raise MissingValue(flag=tag[0], example="<lora:sugar:0.8>")
            return _Start(None, tag[0], tag.end(), tag["lora"])
        if dashed := marks.DASHED.match(self.text, at):
            return self._dashed(dashed, before)
        is_apart = not before or before.isspace() or before in marks.COMMAS
        if is_apart and (short := marks.SHORT.match(self.text, at)):
            return self._named(short, plain(short["name"]), short.end())
        if is_apart and (single := marks.SINGLE.match(self.text, at)):
            return self._named_softly(single, plain(single["name"]), single.end())
        if is_apart and (dash := marks.ONE_DASH.match(self.text, at)):
            return self._keyword(at, dash.end())
        return None if before.isalnum() else self._keyword(at, at)

    def _dashed(self, dashed: re.Match[str], before: str) -> _Start | None:
        if re.match(r"[A-Za-z0-9_-]", before):
            return None  # well--known
        begin = dashed.start("name")
        if latin := marks.LATIN_NAME.match(self.text, begin):
            name = plain(latin[0])
            if name in self.known.names or (dashed["hard"] and not before.isalnum()):
                return self._named(dashed, name, latin.end())
            return None if before.isalnum() else self._named_softly(dashed, name, latin.end())
        chinese = self.known.chinese.match(self.text, begin)
        if dashed["hard"] and not before.isalnum():
            other = _UNSUPPORTED_CHINESE.match(self.text, begin)
            found = chinese or other or dashed
            return self._named(dashed, dashed["name"] if found is dashed else found[0], found.end())
        if keyword := self._keyword(dashed.start(), begin):
            return keyword
        # Chinese prose uses dashes: without a number the name stands apart on both sides.
        is_apart = not before or before.isspace() or before in marks.COMMAS
        if chinese and is_apart and marks.NAME_END.match(self.text, chinese.end()):
            return self._named(dashed, chinese[0], chinese.end())
        return None

    def _named(self, dashed: re.Match[str], name: str, end: int) -> _Start:
        typed = self.text[dashed.start() : end]
        option = self.known.names.get(name)
        if option is None:
            raise self._unknown(typed, name)
        return _Start(option, typed, end)

    def _named_softly(self, dashed: re.Match[str], name: str, end: int) -> _Start | None:
        """As ``_named``; but behind a dash that prose may use, an unknown name needs to look like an option.

        That is a name that is nearly right, or another bot's, with a number behind it.
        """
        if name in self.known.names:
            return self._named(dashed, name, end)
        begin = _after(marks.GAP, self.text, end)
        has_number = marks.SIZE.match(self.text, begin) or marks.NUMBER.match(self.text, begin)
        if has_number and (name in UNSUPPORTED or nearest(name, self.known.names)):
            return self._named(dashed, name, end)
        return None

    def _unknown(self, typed: str, name: str) -> UnknownFlag:
        """The refusal of a name that no option has, with the nearest that one has."""
        kind = UNSUPPORTED.get(name)
        if kind is FixedSteps:
            return FixedSteps(flag=typed, steps=STEPS)
        if kind:
            return kind(flag=typed)
        words = [known for known in self.known.names if len(known) > 1 and known == simplified(known)]
        close = nearest(name, words)
        if len(name) == 1:
            close = tuple(word for word in words if word.startswith(name))[:NEAREST]
        return UnknownFlag(flag=typed, nearest=tuple(f"--{word}" for word in close))

    def _keyword(self, at: int, begin: int) -> _Start | None:
        """A Chinese word that counts without dashes, but only before a number."""
        name = self.known.chinese.match(self.text, begin)
        option = self.known.keywords.get(name[0]) if name else None
        if name is None or option is None:
            return None
        begin = _after(marks.GAP, self.text, name.end())
        patterns = [marks.SIZE, marks.SIZE_IN_WORDS] if option.kind is OptionKind.TEXT else [marks.NUMBER]
        if begin > name.end():
            patterns.append(marks.WRONG)
        value = next((found for pattern in patterns if (found := pattern.match(self.text, begin))), None)
        return _Start(option, self.text[at : value.end()], value.end(), value[0]) if value else None

    def _take(self, start: _Start) -> int:
        """Note an option with its value, and return where both end."""
        option, value, end = start.option, start.value, start.end
        if option is None:
            self.tags.append(value or "")
            return end
        if value is None and option.kind is not OptionKind.SWITCH:
            value, end = self._value(option, _after(marks.GAP, self.text, end))
            if not value:
                raise MissingValue(
                    flag=start.typed, example=f"--{option.name} {option.example}", option=option.name
                )
        self.flags.append(Flag(option, value or ""))
        return end

    def _value(self, option: Option, begin: int) -> tuple[str, int]:
        if option.takes_words and (quoted := marks.QUOTED.match(self.text, begin)):
            value = next((part for part in quoted.groups() if part), "")
            return self._with_weight(option, value, quoted.end())
        if option.is_face_slot:
            end = self._slot_end(begin)
            return self.text[begin:end].strip(), end
        found = marks.TOKEN.match(self.text, begin)
        if option.name == "size":
            sizes = (marks.SIZE, marks.SIZE_IN_WORDS)
            found = next((size for each in sizes if (size := each.match(self.text, begin))), found)
        return self._with_weight(option, found[0], found.end()) if found else ("", begin)

    def _with_weight(self, option: Option, value: str, end: int) -> tuple[str, int]:
        """A LoRA's name with the weight behind it: ``sugar 0.8`` means ``sugar:0.8``."""
        behind = marks.WEIGHT_BEHIND.match(self.text, end)
        if option.kind is not OptionKind.LORA or not value or not behind or re.search("[:：]", value):
            return value, end
        return f"{value}:{behind['weight']}", behind.end()

    def _slot_end(self, begin: int) -> int:
        """Where a face slot's value ends: at a comma, the next option, or the end of the sentence."""
        comma = marks.SLOT_END.search(self.text, begin)
        end = comma.start() if comma else len(self.text)
        at = begin
        while found := self.known.start.search(self.text, at, end):
            at = found.start()
            if self._stops_slot(at):
                return at
            at += 1
        return end

    def _stops_slot(self, at: int) -> bool:
        if marks.END_OF_FLAGS.match(self.text, at) and self.text[at - 1].isspace():
            return True
        try:
            return self._start_at(at) is not None
        except (MissingValue, UnknownFlag):
            return True  # told when the scan arrives there


def _after(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at


def _sewn(pieces: Iterable[str]) -> str:
    """What options were cut out of, sewn together: one space at a seam, and no comma doubled or left over."""
    first, *rest = (piece.strip() for piece in pieces)
    sewn = first
    for piece in rest:
        if not sewn or sewn[-1] in marks.COMMAS:
            piece = marks.LEADING_COMMAS.sub("", piece)
        needs_space = (
            sewn and piece and sewn[-1] not in marks.FULL_WIDTH_COMMAS and piece[0] not in marks.COMMAS
        )
        sewn = f"{sewn} {piece}" if needs_space else sewn + piece
    if rest and not marks.LEADING_COMMAS.sub("", rest[-1]):  # it ends with an option
        sewn = marks.TRAILING_COMMAS.sub("", sewn)
    return sewn
