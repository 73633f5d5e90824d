"""The reference of the shell commands, from the help that they print."""

from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from bot.__main__ import app
from bot.messages import text
from tests.docs.markdown import code, plain, table

HEADS = {"en": ("command", "what it does"), "zh-CN": ("命令", "作用")}
OPTION_HEADS = {"en": ("option", "what it does"), "zh-CN": ("选项", "作用")}


def shell_part(locale: str) -> str:
    """Return a table of the commands, then the options of each."""
    commands = list(shell_commands())
    rows = [(code(usage_of(name, command)), plain(text(command.help, locale))) for name, command in commands]
    parts = [table(HEADS[locale], rows)]
    for name, command in commands:
        options = [(_names(each), plain(text(each.help, locale))) for each in command.params if each.help]
        if options:
            parts.append(f"#### {name}\n\n{table(OPTION_HEADS[locale], options)}")
    return "\n\n".join(parts)


def shell_commands(group: Any = None, path: str = "sugarbot") -> Iterator[tuple[str, Any]]:
    """Return each command with its full name; of a group, the commands within."""
    for name, command in (group or get_command(app)).commands.items():
        if getattr(command, "commands", None):
            yield from shell_commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def usage_of(name: str, command: Any) -> str:
    """Return a command with its arguments."""
    return " ".join([name, *(each.name.upper() for each in command.params if _is_argument(each))])


def _names(parameter: Any) -> str:
    return code(parameter.name.upper() if _is_argument(parameter) else ", ".join(parameter.opts))


def _is_argument(parameter: Any) -> bool:
    return bool(parameter.param_type_name == "argument")
