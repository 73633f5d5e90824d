"""What the operator may do on the tab: each action is a command of the chats, made from the same options."""

from collections.abc import Callable, Mapping
from typing import Annotated

from pydantic import AfterValidator, Field

from bot.chats.web.request_bodies import StrictBody, replace_control_characters
from bot.commands.makers.hosting import HOSTING_MENUS, ban_of, grant_of
from bot.commands.values import (
    Cancel,
    Command,
    DrainQueue,
    PauseDrawing,
    ResumeDrawing,
    UnbanPerson,
)

MAX_SUBJECT_CHARS = 64
MAX_REASON_CHARS = 200
MAX_NUMBER_CHARS = 20

_Text = AfterValidator(replace_control_characters)


class ActionBody(StrictBody):
    """One action; which of the other fields count depends on it.

    Attributes:
        do: The name of the action.
        subject: A job or a person.
        credits: How many, as people type them.
        days: For how many days so many each day; empty for once.
        duration: How long, as people type it; empty for without an end.
        reason: What people read about it.
    """

    do: Annotated[str, Field(max_length=20)]
    subject: Annotated[str, Field(max_length=MAX_SUBJECT_CHARS), _Text] = ""
    credits: Annotated[str, Field(max_length=MAX_NUMBER_CHARS), _Text] = ""
    days: Annotated[str, Field(max_length=MAX_NUMBER_CHARS), _Text] = ""
    duration: Annotated[str, Field(max_length=MAX_NUMBER_CHARS), _Text] = ""
    reason: Annotated[str, Field(max_length=MAX_REASON_CHARS), _Text] = ""


def _options(body: ActionBody, *names: str) -> dict[str, str]:
    """Return the values that were given, by the names of the command's options."""
    given = {
        "person": body.subject,
        "credits": body.credits,
        "days": body.days,
        "duration": body.duration,
        "reason": body.reason,
    }
    return {name: given[name] for name in names if given[name]}


_MAKERS: Mapping[str, Callable[[ActionBody], Command]] = {
    "cancel": lambda body: Cancel(body.subject),
    "pause": lambda body: HOSTING_MENUS[PauseDrawing]({"reason": body.reason}),
    "drain": lambda body: HOSTING_MENUS[DrainQueue]({"reason": body.reason}),
    "resume": lambda _: ResumeDrawing(),
    "ban": lambda body: ban_of(options=_options(body, "person", "duration", "reason")),
    "grant": lambda body: grant_of(options=_options(body, "person", "credits", "days")),
    "unban": lambda body: HOSTING_MENUS[UnbanPerson]({"person": body.subject}),
}


def command_of(body: ActionBody) -> Command | None:
    """Return the command of an action; None for an unknown one.

    Raises:
        NotUnderstood: A value is not valid, as in a chat.
    """
    make = _MAKERS.get(body.do)
    return make(body) if make else None
