"""Parses typed text and menu choices into frozen commands. For any text, the only error is ``PersonError``.

Plain text is a prompt. ``/word``, its Chinese words and Telegram's ``/word@botname`` are commands; ``table``
lists all names, and ``flags`` describes how options are written. Without options and LoRA tags, the prompt is
kept byte for byte, except for control characters and the spaces and commas around the options.
"""

import re
from collections.abc import Callable
from dataclasses import replace

from bot.commands.finding.codes import written_codes
from bot.commands.finding.parsing import FINDING_MAKERS, code_in, drawn_code, is_prose, start_of
from bot.commands.flags import nearest, scan
from bot.commands.job_commands import ABOUT_JOBS, JOB_MAKERS, with_job
from bot.commands.loras import LORA_MAKERS
from bot.commands.makers.asking import ASKING_MAKERS, is_reset
from bot.commands.makers.drawing import MAX_TEXT_CHARS, change_drawing, read_drawing
from bot.commands.makers.drawing import draw_of as draw_of  # menus and forms use it through this module
from bot.commands.makers.hosting import HOSTING_MAKERS
from bot.commands.makers.sheets import adopt_text, compare_text, is_meant
from bot.commands.reading import (
    MAX_WORD_CHARS,
    is_link_code,
    link_code_of,
)
from bot.commands.table import COMMANDS, CommandEntry
from bot.commands.table.sheets import DRAFT_OPTIONS
from bot.commands.text import clean, normalize
from bot.commands.values import (
    Adopt,
    Cancel,
    ClaimBot,
    Command,
    Compare,
    Draft,
    Draw,
    EditProfile,
    EditSettings,
    Help,
    Link,
    LoraAdd,
    LoraOffer,
    Quota,
    ReadSettings,
    SentFile,
    ShowCard,
    Unlink,
)
from bot.errors import EmptyPrompt, PersonError, SlashNeeded, UnknownCommand
from bot.languages import typed_forms

_SLASHED = re.compile(r"[/／](?P<word>\w[\w-]*)(?:@\w+)?[:：]?(?P<rest>.*)", re.DOTALL)
_WORDED = re.compile(r"(?P<word>[^\s\x00-\x7f]\S*?)(?:\s+|\s*[:：]\s*)(?P<rest>\S.*)", re.DOTALL)
"""A Chinese word, then a space or colon, then its text."""
_JOB_ID = re.compile(r"[#＃]?([A-Za-z0-9_-]{1,40})")
_JOB_AND_PICTURE = re.compile(r"(?:[#＃]?[0-9a-z]{16})?\s*\d{0,2}")
_VALUES = re.compile(r"[\x21-\x7e]+(?: [\x21-\x7e]+)?")
"""One or two words of ASCII: a name, a number, a job."""
_LORA = "lora"


def parse(text: str) -> Command:
    """Return the command in a message.

    Raises:
        NotUnderstood: The class says what is wrong, its facts what was typed.
    """
    message = clean(text, limit=MAX_TEXT_CHARS)
    if message[:1] in ("/", "／"):
        return _parse_slash_command(message)
    # What ``normalize`` makes shorter has accents, as no such word has.
    if len(message) <= _LONGEST_BARE:
        word = normalize(message)
        if entry := _ALONE.get(word):
            return _MAKERS[entry.command_type]("")
        if slashed := _SLASHED_WORDS.get(word):
            raise SlashNeeded(text=message, command=slashed)
    worded = _WORDED.fullmatch(message)
    command = _parse_worded_command(worded["word"], worded["rest"]) if worded else None
    if command or (written_codes(message) and (command := code_in(message))):
        return command
    found = scan(message)
    if found.prompt and not (found.flags or found.tags):
        return Draw(found.prompt)
    return read_drawing(found)


def parse_about(text: str, job_id: str, index: int | None) -> Command:
    """Return the command in a reply to a picture; without a job of its own, it is about that picture.

    Args:
        text: The reply.
        job_id: The job of the picture.
        index: Which picture of the job, from 0; None for all.

    Raises:
        NotUnderstood: As for ``parse``.
    """
    message = clean(text, limit=MAX_TEXT_CHARS)
    slashed = _SLASHED.match(message)
    word, rest = (slashed["word"], slashed["rest"].strip()) if slashed else (message[: _LONGEST_BARE + 1], "")
    entry = (_NAMED if slashed else _ALONE).get(normalize(word))
    if entry is None or entry.command_type not in ABOUT_JOBS:
        return parse(text)
    return _MAKERS[entry.command_type](with_job(entry.command_type, rest, job_id, index))


