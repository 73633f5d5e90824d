"""The commands that continue from a job. Buttons give them; typed, they are for chats without buttons."""

from bot.commands.table.entry import CommandEntry, Option, OptionKind
from bot.commands.values import Edit, Original, Pick, Repeat, Reroll

_JOB = Option(
    "job", "任务", OptionKind.TEXT, "Which job; default: your newest", example="k3f9", positional=True
)
_PICTURE = Option(
    "picture", "图", OptionKind.INTEGER, "Which picture of the job", example="2", positional=True
)
_TYPED_IN = ("web", "console")

JOB_COMMANDS: tuple[CommandEntry, ...] = (
    CommandEntry(
        "again", "再画", (), "Draw a job again with a new seed", "/again", Reroll, (_JOB,), menus=_TYPED_IN
    ),
    CommandEntry(
        "same", "同种子", (), "Draw a job again with the same seed", "/same", Repeat, (_JOB,), menus=_TYPED_IN
    ),
    CommandEntry(
        "pick",
        "选",
        (),
        "Show one picture of a job alone",
        "/pick 2",
        Pick,
        (_JOB, _PICTURE),
        menus=_TYPED_IN,
    ),
    CommandEntry(
        "edit", "编辑", (), "Show the text of a job, to change it", "/edit", Edit, (_JOB,), menus=_TYPED_IN
    ),
    CommandEntry(
        "original",
        "原图",
        (),
        "Send a job's pictures as files",
        "/original",
        Original,
        (_JOB,),
        menus=_TYPED_IN,
    ),
)
