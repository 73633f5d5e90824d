"""Finds the options in a sentence and keeps the rest unchanged.

An option is written ``--name value`` (full-width too, or with the em-dash that phones make of ``--``),
``-n 4``, ``<lora:name:weight>``, or as a Chinese word with a number: ``比例 2:3``. Prose stays prose:
``well--known``, a lone dash, ``种子`` without a number. The value of a face slot ends at the next option or
comma, or is in quotes. A bare ``--`` before the first word of the prompt ends the options: all text after it
is prompt.

Two steps: ``_Lexer`` turns the text into tokens, left to right; ``scan`` folds the tokens into a ``Scan``.
A face slot takes the prose up to the next comma or token.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from rapidfuzz import fuzz, process

from bot.commands import marks
from bot.commands.table import SUGAR_OPTIONS, UNSUPPORTED, Option, OptionKind
from bot.commands.text import normalize
from bot.errors import FixedSteps, MissingValue, PersonError, UnknownFlag
from bot.languages import typed_forms

NEAREST = 3  # suggestions in one message
_ALIKE_PERCENT = 60
_ALIKE_CHINESE_PERCENT = 50  # names of two letters share one of them


@dataclass(frozen=True, slots=True)
class Flag:
    """An option in a text.

    Attributes:
        value: As typed; empty for a switch.
        joined: The words that commas join to the name of a LoRA. They are prose.
    """

    option: Option
    value: str
    joined: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Scan:
    """A sentence without its options, its flags, and the contents of its LoRA tags, in order."""

    prompt: str
    flags: tuple[Flag, ...]
    tags: tuple[str, ...]

    def last(self, name: str) -> str | None:
        """Return the value of the last flag of this name."""
        return next((flag.value for flag in reversed(self.flags) if flag.option.name == name), None)


_UNSUPPORTED_CHINESE = re.compile("|".join(name for name in UNSUPPORTED if not name.isascii()))


def nearest(word: str, known: Iterable[str]) -> tuple[str, ...]:
    """Return up to three of the known words that are similar to this one, best first."""
    least = _ALIKE_PERCENT if word.isascii() else _ALIKE_CHINESE_PERCENT
    found = process.extract(word, list(known), scorer=fuzz.ratio, limit=NEAREST, score_cutoff=least)
    return tuple(choice for choice, _score, _index in found)


@dataclass(frozen=True, slots=True)
class _Vocabulary:
    """The names of the options.

    Attributes:
        names: After dashes; ``keywords`` also without.
        values: The value of a name that means one; ``unvalued`` are the other names.
        start: Matches wherever an option may start; ``chinese`` any Chinese name, ``value`` a named value.
    """

    names: dict[str, Option]
    keywords: dict[str, Option]
    values: dict[str, str]
    unvalued: tuple[str, ...]
    start: re.Pattern[str]
    chinese: re.Pattern[str]
    value: re.Pattern[str]


@lru_cache
def _vocabulary(options: tuple[Option, ...]) -> _Vocabulary:
    typed = [option for option in options if not option.positional]
    values = {name: value for option in typed for name, value in option.value_of.items()}
    names = {name: option for option in typed for name in (*option.spellings, *option.value_of)}
    chinese = sorted((name for name in names if not name.isascii()), key=len, reverse=True)
    keywords = {name: names[name] for name in chinese if names[name].keyword and name not in values}
    return _Vocabulary(
        names=names,
        keywords=keywords,
        values=values,
        unvalued=tuple(name for name in names if name not in values),
        start=re.compile("|".join([marks.DASH_OR_BRACKET, *keywords])),
        chinese=re.compile("|".join(chinese) or r"(?!)"),
        value=re.compile(rf"(?:{'|'.join(name for name in values if not name.isascii()) or '(?!)'})(?!\w)"),
    )


@dataclass(frozen=True, slots=True)
class _Tag:
    """The content of a LoRA tag."""

    content: str


@dataclass(frozen=True, slots=True)
class _OpenSlot:
    """A face slot without quotes; the text after it is its value."""

    option: Option
    typed: str

    def end_in(self, text: str, start: int, end: int) -> re.Match[str] | None:
        """Return the comma that ends its value, if one does."""
        return None if self.option.takes_rest else marks.SLOT_END.search(text, start, end)

    def flag(self, value: str) -> Flag:
        """Return the option with this value, or raise MissingValue for an empty one."""
        if not value:
            raise _missing_value(self.option, self.typed)
        return Flag(self.option, value)


@dataclass(frozen=True, slots=True)
class _EndOfFlags:
    """Two dashes alone."""


@dataclass(frozen=True, slots=True)
class _Token:
    """What ``text[start:end]`` is; the text between two tokens is prose. An error is the last token."""

    start: int
    end: int
    content: Flag | _OpenSlot | _Tag | _EndOfFlags | UnknownFlag | MissingValue


@dataclass(frozen=True, slots=True)
class _Lexer:
    """Splits one text into tokens. No part of the text is read into two tokens."""

    text: str
    known: _Vocabulary

    def tokens(self) -> Iterator[_Token]:
        """Yield the tokens in their order, and end behind the first error."""
        position = value_end = 0
        while found := self.known.start.search(self.text, position):
            start = found.start()
            # Directly behind a value, an option needs no space.
            before = self.text[start - 1] if start > value_end else ""
            token = self._token_at(start, before)
            if token is None:
                position = start + 1
                continue
            yield token
            if isinstance(token.content, PersonError):
                return
            position = token.end
            if not isinstance(token.content, _OpenSlot | _EndOfFlags):
                value_end = token.end

    def _token_at(self, start: int, before: str) -> _Token | None:
        """Return the token that starts here, behind the character ``before``; None for prose."""
        if end := marks.END_OF_FLAGS.match(self.text, start):
            return _Token(start, end.end(), _EndOfFlags())
        if tag := marks.TAG.match(self.text, start):
            is_whole = tag["end"] and tag["lora"].strip()
            error = MissingValue(flag=tag[0], example="<lora:sugar:0.8>")
            return _Token(start, tag.end(), _Tag(tag["lora"]) if is_whole else error)
        if dashed := marks.DASHED.match(self.text, start):
            return self._dashed(dashed, before)
        is_apart = not before or before.isspace() or before in marks.COMMAS
        if is_apart and (short := marks.SHORT.match(self.text, start)):
            return self._named(start, normalize(short["name"]), short.end())
        if is_apart and (single := marks.SINGLE.match(self.text, start)):
            return self._named_if_plausible(start, normalize(single["name"]), single.end())
        if is_apart and (dash := marks.ONE_DASH.match(self.text, start)):
            return self._keyword(start, dash.end())
        return None if before.isalnum() else self._keyword(start, start)

    def _dashed(self, dashed: re.Match[str], before: str) -> _Token | None:
        """Return the token of a name behind two dashes, or behind a dash that prose uses too."""
        if re.match(r"[A-Za-z0-9_-]", before):
            return None  # well--known
        start, name_start = dashed.span()[0], dashed.start("name")
        is_certain = dashed["certain"] and not before.isalnum()
        if latin := marks.LATIN_NAME.match(self.text, name_start):
            name = normalize(latin[0])
            if is_certain or (name in self.known.names and not self._is_prose(name)):
                return self._named(start, name, latin.end())
            return None if before.isalnum() else self._named_if_plausible(start, name, latin.end())
        chinese = self.known.chinese.match(self.text, name_start)
        if is_certain:
            found = chinese or _UNSUPPORTED_CHINESE.match(self.text, name_start)
            name, end = (found[0], found.end()) if found else (dashed["name"], dashed.end())
            return self._named(start, name, end)
        if keyword := self._keyword(start, name_start):
            return keyword
        # Chinese prose uses dashes: a name without a number counts only with a gap on both sides.
        is_apart = not before or before.isspace() or before in marks.COMMAS
        if not chinese or not is_apart or self._is_prose(chinese[0]):
            return None
        if marks.NAME_END.match(self.text, chinese.end()):
            return self._named(start, chinese[0], chinese.end())
        return None

    def _named_if_plausible(self, start: int, name: str, end: int) -> _Token | None:
        """As ``_named``, for a dash that prose uses too: an unknown name must look like an option.

        That is a name with a typo, or another bot's option, followed by a number.
        """
        if name in self.known.names and not self._is_prose(name):
            return self._named(start, name, end)
        value_start = self._gap_end(end)
        has_number = marks.SIZE.match(self.text, value_start) or marks.NUMBER.match(self.text, value_start)
        if has_number and (name in UNSUPPORTED or nearest(name, self.known.names)):
            return self._named(start, name, end)
        return None

    def _is_prose(self, name: str) -> bool:
        """Whether a name needs two dashes: ``a -tall girl`` and ``a study —portrait of a girl`` are prose."""
        return name in self.known.values and self.known.names[name].kind is not OptionKind.SWITCH

    def _keyword(self, start: int, name_start: int) -> _Token | None:
        """Return the token of a Chinese name that counts without dashes, but only before a number."""
        name = self.known.chinese.match(self.text, name_start)
        option = self.known.keywords.get(name[0]) if name else None
        if name is None or option is None:
            return None
        value_start = self._gap_end(name.end())
        patterns = [marks.NUMBER]
        if option.kind is OptionKind.TEXT:
            patterns = [marks.SIZE, marks.SIZE_IN_WORDS, self.known.value]
        if value_start > name.end():
            patterns.append(marks.NOT_A_NUMBER)
        matches = (pattern.match(self.text, value_start) for pattern in patterns)
        value = next(filter(None, matches), None)
        return _Token(start, value.end(), Flag(option, value[0])) if value else None

    def _named(self, start: int, name: str, end: int) -> _Token:
        """Return the token of a named option with its value."""
        typed = self.text[start:end]
        option = self.known.names.get(name)
        if option is None:
            return _Token(start, end, _unknown_flag(typed, name, self.known.unvalued))
        if option.kind is OptionKind.SWITCH or name in self.known.values:
            return _Token(start, end, Flag(option, self.known.values.get(name, "")))
        begin = self._gap_end(end)
        if option.takes_words and (quoted := marks.QUOTED.match(self.text, begin)):
            value, end = next((part for part in quoted.groups() if part), ""), quoted.end()
        elif option.is_face_slot or option.takes_rest:
            return _Token(start, begin, _OpenSlot(option, typed))
        else:
            patterns = (marks.SIZE, marks.SIZE_IN_WORDS, marks.TOKEN)[0 if option.name == "size" else 2 :]
            if option.is_list:
                patterns = (marks.LIST,)
            found = next(filter(None, (pattern.match(self.text, begin) for pattern in patterns)), None)
            value, end = (found[0], found.end()) if found else ("", begin)
        if not value:
            return _Token(start, end, _missing_value(option, typed))
        weight = marks.WEIGHT_BEHIND.match(self.text, end)
        takes_weight = option.kind is OptionKind.LORA and not option.is_list
        if takes_weight and weight and not re.search("[:：]", value):
            value, end = f"{value}:{weight['weight']}", weight.end()  # sugar 0.8 means sugar:0.8
        joined = marks.JOINED.match(self.text, end) if takes_weight else None
        parts = marks.LIST_PART.findall(joined[0]) if joined else ()
        return _Token(start, end, Flag(option, value, tuple(part.strip() for part in parts)))

    def _gap_end(self, name_end: int) -> int:
        gap = marks.GAP.match(self.text, name_end)
        return gap.end() if gap else name_end


def _missing_value(option: Option, typed: str) -> MissingValue:
    return MissingValue(flag=typed, example=f"--{option.name} {option.example}", option=option.name)


def _unknown_flag(typed: str, name: str, known: Iterable[str]) -> UnknownFlag:
    """Return the error for a name that no option has, with the most similar names."""
    kind = UNSUPPORTED.get(name)
    if kind is FixedSteps:
        return FixedSteps(flag=typed)
    if kind:
        return kind(flag=typed)
    names = list(known)
    variants = {form for word in names for form in typed_forms(word) if form != word}
    words = [word for word in names if len(word) > 1 and word not in variants]
    close = nearest(name, words)
    if len(name) == 1:
        close = tuple(word for word in words if word.startswith(name))[:NEAREST]
    return UnknownFlag(flag=typed, nearest=tuple(f"--{word}" for word in close))


def scan(text: str, options: Sequence[Option] = SUGAR_OPTIONS) -> Scan:
    """Split a cleaned sentence into prompt, flags and tags; ``options`` are those that may occur.

    Raises:
        UnknownFlag: The text names an option that does not exist.
        MissingValue: An option has no value.
    """
    known = _vocabulary(tuple(options))
    if not known.start.search(text):
        return Scan(text.strip(), (), ())
    tokens = _Lexer(text, known).tokens()
    flags: list[Flag] = []
    tags: list[str] = []
    prose: list[str] = []
    position = 0  # everything before it is in ``prose`` or belongs to an option
    slot: _OpenSlot | None = None
    for token in tokens:
        content, start = token.content, token.start
        is_end = isinstance(content, _EndOfFlags)
        if slot:
            comma = slot.end_in(text, position, start)
            if not comma and is_end and not text[start - 1].isspace():
                continue  # soft-- is a part of the value
            stop = comma.start() if comma else start
            flags.append(slot.flag(text[position:stop].strip()))
            position, slot = stop, None
        if is_end:
            if not any(part.strip(f" {marks.COMMAS}") for part in (*prose, text[position:start])):
                return Scan(text[token.end :].strip(), tuple(flags), tuple(tags))
            continue  # behind the first word of the prompt, two dashes are prose
        if isinstance(content, PersonError):
            raise content
        if isinstance(content, _Tag):
            tags.append(content.content)
        elif isinstance(content, _OpenSlot):
            slot = content
        elif isinstance(content, Flag):
            flags.append(content)
        prose.append(text[position:start])
        position = token.end
    if slot:
        comma = slot.end_in(text, position, len(text))
        stop = comma.start() if comma else len(text)
        flags.append(slot.flag(text[position:stop].strip()))
        position = stop
    return Scan(_join_prose([*prose, text[position:]]), tuple(flags), tuple(tags))


def _join_prose(pieces: Iterable[str]) -> str:
    """Join the text around the options: one space between two pieces, no double or left-over comma."""
    first, *rest = (piece.strip() for piece in pieces)
    joined = first
    for piece in rest:
        if not joined or joined[-1] in marks.COMMAS:
            piece = marks.LEADING_COMMAS.sub("", piece)
        needs_space = (
            joined and piece and joined[-1] not in marks.FULL_WIDTH_COMMAS and piece[0] not in marks.COMMAS
        )
        joined = f"{joined} {piece}" if needs_space else joined + piece
    if rest and not marks.LEADING_COMMAS.sub("", rest[-1]):  # it ends with an option
        joined = marks.TRAILING_COMMAS.sub("", joined)
    return joined
