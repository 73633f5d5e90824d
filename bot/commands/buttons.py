"""The data of a button: version, action and what it is about, so that buttons work after a restart.

``v2:<action>:<job>`` or, for one picture of a job, ``v2:<action>:<job>:<index>``: at most 64 bytes, which is
Telegram's limit for ``callback_data`` (Discord's ``custom_id`` takes 100). Instead of a job it may be about a
LoRA, a recipe code, the words of a search, or the queue; the index of the last two is the page. Buttons of
version 1 are in old messages and are read for ever; they are not made any more.
"""

import base64
import re
from dataclasses import fields
from typing import Any

from bot.commands.values import (
    Adopt,
    Cancel,
    Command,
    Delete,
    Draw,
    DrawRecipe,
    Edit,
    Enlarge,
    Favourite,
    LoraInfo,
    LoraList,
    LoraRevoke,
    LoraSwitch,
    LoraWish,
    Mine,
    Original,
    Pick,
    Publish,
    Repeat,
    Report,
    Reroll,
    Scope,
    ShowQueue,
    Vary,
)
from bot.errors import OldButton

MAX_DATA_BYTES = 64
HASH_CHARS = 40
MAX_SEARCH_BYTES = 36
"""Of the words of a search that a button holds: twelve Chinese characters."""

ButtonCommand = (
    Cancel
    | Adopt
    | Reroll
    | Repeat
    | Vary
    | Enlarge
    | Pick
    | Edit
    | Original
    | Publish
    | Delete
    | Report
    | LoraInfo
    | LoraList
    | LoraRevoke
    | LoraSwitch
    | Draw
    | Favourite
    | DrawRecipe
    | Mine
    | ShowQueue
)
"""The commands that buttons give; a LoRA is named by ``#`` and the start of its file's sha256."""

EXAMPLE_PROMPT = "a girl, 一个女孩, portrait"
"""What a button draws with a LoRA; the person may edit it then."""

_NOTHING = "-"
_V1 = re.compile(r"v1:(?P<action>[crow]):(?P<about>[A-Za-z0-9_-]{1,40})")
_V1_ACTIONS = {"c": "cancel", "r": "reroll", "o": "original", "w": "revoke"}
_V2 = re.compile(
    r"v2:(?P<action>[a-z-]{1,16}):(?P<about>[A-Za-z0-9_-]{1,48})(?::(?P<index>0|[1-9]\d{0,2}))?", re.A
)

_ACTIONS: dict[str, tuple[type[Any], dict[str, object]]] = {
    "cancel": (Cancel, {"page": None}),
    "queue-cancel": (Cancel, {}),
    "reroll": (Reroll, {}),
    "repeat": (Repeat, {}),
    "vary": (Vary, {"strong": False}),
    "vary-strong": (Vary, {"strong": True}),
    "larger": (Enlarge, {}),
    "pick": (Pick, {}),
    "adopt": (Adopt, {}),
    "edit": (Edit, {}),
    "original": (Original, {}),
    "publish": (Publish, {}),
    "delete": (Delete, {}),
    "report": (Report, {}),
    "revoke": (LoraRevoke, {}),
    "lora": (LoraInfo, {}),
    "loras": (LoraList, {}),
    "default": (LoraSwitch, {"scope": Scope.CHAT}),
    "example": (Draw, {"prompt": EXAMPLE_PROMPT}),
    "star": (Favourite, {"on": True}),
    "unstar": (Favourite, {"on": False}),
    "draw": (DrawRecipe, {}),
    "mine": (Mine, {"favourites": False}),
    "starred": (Mine, {"favourites": True}),
    "queue": (ShowQueue, {}),
}
"""Action → the class of its command, and the fields that the action means. The others are the job and, if the
class has one, the index."""

_PAGED = ("mine", "starred", "loras", "queue", "queue-cancel")
"""Actions whose index is a page."""


def data_of(command: ButtonCommand) -> str:
    """Return the data of a button that gives this command, such as ``v2:cancel:<job_id>``.

    Raises:
        ValueError: The job id has a length or characters that a button cannot hold: a bug.
    """
    about, index = _about(command), getattr(command, "index", None)
    if isinstance(command, Mine | LoraList | ShowQueue | Cancel):
        index = command.page
    action = next(
        name
        for name, (kind, fixed) in _ACTIONS.items()
        if type(command) is kind and all(getattr(command, key) == value for key, value in fixed.items())
    )
    data = f"v2:{action}:{about}" + ("" if index is None else f":{index}")
    found = _V2.fullmatch(data)
    if found is None or found["about"] != about or len(data) > MAX_DATA_BYTES:
        raise ValueError(f"a button cannot hold {data!r}")
    return data


def _about(command: ButtonCommand) -> str:
    match command:
        case (
            LoraRevoke(lora=lora)
            | LoraInfo(name=lora)
            | LoraSwitch(lora=LoraWish(name=lora))
            | Draw(loras=(LoraWish(name=lora),))
        ):
            return lora.removeprefix("#")[:HASH_CHARS]
        case Draw():
            raise ValueError("a button draws an example with one LoRA alone")
        case DrawRecipe(code=code):
            return code
        case Mine(search=search) | LoraList(search=search):
            return base64.urlsafe_b64encode(search.encode()).decode().rstrip("=") or _NOTHING
        case ShowQueue():
            return _NOTHING
        case _:
            return command.job_id


def press_of(data: str) -> Command:
    """Return the command of a pressed button.

    Raises:
        OldButton: The data is from another version, or not ours.
    """
    if (first := _V1.fullmatch(data)) is not None:
        action, about, index = _V1_ACTIONS[first["action"]], first["about"], None
    elif (press := _V2.fullmatch(data)) is not None and press["action"] in _ACTIONS:
        action, about, index = press["action"], press["about"], press["index"]
    else:
        raise OldButton(text=data[:MAX_DATA_BYTES], nearest=())
    kind, fixed = _ACTIONS[action]
    if index is not None and int(index) and (turned := _page_of(action, about, int(index), data)):
        return turned
    needs_index = _has_index(kind) and kind is not Favourite
    if (needs_index and index is None) or (index is not None and not _has_index(kind)) or action in _PAGED:
        raise OldButton(text=data[:MAX_DATA_BYTES], nearest=())
    values = {} if index is None else {"index": int(index)}
    match action:
        case "example":
            return Draw(EXAMPLE_PROMPT, loras=(LoraWish(f"#{about}"),))
        case "default":
            return LoraSwitch(LoraWish(f"#{about}"))
    command: Command = kind(f"#{about}" if kind in (LoraRevoke, LoraInfo) else about, **values, **fixed)
    return command


def _page_of(action: str, about: str, page: int, data: str) -> Command | None:
    """Return the command of a button that belongs to a page of a list; None for other buttons."""
    match action:
        case "mine" | "starred":
            return Mine(_search_of(about, data), page, action == "starred")
        case "loras":
            return LoraList(_search_of(about, data), page)
        case "queue":
            return ShowQueue(page)
        case "queue-cancel":
            return Cancel(about, page)
    return None


def _search_of(about: str, data: str) -> str:
    """Decode the words of a search.

    Raises:
        OldButton: They are not ours.
    """
    if about == _NOTHING:
        return ""
    try:
        return base64.urlsafe_b64decode(about + "=" * (-len(about) % 4)).decode()
    except ValueError:
        raise OldButton(text=data[:MAX_DATA_BYTES], nearest=()) from None


def _has_index(kind: type[Any]) -> bool:
    return any(each.name == "index" for each in fields(kind))
