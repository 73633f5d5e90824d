"""What a person types or chooses → a frozen command. Raises nothing but ``PersonError``, whatever the text.

Plain text is a prompt. ``/word``, its Chinese words and Telegram's ``/word@botname`` are commands; every
spelling stands in ``table``, how options are written in ``flags``. LoRA tags and options are taken out first;
what is left of the prompt is kept byte for byte, but for control characters and the seams.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import astuple, replace

from bot.commands.cleaning import clean, plain
from bot.commands.flags import Scan, nearest, scan
from bot.commands.linkcode import code_of, is_code
from bot.commands.reading import NO_LORA, count_of, is_number, lora_of, seed_of, size_of, weight_of, words_of
from bot.commands.table import COMMANDS, FACE_SLOTS, CommandEntry, Option, OptionKind
from bot.commands.traditional import traditional
from bot.commands.values import (
    Cancel,
    Command,
    Draw,
    Face,
    Help,
    Link,
    LoraList,
    LoraSwitch,
    LoraWish,
    Mine,
    Quota,
    Scope,
    Unlink,
)
from bot.errors import EmptyPrompt, MissingValue, TextTooLong, TooManyLoras, UnknownCommand
from engine.request import MAX_LORAS

MAX_TEXT_CHARS = 8_000  # three times what 512 tokens of English need, with room for every option
MAX_WORD_CHARS = 64

Given = str | int | float | None
"""An option as a menu or form hands it over; None and blank text mean it was left out."""

_SLASHED = re.compile(r"[/／](?P<word>\w[\w-]*)(?:@\w+)?[:：]?(?P<rest>.*)", re.DOTALL)
_WORDED = re.compile(r"(?P<word>\S+?)(?:\s+|\s*[:：]\s*)(?P<rest>\S.*)", re.DOTALL)
_JOB_ID = re.compile(r"[#＃]?([A-Za-z0-9_-]{1,40})")
_LORA = "lora"


def parse(text: str) -> Command:
    """The command in a message.

    Raises:
        NotUnderstood: The class says what is wrong with it, its facts what was typed. Nothing was done.
    """
    message = _cleaned(text)
    if message[:1] in ("/", "／"):
        return _slashed(message)
    entry, rest = _bare(message)
    return _made(entry, rest) if entry else _draw(scan(message))


def draw_of(
    prompt: str,
    *,
    lora: str | None = None,
    weight: Given = None,
    size: str | None = None,
    seed: Given = None,
    count: Given = None,
    skin: str | None = None,
    blush: str | None = None,
    lips: str | None = None,
    eyes: str | None = None,
    lashes: str | None = None,
    private: bool | None = None,
) -> Draw:
    """The drawing that a menu's options or a form ask for; ``lora`` may name several, with commas between.

    Options inside the prompt's text count too; one that is given here wins.

    Raises:
        NotUnderstood: As for ``parse``.
    """
    face = dict(zip(FACE_SLOTS, (skin, blush, lips, eyes, lashes), strict=True))
    given = {"lora": lora, "weight": weight, "size": size, "seed": seed, "count": count, **face}
    said = {name: written for name, value in given.items() if (written := _written(value))}
    draw = _draw(scan(_cleaned(prompt)), said)
    return draw if private is None else replace(draw, private=private)


def switch_of(name: str, *, weight: Given = None, where: str | None = None) -> LoraSwitch:
    """The ``/lora switch`` that a menu's options ask for; ``where`` is a value of ``Scope``.

    Raises:
        NotUnderstood: There is no name, or no such weight.
    """
    wish = lora_of(_written(name))
    if written := _written(weight):
        wish = replace(wish, weight=weight_of(written))
    return LoraSwitch(wish, Scope(where) if where else Scope.CHAT)


def _cleaned(text: str) -> str:
    if len(text) > MAX_TEXT_CHARS:
        raise TextTooLong(length=len(text), limit=MAX_TEXT_CHARS)
    return clean(text)


def _written(value: Given) -> str:
    """A given option as text, so that it is read and refused like a typed one."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # forms hand whole numbers over as floats
    return "" if value is None else clean(str(value))


def _spellings(entry: CommandEntry) -> tuple[str, ...]:
    """Every spelling of a command in one word; of ``lora list``, for one, ``lora_list`` and ``loras``."""
    first = () if " " in entry.name else (entry.word,)
    alone = (entry.alone.name, entry.alone.word) if entry.alone else ()
    return _in_both_scripts(entry.joined_name, *first, *alone, *entry.words)


def _in_both_scripts(*words: str) -> tuple[str, ...]:
    """The words, and the Chinese ones in Traditional characters too."""
    return tuple(dict.fromkeys([*words, *map(traditional, words)]))


_NAMED = {plain(spelling): entry for entry in COMMANDS for spelling in _spellings(entry)}
_LORA_COMMANDS = {
    plain(word): entry
    for entry in COMMANDS
    if entry.name.startswith(f"{_LORA} ")
    for word in _in_both_scripts(entry.name.split()[1], entry.word)
}
_LORA_LIST = _LORA_COMMANDS["list"]
_BARE = {
    word: entry for entry in COMMANDS for word in map(plain, _in_both_scripts(*entry.words)) if word != "draw"
}
_WITH_TEXT = frozenset(entry.makes for entry in COMMANDS if any(each.positional for each in entry.options))
_COMMAND_NAMES = tuple(
    dict.fromkeys(
        name
        for entry in COMMANDS
        for name in (entry.alone.name if entry.alone else entry.name, *entry.words)
        if name != "start"
    )
)
"""What a suggestion may say behind its slash."""
_DRAW_WORDS = sorted((word for word, entry in _NAMED.items() if entry.makes is Draw), key=len, reverse=True)


