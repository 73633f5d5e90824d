"""The commands that continue from a job. Buttons give them; typed, they are for chats without buttons."""

from bot.commands.table.entry import CommandEntry, Option, OptionKind, Right
from bot.commands.values import (
    Command,
    Delete,
    Edit,
    Enlarge,
    ListReports,
    Original,
    Pick,
    Publish,
    Repeat,
    Report,
    Reroll,
    Vary,
)

_JOB = Option(
    "job", "任务", OptionKind.TEXT, "Which job; default: your newest", example="k3f9", positional=True
)
_NAMED_JOB = Option(
    "job", "任务", OptionKind.TEXT, "Which job", example="k3f9", required=True, positional=True
)
_PICTURE = Option("picture", "图", OptionKind.INTEGER, "Which picture", example="2", positional=True)
_STRONG = Option("strong", "强", OptionKind.SWITCH, "Keep only the composition")
_TYPED_IN = ("web", "console")


def _entry(
    name: str, word: str, about: str, usage: str, kind: type[Command], *options: Option
) -> CommandEntry:
    return CommandEntry(name, word, (), about, usage, kind, options, menus=_TYPED_IN)


JOB_COMMANDS: tuple[CommandEntry, ...] = (
    _entry("again", "再画", "Draw a job again with a new seed", "/again", Reroll, _JOB),
    _entry("same", "同种子", "Draw a job again with the same seed", "/same", Repeat, _JOB),
    _entry(
        "vary",
        "变化",
        "Draw a picture like another",
        "/vary 2 --strong",
        Vary,
        _JOB,
        _PICTURE,
        _STRONG,
    ),
    _entry("larger", "放大", "Draw an earlier picture larger", "/larger 2", Enlarge, _JOB, _PICTURE),
    _entry("pick", "选", "Show one picture of a job alone", "/pick 2", Pick, _JOB, _PICTURE),
    _entry("edit", "编辑", "Show the text of a job, to change it", "/edit", Edit, _JOB),
    _entry("original", "原图", "Send a job's pictures as files", "/original", Original, _JOB),
    _entry(
        "publish",
        "公开",
        "Publish your private pictures",
        "/publish k3f9",
        Publish,
        _NAMED_JOB,
    ),
    _entry("delete", "删除", "Delete a job's pictures and text", "/delete k3f9", Delete, _NAMED_JOB),
    _entry(
        "report", "举报", "Report another person's pictures to the hosts", "/report k3f9", Report, _NAMED_JOB
    ),
    CommandEntry(
        "reports", "举报列表", (), "Show what people reported", "/reports", ListReports, right=Right.HOST
    ),
)
