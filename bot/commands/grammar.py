"""Parses typed text and menu choices into frozen commands. For any text, the only error is ``PersonError``.

Plain text is a prompt. ``/word``, its Chinese words and Telegram's ``/word@botname`` are commands; ``table``
lists all names, and ``flags`` describes how options are written. Without options and LoRA tags, the prompt is
kept byte for byte, except for control characters and the spaces and commas around the options.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, replace
from types import MappingProxyType

from bot.commands.flags import Scan, nearest, scan
from bot.commands.job_commands import JOB_MAKERS
from bot.commands.loras import LORA_MAKERS
from bot.commands.reading import (
    MAX_WORD_CHARS,
    NO_LORA,
    OptionValue,
    as_typed,
    count_of,
    is_link_code,
    link_code_of,
    lora_of,
    seed_of,
    size_of,
    weight_of,
    words_of,
)
from bot.commands.table import COMMANDS, FACE_SLOTS, CommandEntry
from bot.commands.text import clean, normalize
from bot.commands.values import (
    Cancel,
    Command,
    Draw,
    Face,
    Help,
    Link,
    LoraAdd,
    LoraOffer,
    LoraWish,
    Mine,
    Quota,
    SentFile,
    ShowCard,
    Unlink,
)
from bot.errors import EmptyPrompt, PersonError, TooManyLoras, UnknownCommand
from bot.languages import typed_forms
from engine.request import MAX_LORAS

MAX_TEXT_CHARS = 8_000  # three times what 512 tokens of English need, with room for every option
_MENU_LORA = re.compile(r'(?:"[^"]*"|[^,，])+')  # a name with a comma is in quotes

_SLASHED = re.compile(r"[/／](?P<word>\w[\w-]*)(?:@\w+)?[:：]?(?P<rest>.*)", re.DOTALL)
_WORDED = re.compile(r"(?P<word>[^\s\x00-\x7f]\S*?)(?:\s+|\s*[:：]\s*)(?P<rest>\S.*)", re.DOTALL)
"""A Chinese word, then a space or colon, then its text."""
_JOB_ID = re.compile(r"[#＃]?([A-Za-z0-9_-]{1,40})")
_LORA = "lora"


def parse(text: str) -> Command:
    """Return the command in a message.

    Raises:
        NotUnderstood: The class says what is wrong, its facts what was typed.
    """
    message = clean(text, limit=MAX_TEXT_CHARS)
    if message[:1] in ("/", "／"):
        return _parse_slash_command(message)
    if entry := _BARE.get(normalize(message)):
        return _MAKERS[entry.command_type]("")
    worded = _WORDED.fullmatch(message)
    command = _parse_worded_command(worded["word"], worded["rest"]) if worded else None
    return command or _draw(scan(message))


def draw_of(
    prompt: str,
    *,
    lora: str | None = None,
    weight: OptionValue = None,
    size: str | None = None,
    seed: OptionValue = None,
    count: OptionValue = None,
    skin: str | None = None,
    blush: str | None = None,
    lips: str | None = None,
    eyes: str | None = None,
    lashes: str | None = None,
    private: bool | None = None,
) -> Draw:
    """Return the drawing of menu options or a form; ``lora`` may name several, separated by commas.

    Options inside the prompt count too; an argument wins over them.

    Raises:
        NotUnderstood: As for ``parse``.
    """
    face = dict(zip(FACE_SLOTS, (skin, blush, lips, eyes, lashes), strict=True))
    arguments = {"lora": lora, "weight": weight, "size": size, "seed": seed, "count": count, **face}
    chosen = {name: typed for name, value in arguments.items() if (typed := as_typed(value))}
    draw = _draw(scan(clean(prompt, limit=MAX_TEXT_CHARS)), chosen)
    return draw if private is None else replace(draw, private=private)


def _names_of(entry: CommandEntry) -> tuple[str, ...]:
    """Return all one-word names of a command; those of ``lora list`` include ``lora_list`` and ``loras``."""
    first = () if " " in entry.name else (entry.word,)
    alone = (entry.alone.name, entry.alone.word) if entry.alone else ()
    return _in_both_scripts(entry.joined_name, *first, *alone, *entry.words)


def _in_both_scripts(*words: str) -> tuple[str, ...]:
    """Return the words, and the Chinese ones in Traditional characters too."""
    return tuple(dict.fromkeys(form for word in words for form in typed_forms(word)))


_NAMED = {normalize(name): entry for entry in COMMANDS for name in _names_of(entry)}
_LORA_COMMANDS = {
    normalize(word): entry
    for entry in COMMANDS
    if entry.name.startswith(f"{_LORA} ")
    for word in _in_both_scripts(entry.name.split()[1], entry.word)
}
_LORA_LIST = _LORA_COMMANDS["list"]
_BARE = {
    word: entry
    for entry in COMMANDS
    for word in map(normalize, _in_both_scripts(*entry.words))
    if word != "draw"
}
_WITH_TEXT = frozenset(
    entry.command_type for entry in COMMANDS if any(each.positional for each in entry.options)
)
_COMMAND_NAMES = tuple(
    dict.fromkeys(
        name
        for entry in COMMANDS
        for name in (entry.alone.name if entry.alone else entry.name, *entry.words)
        if name != "start"
    )
)
"""The commands that a suggestion may name."""
_DRAW_WORDS = sorted(
    (word for word, entry in _NAMED.items() if entry.command_type is Draw), key=len, reverse=True
)


def _parse_slash_command(message: str) -> Command:
    found = _SLASHED.match(message)
    if found is None:
        raise _unknown_command(message.split()[0][1:])
    word, rest = normalize(found["word"]), found["rest"].strip()
    if word == _LORA:
        return _lora_command(rest)
    if entry := _NAMED.get(word):
        return _MAKERS[entry.command_type](rest)
    for prefix in _DRAW_WORDS:  # /画一个女孩: Chinese is written without spaces
        if not prefix.isascii() and found["word"].startswith(prefix):
            return _draw(scan(message[1 + len(prefix) :].strip()))
    raise _unknown_command(found["word"])


def _parse_worded_command(word: str, rest: str) -> Command | None:
    """Return the command of a Chinese word without a slash, with its text; None for prose."""
    entry = _BARE.get(normalize(word))
    if entry is None or entry.command_type not in _WITH_TEXT:
        return None
    if entry.command_type is Cancel and not _JOB_ID.fullmatch(rest):
        return None  # “取消 …” with more than a job id is prose
    if entry.command_type is Link and not is_link_code(rest):
        return None  # “关联 …” with more than a code is prose
    return _MAKERS[entry.command_type](rest)


def _lora_command(rest: str) -> Command:
    word, _, after = rest.partition(" ")
    entry = _LORA_COMMANDS.get(normalize(word)) if word else _LORA_LIST
    if entry is None:
        raise _unknown_command(f"{_LORA} {word}")
    return _MAKERS[entry.command_type](after.strip())


def _unknown_command(word: str) -> UnknownCommand:
    typed = word[:MAX_WORD_CHARS]
    close = nearest(normalize(typed).replace("_", " "), _COMMAND_NAMES)
    return UnknownCommand(text=typed, nearest=tuple(f"/{name}" for name in close))


def _draw(found: Scan, chosen: Mapping[str, str] = MappingProxyType({})) -> Draw:
    """Read a scanned sentence; the options in ``chosen`` win over those in the text.

    Of LoRAs, the menu's count, else those of ``--lora``, else those of tags.
    """
    values = {**{flag.option.name: flag.value for flag in found.flags}, **chosen}
    loras: Sequence[str] = [flag.value for flag in found.flags if flag.option.name == _LORA] or found.tags
    if _LORA in chosen:
        loras = [part.replace('"', "") for part in _MENU_LORA.findall(chosen[_LORA]) if part.strip()]
    draw = Draw(
        prompt=found.prompt,
        face=Face(**{slot: words_of(values[slot]) for slot in FACE_SLOTS if slot in values}),
        loras=_loras(loras, values.get("weight")) if loras or "weight" in values else (),
        size=size_of(values["size"]) if "size" in values else None,
        seed=seed_of(values["seed"]) if "seed" in values else None,
        count=count_of(values["count"]) if "count" in values else 1,
        private="private" in values,
    )
    if not any((draw.prompt, *astuple(draw.face))):
        raise EmptyPrompt
    return draw


def _loras(texts: Sequence[str], weight: str | None) -> tuple[LoraWish, ...]:
    """Return the named LoRAs; a weight alone is for the default LoRA."""
    # Of two equal names, the last counts.
    wishes = {normalize(wish.name): wish for wish in map(lora_of, texts)}
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


def with_file(command: Command, file: SentFile | None) -> Command:
    """Return the command with the file that was sent with it; only ``/lora add`` without a link takes one."""
    if isinstance(command, LoraAdd) and file is not None and not command.link:
        return replace(command, file=file)
    return command


def add_of(text: str, file: SentFile) -> LoraAdd | LoraOffer:
    """Return what the text of a LoRA file asks for: ``/lora add``, or nothing that concerns a file."""
    try:
        command = with_file(parse(text), file)
    except PersonError:
        return LoraOffer(file.name)
    return command if isinstance(command, LoraAdd) else LoraOffer(file.name)


_MAKERS: dict[type[Command], Callable[[str], Command]] = {
    Draw: lambda rest: _draw(scan(rest)),
    **LORA_MAKERS,
    Mine: lambda rest: Mine(),
    Quota: lambda rest: Quota(),
    **JOB_MAKERS,
    Link: lambda rest: Link(link_code_of(rest)[:MAX_WORD_CHARS]),
    Unlink: lambda rest: Unlink(),
    ShowCard: lambda rest: ShowCard(),
    Help: lambda rest: Help(),
}