def parse_reply(text: str, base: Draw) -> Command:
    """Return the command in a reply to a picture: for a drawing, ``base`` with what the text says instead.

    Raises:
        NotUnderstood: As for ``parse``.
    """
    message = clean(text, limit=MAX_TEXT_CHARS)
    try:
        command = parse(text)
    except EmptyPrompt:
        slashed = _SLASHED.match(message)
        entry = _NAMED.get(normalize(slashed["word"])) if slashed else None
        if entry is not None and entry.command_type is not Draw:  # /compare or /draft
            raise
        command = base
    if not isinstance(command, Draw):
        return command
    return change_drawing(base, scan(_drawn_text(message)))


def _drawn_text(message: str) -> str:
    """Return the text of a drawing without the command before it."""
    if found := _SLASHED.match(message):
        word = found["word"]
        if _NAMED.get(normalize(word)):
            return found["rest"].strip()
        prefix = next(each for each in _DRAW_WORDS if word.startswith(each))
        return message[1 + len(prefix) :].strip()
    worded = _WORDED.fullmatch(message)
    entry = _BARE.get(normalize(worded["word"])) if worded else None
    return worded["rest"] if worded and entry and entry.command_type is Draw else message


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
_ALONE = _BARE | {
    word: entry
    for entry in COMMANDS
    if entry.is_understood_bare
    for word in map(normalize, _in_both_scripts(entry.word))
}
"""What a whole message may be without a slash."""
_SLASHED_WORDS = {
    word: entry.slashed_word
    for entry in COMMANDS
    if not entry.is_understood_bare
    for word in map(normalize, _in_both_scripts(entry.word))
    if word not in _ALONE
}
"""What is no prompt as a whole message, and which command it names."""
_LONGEST_BARE = max(map(len, (*_ALONE, *_SLASHED_WORDS)))
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
            return _MAKERS[Draw](message[1 + len(prefix) :].strip())
    raise _unknown_command(found["word"])


def _parse_worded_command(word: str, rest: str) -> Command | None:
    """Return the command of a Chinese word without a slash, with its text; None for prose.

    Raises:
        SlashNeeded: A command that needs its slash, with a value or two.
    """
    name = normalize(word)
    entry = _BARE.get(name)
    if entry is None and name in _ALONE and _JOB_AND_PICTURE.fullmatch(rest):
        entry = _ALONE[name]
    if entry is None and name in _SLASHED_WORDS and _VALUES.fullmatch(rest):
        raise SlashNeeded(text=f"{word} {rest}", command=f"{_SLASHED_WORDS[name]} {rest}")
    if entry is None or entry.command_type not in _WITH_TEXT:
        return None
    if entry.command_type is Cancel and not _JOB_ID.fullmatch(rest):
        return None  # “取消 …” with more than a job id is prose
    if entry.command_type in (EditSettings, EditProfile) and rest[:1] not in "-－—–" and not is_reset(rest):
        return None  # “设置 …” of something else is prose
    if entry.command_type is Link and not is_link_code(rest):
        return None  # “关联 …” with more than a code is prose
    if is_prose(entry.command_type, word, rest) or not is_meant(entry.command_type, rest):
        return None
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


def with_file(command: Command, file: SentFile | None) -> Command:
    """Return the command with the file that was sent with it: ``/lora add`` without a link, or ``/info``."""
    if file is None:
        return command
    if isinstance(command, ReadSettings) or (isinstance(command, LoraAdd) and not command.link):
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
    Draw: lambda rest: drawn_code(rest) or read_drawing(scan(rest)),
    **ASKING_MAKERS,
    **LORA_MAKERS,
    **FINDING_MAKERS,
    Quota: lambda rest: Quota(),
    **JOB_MAKERS,
    Compare: compare_text,
    Draft: lambda rest: Draft(read_drawing(scan(rest, DRAFT_OPTIONS))),
    Adopt: adopt_text,
    Link: lambda rest: Link(link_code_of(rest)[:MAX_WORD_CHARS]),
    Unlink: lambda rest: Unlink(),
    ClaimBot: lambda rest: ClaimBot(link_code_of(rest)[:MAX_WORD_CHARS]),
    ShowCard: lambda rest: ShowCard(),
    **HOSTING_MAKERS,
    Help: start_of,
}
