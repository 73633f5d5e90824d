"""The commands of hosts about people and the queue, and ``/status`` for everybody."""

from bot.commands.table.entry import CommandEntry, Option, OptionKind, Right
from bot.commands.values import DrainQueue, PauseDrawing, ResumeDrawing, ShowStatus

_REASON = Option(
    "reason", "原因", OptionKind.TEXT, "What people read about it", example="a new card", positional=True
)

STATUS = CommandEntry(
    "status",
    "状态",
    ("状态", "排队"),
    "Show the card, the queue and your jobs",
    "/status",
    ShowStatus,
)

HOSTING_COMMANDS: tuple[CommandEntry, ...] = (
    CommandEntry(
        "pause",
        "暂停",
        ("暂停画图",),
        "Draw nothing for now; jobs are accepted and wait",
        "/pause a new card",
        PauseDrawing,
        (_REASON,),
        right=Right.HOST,
    ),
    CommandEntry(
        "drain",
        "收尾",
        ("排空队列",),
        "Draw what waits, and refuse new requests",
        "/drain a new card",
        DrainQueue,
        (_REASON,),
        right=Right.HOST,
    ),
    CommandEntry(
        "resume",
        "恢复",
        ("恢复画图",),
        "Draw and take requests again",
        "/resume",
        ResumeDrawing,
        right=Right.HOST,
    ),
)
