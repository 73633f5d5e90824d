"""The table of commands: the source of platform menus, help, grammar and tests.

``about`` texts are msgids: English here, other languages in ``bot/messages``.

* ``entry``     one row: names, options, rights
* ``asking``    settings and presets of a person
* ``drawing``   the options of ``/sugar``
* ``sheets``    the commands of sheets
* ``loras``     the commands of the shelf
* ``jobs``      the commands that continue from a job
* ``hosting``   the commands of hosts about people and the queue
* ``finding``   the commands that find pictures and settings again
* ``commands``  every row, and Telegram's menu
"""

from bot.commands.table.commands import (
    COMMANDS,
    ENTRY_OF,
    telegram_menu,
)
from bot.commands.table.drawing import (
    SUGAR_OPTIONS,
    UNSUPPORTED,
)
from bot.commands.table.entry import (
    CHATS,
    FACE_SLOTS,
    OFF,
    CommandEntry,
    Option,
    OptionChoice,
    OptionKind,
    Right,
    StandaloneName,
)

__all__ = [
    "CHATS",
    "COMMANDS",
    "ENTRY_OF",
    "FACE_SLOTS",
    "OFF",
    "SUGAR_OPTIONS",
    "UNSUPPORTED",
    "CommandEntry",
    "Option",
    "OptionChoice",
    "OptionKind",
    "Right",
    "StandaloneName",
    "telegram_menu",
]
