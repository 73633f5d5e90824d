"""The data of a button: version, action and what it is about, so that buttons work after a restart.

At most 64 bytes, which is Telegram's limit for ``callback_data`` (Discord's ``custom_id`` takes 100).
"""

import re

from bot.commands.values import Cancel, Command, LoraRevoke, Original, Reroll
from bot.errors import OldButton

MAX_DATA_BYTES = 64
PRESS = re.compile(r"v1:(?P<action>[crow]):(?P<about>[A-Za-z0-9_-]{1,40})")
"""Public: discord.py finds a button's class by a pattern of its ``custom_id``."""

ButtonCommand = Cancel | Reroll | Original | LoraRevoke
"""The commands that buttons give; a LoRA is named by ``#`` and the start of its file's sha256."""

HASH_CHARS = 40
_ACTIONS: dict[str, type[Cancel | Reroll | Original]] = {"c": Cancel, "r": Reroll, "o": Original}
_LETTERS = {kind: letter for letter, kind in _ACTIONS.items()}


def data_of(command: ButtonCommand) -> str:
    """Return the data of a button that gives this command, such as ``v1:c:<job_id>``.

    Raises:
        ValueError: The job id has a length or characters that a button cannot hold: a bug.
    """
    if isinstance(command, LoraRevoke):
        data = f"v1:w:{command.lora.removeprefix('#')[:HASH_CHARS]}"
    else:
        data = f"v1:{_LETTERS[type(command)]}:{command.job_id}"
    if not PRESS.fullmatch(data):
        raise ValueError(f"a button cannot hold {data!r}")
    return data


def press_of(data: str) -> Command:
    """Return the command of a pressed button.

    Raises:
        OldButton: The data is from another version, or not ours.
    """
    press = PRESS.fullmatch(data)
    if press is None:
        raise OldButton(text=data[:MAX_DATA_BYTES], nearest=())
    if press["action"] == "w":
        return LoraRevoke(f"#{press['about']}")
    return _ACTIONS[press["action"]](press["about"])
