"""The commands, as frozen values that know no platform.

* ``drawing``    what a person asks to be drawn
* ``jobs``       about a job that exists
* ``iterating``  what continues from a job
* ``finding``    pictures and settings from before
* ``people``     credits, linked chats, help; the card, for hosts
* ``loras``      about the shelf
* ``asking``     settings and presets of a person
* ``hosting``    what hosts ask about people and the queue
* ``sheets``     several small pictures to choose from
"""

from bot.commands.values.asking import (
    PROFILE,
    SETTINGS,
    ChatProfile,
    EditPresets,
    EditProfile,
    EditSettings,
    PersonSettings,
)
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
from bot.commands.values.finding import DrawRecipe, Export, Favourite, Mine, ReadSettings, ShowRecipe
from bot.commands.values.hosting import (
    AllowAccess,
    BanPerson,
    Diagnose,
    DisallowAccess,
    DrainQueue,
    GrantCredits,
    HostingCommand,
    ListHostActions,
    ListPeople,
    PauseDrawing,
    ResumeDrawing,
    ShowQueue,
    ShowStatistics,
    ShowStatus,
    UnbanPerson,
)
from bot.commands.values.iterating import (
    Delete,
    Edit,
    Enlarge,
    ListReports,
    Pick,
    Publish,
    Repeat,
    Report,
    Vary,
)
from bot.commands.values.jobs import Cancel, Original, Reroll
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
from bot.commands.values.people import ClaimBot, GiveCredits, Help, Link, Quota, ShowCard, Unlink
from bot.commands.values.sheets import DRAFTS, MAX_CELLS, Adopt, Compare, Draft

IterateCommand = (
    Reroll | Repeat | Vary | Enlarge | Pick | Edit | Original | Publish | Delete | Report | ListReports
)
FindingCommand = Mine | Favourite | ShowRecipe | DrawRecipe | ReadSettings | Export
PersonCommand = EditSettings | EditPresets | EditProfile | Quota | GiveCredits | Link | Unlink | ClaimBot

SheetCommand = Compare | Draft | Adopt

HostCommand = LoraCommand | HostingCommand | ShowCard

Command = Draw | SheetCommand | PersonCommand | IterateCommand | FindingCommand | Cancel | HostCommand | Help

LONG_COMMANDS = (
    LoraInfo,
    LoraSwitch,
    LoraAdd,
    LoraRemove,
    LoraCheck,
    LoraReload,
    ReadSettings,
    Export,
    Diagnose,
)
"""Commands that may draw or download before they answer: seconds to minutes."""

__all__ = [
    "DRAFTS",
    "LONG_COMMANDS",
    "MAX_CELLS",
    "MAX_COUNT",
    "MAX_TOTAL_WEIGHT",
    "MAX_WEIGHT",
    "PROFILE",
    "SETTINGS",
    "Adopt",
    "AllowAccess",
    "BanPerson",
    "Cancel",
    "ChatProfile",
    "ClaimBot",
    "Command",
    "Compare",
    "Delete",
    "Diagnose",
    "DisallowAccess",
    "Draft",
    "DrainQueue",
    "Draw",
    "DrawRecipe",
    "Edit",
    "EditPresets",
    "EditProfile",
    "EditSettings",
    "Enlarge",
    "Export",
    "Face",
    "Favourite",
    "FindingCommand",
    "GiveCredits",
    "GrantCredits",
    "Help",
    "HostingCommand",
    "IterateCommand",
    "Link",
    "ListHostActions",
    "ListPeople",
    "ListReports",
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
    "PauseDrawing",
    "PersonCommand",
    "PersonSettings",
    "Pick",
    "PixelSize",
    "Publish",
    "Quota",
    "Ratio",
    "ReadFile",
    "ReadSettings",
    "Repeat",
    "Report",
    "Reroll",
    "ResumeDrawing",
    "Scope",
    "SentFile",
    "SheetCommand",
    "ShowCard",
    "ShowQueue",
    "ShowRecipe",
    "ShowStatistics",
    "ShowStatus",
    "Size",
    "UnbanPerson",
    "Unlink",
    "Vary",
]
