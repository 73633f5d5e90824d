"""Converts text and menu options to the commands of the shelf; errors as in ``grammar``."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from bot.commands import marks
from bot.commands.flags import scan
from bot.commands.reading import (
    DEFAULT_LORA,
    MAX_WORD_CHARS,
    OptionValue,
    as_typed,
    is_default,
    is_number,
    lora_of,
    page_of,
    weight_of,
    words_of,
)
from bot.commands.table import COMMANDS, ENTRY_OF, CommandEntry, Option, OptionKind
from bot.commands.text import clean
from bot.commands.values import (
    Command,
    LoraAdd,
    LoraAllow,
    LoraCheck,
    LoraInfo,
    LoraList,
    LoraReload,
    LoraRemove,
    LoraRevoke,
    LoraSwitch,
    Scope,
)
from bot.errors import MissingValue

MAX_NAME_CHARS = 255  # of a LoRA: a file name with its subfolder
_QUOTES = " '\"“”‘’「」"
_PAGE = re.compile(r"[0-9]{1,4}")


def switch_of(name: str, *, weight: OptionValue = None, where: str | None = None) -> LoraSwitch:
    """Return the ``/lora switch`` of menu options; ``where`` is a value of ``Scope``.

    Raises:
        NotUnderstood: The name is empty, or the weight is invalid.
    """
    wish = lora_of(as_typed(name))
    if is_default(wish.name):
        wish = replace(wish, name=DEFAULT_LORA)
    if typed := as_typed(weight):
        wish = replace(wish, weight=weight_of(typed))
    return LoraSwitch(wish, Scope(where) if where else Scope.CHAT)


def _options_in_text(options: Sequence[Option]) -> tuple[Option, ...]:
    """Return a command's options as flags; each choice is a switch."""
    flags = [option for option in options if option.kind is not OptionKind.CHOICE]
    for option in options:
        flags += [
            Option(choice.name, choice.word, OptionKind.SWITCH, option.about) for choice in option.choices
        ]
    return tuple(flags)


_LIST_FLAGS = tuple(each for each in ENTRY_OF[LoraList].options if not each.positional)
_SWITCH = next(entry for entry in COMMANDS if entry.command_type is LoraSwitch)
_SWITCH_FLAGS = _options_in_text(_SWITCH.options)
_WHERE = {choice.name: choice.value for option in _SWITCH.options for choice in option.choices}


def _take_quoted(rest: str) -> tuple[str, str]:
    """Return the name in quotes with which a text begins, which may hold anything, and the rest."""
    found = marks.QUOTED.match(rest)
    return (next(filter(None, found.groups()), ""), rest[found.end() :]) if found else ("", rest)


def _lora_switch(rest: str) -> LoraSwitch:
    quoted, rest = _take_quoted(rest)
    found = scan(rest, _SWITCH_FLAGS)
    name, weight = found.prompt, found.last("weight")
    if found.tags and not name:
        name = found.tags[-1]
    words = name.split()
    if weight is None and len(words) + bool(quoted) > 1 and is_number(words[-1]):
        name, weight = name.removesuffix(words[-1]).strip(), words[-1]
    name = f"{quoted} {name}".strip() if quoted else name
    if not name:
        raise MissingValue(flag=f"/{_SWITCH.name}", example=_SWITCH.usage)
    where = next(
        (_WHERE[flag.option.name] for flag in reversed(found.flags) if flag.option.name in _WHERE), None
    )
    return switch_of(name, weight=weight, where=where)


def consent_of(
    entry: CommandEntry, name: str, *, person: str | None = None, chat: str | None = None
) -> LoraAllow | LoraRevoke:
    """Return the ``/lora allow`` or ``/lora revoke`` of menu options.

    Raises:
        MissingValue: The name is empty.
    """
    typed = words_of(as_typed(name))
    if not typed:
        raise MissingValue(flag=f"/{entry.name}", example=entry.usage)
    kind = LoraAllow if entry.command_type is LoraAllow else LoraRevoke
    return kind(typed, as_typed(person), as_typed(chat))


def _consent(entry: CommandEntry, rest: str) -> LoraAllow | LoraRevoke:
    quoted, rest = _take_quoted(rest)
    found = scan(rest, _options_in_text(entry.options))
    return consent_of(entry, quoted or found.prompt, person=found.last("person"), chat=found.last("chat"))


def list_of(search: str = "", *, page: OptionValue = None) -> LoraList:
    """Return the ``/lora list`` of menu options; a number alone is a page.

    Raises:
        NotUnderstood: The page is not a number.
    """
    wanted, number = clean(search).strip(), as_typed(page)
    if not number and _PAGE.fullmatch(wanted):
        wanted, number = "", wanted
    return LoraList(wanted[:MAX_WORD_CHARS], page_of(number) if number else 1)


def _lora_list(rest: str) -> LoraList:
    found = scan(rest, _LIST_FLAGS)
    return list_of(found.prompt, page=found.last("page"))


def _lora_name(rest: str, command_type: type[Command]) -> str:
    """Return the name of a LoRA as typed, which may have spaces; quotes around it do not count."""
    quoted, _ = _take_quoted(rest)
    name = words_of(quoted or rest.strip(_QUOTES))
    if not name:
        entry = ENTRY_OF[command_type]
        raise MissingValue(flag=f"/{entry.name}", example=entry.usage)
    return name[:MAX_NAME_CHARS]


LORA_MAKERS: Mapping[type[Command], Callable[[str], Command]] = MappingProxyType(
    {
        LoraList: _lora_list,
        LoraInfo: lambda rest: LoraInfo(_lora_name(rest, LoraInfo)),
        LoraSwitch: _lora_switch,
        LoraAllow: lambda rest: _consent(ENTRY_OF[LoraAllow], rest),
        LoraRevoke: lambda rest: _consent(ENTRY_OF[LoraRevoke], rest),
        LoraAdd: lambda rest: LoraAdd(rest),
        LoraRemove: lambda rest: LoraRemove(_lora_name(rest, LoraRemove)),
        LoraCheck: lambda rest: LoraCheck(_lora_name(rest, LoraCheck)),
        LoraReload: lambda rest: LoraReload(),
    }
)
"""Makes each command of the shelf from the text behind its name."""
