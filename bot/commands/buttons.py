"""What a pressed button says: a version, an action and a job, so that buttons outlive every restart.

At most 64 bytes, which is Telegram's limit for ``callback_data`` (Discord's ``custom_id`` takes 100).
"""

import re

from bot.commands.values import Cancel, Command, Original, Reroll
from bot.errors import OldButton

MAX_DATA_BYTES = 64
PRESS = re.compile(r"v1:(?P<action>[cro]):(?P<job_id>[A-Za-z0-9_-]{1,40})")
"""Public, because discord.py finds a button's class by a pattern of its ``custom_id``."""


_ACTIONS: dict[str, type[Cancel | Reroll | Original]] = {"c": Cancel, "r": Reroll, "o": Original}
_LETTERS = {kind: letter for letter, kind in _ACTIONS.items()}


def data_of(command: Cancel | Reroll | Original) -> str:
    """The data of a button that gives this command, as in ``v1:c:<job_id>``.

    Raises:
        ValueError: The job id has characters or a length that no button can carry; a mistake of ours.
    """
    data = f"v1:{_LETTERS[type(command)]}:{command.job_id}"
    if not PRESS.fullmatch(data):
        raise ValueError(f"no button can carry the job id {command.job_id!r}")
    return data


def press_of(data: str) -> Command:
    """The command of a pressed button.

    Raises:
        OldButton: Made by another version, or not by us.
    """
    press = PRESS.fullmatch(data)
    if press is None:
        raise OldButton(text=data[:MAX_DATA_BYTES], nearest=())
    return _ACTIONS[press["action"]](press["job_id"])
