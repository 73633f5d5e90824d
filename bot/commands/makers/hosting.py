"""What texts and menus of the commands of hosts ask for; errors as in ``grammar``."""

from collections.abc import Callable, Mapping
from typing import Any

from bot.commands.text import clean
from bot.commands.values import Command, DrainQueue, Help, PauseDrawing, ResumeDrawing, ShowStatus

MAX_REASON_CHARS = 200


def _reason(typed: str) -> str:
    return " ".join(clean(typed).split())[:MAX_REASON_CHARS]


HOSTING_MAKERS: dict[type[Command], Callable[[str], Command]] = {
    ShowStatus: lambda _: ShowStatus(),
    PauseDrawing: lambda rest: PauseDrawing(_reason(rest)),
    DrainQueue: lambda rest: DrainQueue(_reason(rest)),
    ResumeDrawing: lambda _: ResumeDrawing(),
}

HOSTING_MENUS: dict[type[Command], Callable[[Mapping[str, Any]], Command]] = {
    PauseDrawing: lambda options: PauseDrawing(_reason(options.get("reason", ""))),
    DrainQueue: lambda options: DrainQueue(_reason(options.get("reason", ""))),
    Help: lambda options: Help(for_hosts=bool(options.get("hosts"))),
}
"""The same for the options of a menu."""