def _slashed(message: str) -> Command:
    found = _SLASHED.match(message)
    if found is None:
        raise _unknown_command(message.split()[0][1:])
    word, rest = plain(found["word"]), found["rest"].strip()
    if word == _LORA:
        return _lora_command(rest)
    if entry := _NAMED.get(word):
        return _made(entry, rest)
    for prefix in _DRAW_WORDS:  # /画一个女孩: Chinese is written without spaces
        if not prefix.isascii() and found["word"].startswith(prefix):
            return _draw(scan(message[1 + len(prefix) :].strip()))
    raise _unknown_command(found["word"])


def _bare(message: str) -> tuple[CommandEntry | None, str]:
    """A command without a slash: the whole message, or a Chinese word, a space and its text."""
    if entry := _BARE.get(plain(message)):
        return entry, ""
    found = _WORDED.fullmatch(message)
    entry = _BARE.get(plain(found["word"])) if found else None
    if found is None or entry is None or found["word"].isascii() or entry.makes not in _WITH_TEXT:
        return None, ""
    if entry.makes is Cancel and not _JOB_ID.fullmatch(found["rest"]):
        return None, ""  # “取消 …” with more than a job after it is prose
    if entry.makes is Link and not is_code(found["rest"]):
        return None, ""  # and “关联 …” with more than a code
    return entry, found["rest"]


def _lora_command(rest: str) -> Command:
    word, _, after = rest.partition(" ")
    entry = _LORA_COMMANDS.get(plain(word)) if word else _LORA_LIST
    if entry is None:
        raise _unknown_command(f"{_LORA} {word}")
    return _made(entry, after.strip())


def _unknown_command(word: str) -> UnknownCommand:
    typed = word[:MAX_WORD_CHARS]
    close = nearest(plain(typed).replace("_", " "), _COMMAND_NAMES)
    return UnknownCommand(text=typed, nearest=tuple(f"/{name}" for name in close))


def _made(entry: CommandEntry, rest: str) -> Command:
    return _MAKERS[entry.makes](rest)


def _draw(found: Scan, said: dict[str, str] | None = None) -> Draw:
    """Read a scanned sentence; ``said`` are options chosen elsewhere, which win."""
    said = said or {}

    def value(name: str) -> str | None:
        return said.get(name) or found.last(name)

    size, seed, count = value("size"), value("seed"), value("count")
    draw = Draw(
        prompt=found.prompt,
        face=Face(**{slot: words_of(value(slot) or "") for slot in FACE_SLOTS}),
        loras=_loras(found, said.get("lora"), value("weight")),
        size=size_of(size) if size else None,
        seed=seed_of(seed) if seed else None,
        count=count_of(count) if count else 1,
        private=found.last("private") is not None,
    )
    if not any((draw.prompt, *astuple(draw.face))):
        raise EmptyPrompt
    return draw


def _loras(found: Scan, chosen: str | None, weight: str | None) -> tuple[LoraWish, ...]:
    """The menu's choice, else ``--lora``, else tags; a weight without a name is for the chat's default."""
    texts: Sequence[str] = found.every(_LORA) or found.tags
    if chosen:
        texts = [part for part in re.split(r"[,，]", chosen) if part.strip()]
    wishes = {plain(wish.name): wish for wish in map(lora_of, texts)}  # the same one twice: the last counts
    if len(wishes) > 1:
        wishes.pop(NO_LORA, None)
    if len(wishes) > MAX_LORAS:
        raise TooManyLoras(limit=MAX_LORAS)
    if weight is None:
        return tuple(wishes.values())
    strength = weight_of(weight)
    if not wishes:
        return (LoraWish("", strength),)
    return tuple(
        replace(wish, weight=strength) if wish.weight is None and wish.name != NO_LORA else wish
        for wish in wishes.values()
    )


def _options_in_text(options: Sequence[Option]) -> tuple[Option, ...]:
    """A command's options as flags: each choice of one is a switch of its own."""
    flags = [option for option in options if option.kind is not OptionKind.CHOICE]
    for option in options:
        flags += [
            Option(choice.name, choice.word, OptionKind.SWITCH, option.about) for choice in option.choices
        ]
    return tuple(flags)


_SWITCH = next(entry for entry in COMMANDS if entry.makes is LoraSwitch)
_SWITCH_FLAGS = _options_in_text(_SWITCH.options)
_WHERE = {choice.name: choice.value for option in _SWITCH.options for choice in option.choices}


def _lora_switch(rest: str) -> LoraSwitch:
    found = scan(rest, _SWITCH_FLAGS)
    name, weight = found.prompt, found.last("weight")
    if found.tags and not name:
        name = found.tags[-1]
    words = name.split()
    if weight is None and len(words) > 1 and is_number(words[-1]):
        name, weight = name.removesuffix(words[-1]).strip(), words[-1]
    if not name:
        raise MissingValue(flag=f"/{_SWITCH.name}", example=_SWITCH.usage)
    where = next(
        (_WHERE[flag.option.name] for flag in reversed(found.flags) if flag.option.name in _WHERE), None
    )
    return switch_of(name, weight=weight, where=where)


def _cancel(rest: str) -> Cancel:
    job_id = rest.split()[0].lstrip("#＃")[:MAX_WORD_CHARS] if rest else ""
    return Cancel(job_id)


_MAKERS: dict[type[Command], Callable[[str], Command]] = {
    Draw: lambda rest: _draw(scan(rest)),
    LoraList: lambda rest: LoraList(),
    LoraSwitch: _lora_switch,
    Mine: lambda rest: Mine(),
    Quota: lambda rest: Quota(),
    Cancel: _cancel,
    Link: lambda rest: Link(code_of(rest)[:MAX_WORD_CHARS]),
    Unlink: lambda rest: Unlink(),
    Help: lambda rest: Help(),
}
