"""Every command, in the order of help."""

from bot.commands.table.asking import ASKING_COMMANDS
from bot.commands.table.drawing import SUGAR_OPTIONS
from bot.commands.table.entry import CommandEntry, Option, OptionKind, Right
from bot.commands.table.finding import FINDING_COMMANDS
from bot.commands.table.hosting import GIVE, HOSTING_COMMANDS, STATUS
from bot.commands.table.jobs import JOB_COMMANDS
from bot.commands.table.loras import LORA_COMMANDS
from bot.commands.table.sheets import SHEET_COMMANDS
from bot.commands.values import (
    Cancel,
    ClaimBot,
    Command,
    Draw,
    DrawRecipe,
    Help,
    Link,
    LoraAdd,
    LoraOffer,
    Quota,
    ShowCard,
    Unlink,
)

COMMANDS: tuple[CommandEntry, ...] = (
    CommandEntry(
        "sugar",
        "画图",
        ("画", "画图", "生成", "draw"),
        "Draw a face",
        "/sugar a girl, dewy skin, peach blush --lora sugar:0.8 --size 2:3",
        Draw,
        SUGAR_OPTIONS,
    ),
    *ASKING_COMMANDS,
    *SHEET_COMMANDS,
    *JOB_COMMANDS,
    *LORA_COMMANDS,
    *FINDING_COMMANDS,
    CommandEntry(
        "quota", "额度", ("额度", "我的额度", "余额"), "Show how many credits you have left", "/quota", Quota
    ),
    GIVE,
    CommandEntry(
        "cancel",
        "取消",
        ("取消", "取消任务"),
        "Stop a job and get its credits back",
        "/cancel",
        Cancel,
        (
            Option(
                "job",
                "任务",
                OptionKind.TEXT,
                "Which job; default: your newest",
                example="k3f9",
                positional=True,
            ),
        ),
    ),
    STATUS,
    CommandEntry(
        "link",
        "关联",
        ("关联", "绑定", "关联账号"),
        "Link this chat with your other chat",
        "/link",
        Link,
        (
            Option(
                "code",
                "关联码",
                OptionKind.TEXT,
                "The code from your other chat; leave it out to get one to type there",
                example="K3F9-7QXM",
                positional=True,
            ),
        ),
    ),
    CommandEntry(
        "unlink",
        "取消关联",
        ("取消关联", "解绑"),
        "Unlink this chat and start over here",
        "/unlink",
        Unlink,
    ),
    CommandEntry(
        "claim",
        "认领",
        (),
        "Become the host of this bot, with the code from its machine",
        "/claim K3F9-7QXM-2B4C",
        ClaimBot,
        (
            Option(
                "code",
                "认领码",
                OptionKind.TEXT,
                "The code that `sugarbot setup` showed on the bot's machine",
                example="K3F9-7QXM-2B4C",
                positional=True,
                required=True,
            ),
        ),
        right=Right.ANYONE,
        menus=("discord",),
    ),
    CommandEntry(
        "gpu",
        "显卡",
        ("显卡", "显存"),
        "Show the card: its last hour, the plan, recent errors",
        "/gpu",
        ShowCard,
        right=Right.HOST,
    ),
    *HOSTING_COMMANDS,
    CommandEntry(
        "help",
        "帮助",
        ("帮助", "怎么用", "start", "help"),
        "Show what I can do",
        "/help",
        Help,
        (Option("hosts", "管理", OptionKind.SWITCH, "Show the commands of hosts"),),
    ),
)

ENTRY_OF: dict[type[Command], CommandEntry] = {entry.command_type: entry for entry in COMMANDS}
"""The table row of each class of command."""
ENTRY_OF |= {DrawRecipe: ENTRY_OF[Draw]}  # a code in the place of a prompt
ENTRY_OF |= {LoraOffer: ENTRY_OF[LoraAdd]}  # a file without its command


PERSONAL: tuple[type[Command], ...] = (Link, Unlink)
"""Commands about a person's account, which nobody needs in a group."""


def telegram_menu(*, for_host: bool, in_group: bool = False) -> tuple[CommandEntry, ...]:
    """Return the rows of a Telegram menu: everyone's commands and, for a host, the hosts' commands."""
    in_menu = (
        entry
        for entry in COMMANDS
        if "telegram" in entry.menus and not (in_group and entry.command_type in PERSONAL)
    )
    return tuple(entry for entry in in_menu if for_host or entry.right is Right.EVERYONE)
