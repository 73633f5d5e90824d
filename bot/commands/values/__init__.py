"""The commands, as frozen values that know no platform.

* ``drawing``    what a person asks to be drawn
* ``jobs``       about a job that exists
* ``iterating``  what continues from a job
* ``people``     credits, linked chats, help; the card, for hosts
* ``loras``      about the shelf
"""

from bot.commands.values.drawing import (
    MAX_COUNT,
    MAX_TOTAL_WEIGHT,
    MAX_WEIGHT,
    Draw,
    Face,
    LoraWish,
    PixelSize,
    Ratio,
    Size,
)
from bot.commands.values.iterating import Edit, Pick, Repeat
from bot.commands.values.jobs import Cancel, Mine, Original, Reroll
from bot.commands.values.loras import (
    LoraAdd,
    LoraAllow,
    LoraCheck,
    LoraCommand,
    LoraInfo,
    LoraList,
    LoraOffer,
    LoraReload,
    LoraRemove,
    LoraRevoke,
    LoraSwitch,
    ReadFile,
    Scope,
    SentFile,
)
from bot.commands.values.people import Help, Link, Quota, ShowCard, Unlink

IterateCommand = Reroll | Repeat | Pick | Edit | Original

Command = Draw | IterateCommand | Cancel | Mine | Quota | Link | Unlink | LoraCommand | ShowCard | Help

LONG_COMMANDS = (LoraInfo, LoraSwitch, LoraAdd, LoraRemove, LoraCheck, LoraReload)
"""Commands that may draw or download before they answer: seconds to minutes."""

__all__ = [
    "LONG_COMMANDS",
    "MAX_COUNT",
    "MAX_TOTAL_WEIGHT",
    "MAX_WEIGHT",
    "Cancel",
    "Command",
    "Draw",
    "Edit",
    "Face",
    "Help",
    "IterateCommand",
    "Link",
    "LoraAdd",
    "LoraAllow",
    "LoraCheck",
    "LoraCommand",
    "LoraInfo",
    "LoraList",
    "LoraOffer",
    "LoraReload",
    "LoraRemove",
    "LoraRevoke",
    "LoraSwitch",
    "LoraWish",
    "Mine",
    "Original",
    "Pick",
    "PixelSize",
    "Quota",
    "Ratio",
    "ReadFile",
    "Repeat",
    "Reroll",
    "Scope",
    "SentFile",
    "ShowCard",
    "Size",
    "Unlink",
]
