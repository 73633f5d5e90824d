"""What the operator may do on the tab: each action is a command of the chats, made from the same options."""

from collections.abc import Callable, Mapping
from typing import Annotated

from pydantic import AfterValidator, Field

from bot.chats.web.request_bodies import StrictBody, replace_control_characters
from bot.commands.makers.hosting import HOSTING_MENUS
from bot.commands.values import Cancel, Command, DrainQueue, PauseDrawing, ResumeDrawing

MAX_SUBJECT_CHARS = 64
MAX_REASON_CHARS = 200

_Text = AfterValidator(replace_control_characters)


class ActionBody(StrictBody):
    """One action; which of the other fields count depends on it.

    Attributes:
        do: The name of the action.
        subject: A job or a person.
        reason: What people read about it.
    """

    do: Annotated[str, Field(max_length=20)]
    subject: Annotated[str, Field(max_length=MAX_SUBJECT_CHARS), _Text] = ""
    reason: Annotated[str, Field(max_length=MAX_REASON_CHARS), _Text] = ""


_MAKERS: Mapping[str, Callable[[ActionBody], Command]] = {
    "cancel": lambda body: Cancel(body.subject),
    "pause": lambda body: HOSTING_MENUS[PauseDrawing]({"reason": body.reason}),
    "drain": lambda body: HOSTING_MENUS[DrainQueue]({"reason": body.reason}),
    "resume": lambda _: ResumeDrawing(),
}


def command_of(body: ActionBody) -> Command | None:
    """Return the command of an action; None for an unknown one.

    Raises:
        NotUnderstood: A value is not valid, as in a chat.
    """
    make = _MAKERS.get(body.do)
    return make(body) if make else None
