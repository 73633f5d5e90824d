"""``--help`` and usage errors in the host's language.

Help texts in ``bot.__main__`` are msgids of the catalogue. This module replaces typer's own sentences, which
exist in English only.
"""

import difflib
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from bot.languages import LOCALES, is_chinese

USAGE_ERROR = 2
UsageError: type[Any] = typer.BadParameter.__mro__[1]  # typer does not export it
_NO_COMMAND = re.compile(r"No such command '(.*?)'")
_EXTRA = re.compile(r"Got unexpected extra argument\S* \((.*)\)", re.DOTALL)


class UsageRefusal(typer.BadParameter):
    """A command line that is refused with a sentence of the catalogue.

    Args:
        sentence: A msgid.
        facts: For the sentence.
    """

    def __init__(self, sentence: str, **facts: object) -> None:
        super().__init__(sentence)
        self.facts = facts


class UsageCommand(TyperCommand):
    """A command whose help is in the host's language."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help; typer calls it."""
        formatter.write(_help_text(self, ctx))


class UsageGroup(TyperGroup):
    """A group of commands whose help is in the host's language."""

    command_class = UsageCommand

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help; typer calls it."""
        formatter.write(_help_text(self, ctx))


def language_of_arguments(arguments: Sequence[str]) -> str:
    """The language for messages about a command line, before the settings are read."""
    from bot.settings import expected_language, settings_file

    config = None
    for position, word in enumerate(arguments):
        option, equals, value = word.partition("=")
        if not equals:
            value = "".join(arguments[position + 1 : position + 2])
        if option == "--language" and value in LOCALES:
            return value
        if option == "--config":
            config = value
    return expected_language(settings_file(Path(config) if config else None, os.environ), os.environ)


def explain_usage_error(error: Any, arguments: Sequence[str]) -> str:
    """Say what is wrong with a command line and how to see its help.

    Args:
        error: A ``UsageError``.
        arguments: The command line.
    """
    from bot.messages import N_, text
    from engine.formatting import printable

    if type(error).__name__ == "NoArgsIsHelpError":  # its message is the help itself
        return str(error.message).rstrip()
    locale = language_of_arguments(arguments)
    lines = [_describe(error, locale)]
    if error.ctx is not None:
        lines.append(text(N_("See: {example}"), locale, example=f"{error.ctx.command_path} --help"))
    return printable("\n".join(lines), is_one_line=False)


def _describe(error: Any, locale: str) -> str:
    from bot.messages import N_, text

    message = str(error.message)
    if isinstance(error, UsageRefusal):
        return text(message, locale, **error.facts)
    parameter = getattr(error, "param", None)
    hint = str(getattr(error, "param_hint", None) or "")
    name = hint if parameter is None else max([*parameter.opts, parameter.name], key=len)
    if found := _NO_COMMAND.match(message):
        sentence = text(N_("There is no command {name}."), locale, name=found[1])
        return sentence + _suggest(difflib.get_close_matches(found[1], error.ctx.command.commands), locale)
    if found := _EXTRA.match(message):
        return text(N_("Unexpected argument: {text}"), locale, text=found[1])
    match type(error).__name__:
        case "NoSuchOption":
            sentence = text(N_("There is no option {name}."), locale, name=error.option_name)
            return sentence + _suggest(sorted(error.possibilities or ()), locale)
        case "MissingParameter":
            return text(N_("{name} is missing."), locale, name=name.upper())
        case "BadParameter":
            return text(N_("The value of {name} is not valid."), locale, name=name)
        case "BadOptionUsage":
            return text(
                N_("{name} is used incorrectly; most options need a value."),
                locale,
                name=error.option_name,
            )
        case _:
            return text(N_("I don't understand this command line."), locale)


def _suggest(names: Sequence[str], locale: str) -> str:
    from bot.messages import N_, text

    if not names:
        return ""
    space = "" if is_chinese(locale) else " "
    return space + text(N_("Did you mean {nearest}?"), locale, nearest=tuple(names))


def _help_text(command: Any, ctx: Any) -> str:
    from bot.messages import N_, text

    locale = language_of_arguments(sys.argv[1:])
    usage = " ".join([ctx.command_path, *command.collect_usage_pieces(ctx)])
    parts = [text(N_("Usage: {usage}"), locale, usage=usage), _translated(command.help, locale)]
    parameters = command.get_params(ctx)
    arguments = [each for each in parameters if each.param_type_name == "argument"]
    options = [each for each in parameters if each.param_type_name == "option"]
    commands = getattr(command, "commands", {})
    for title, records in (
        (
            N_("Arguments:"),
            [(each.name.upper(), _describe_option(each, ctx, locale)) for each in arguments],
        ),
        (
            N_("Options:"),
            [(_option_names(each, ctx), _describe_option(each, ctx, locale)) for each in options],
        ),
        (N_("Commands:"), [(name, _translated(each.help, locale)) for name, each in commands.items()]),
    ):
        if records:
            parts.append("\n".join([text(title, locale), *_rows(records)]))
    if commands:
        codes = N_(
            "Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 130 and 143 ended by Ctrl-C and SIGTERM "
            "(run and demo: 0)."
        )
        parts.append(text(codes, locale))
    return "\n\n".join(parts) + "\n"


def _rows(records: Sequence[tuple[str, str]]) -> list[str]:
    width = max(len(name) for name, _ in records)
    return [f"  {name:{width}}  {description}".rstrip() for name, description in records]


def _option_names(option: Any, ctx: Any) -> str:
    record = option.get_help_record(ctx)
    return str(record[0]) if record else ", ".join(option.opts)


def _describe_option(parameter: Any, ctx: Any, locale: str) -> str:
    from bot.messages import N_, text

    description = _translated(N_("Show this help.") if "--help" in parameter.opts else parameter.help, locale)
    default = parameter.get_default(ctx)
    if default in (None, False, "") or parameter.required:
        return description
    return description + text(N_(" [default: {path}]"), locale, path=str(default))


def _translated(msgid: str | None, locale: str) -> str:
    from bot.messages import text

    return text(msgid, locale) if msgid else ""
