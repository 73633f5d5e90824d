"""The commands of hosts about people and the queue; ``/status`` and ``/give`` for everybody."""

from bot.commands.reading import MAX_PAGE
from bot.commands.table.entry import CommandEntry, Option, OptionKind, Right
from bot.commands.values import (
    AllowAccess,
    BanPerson,
    Diagnose,
    DisallowAccess,
    DrainQueue,
    GiveCredits,
    GrantCredits,
    ListHostActions,
    ListPeople,
    PauseDrawing,
    ResumeDrawing,
    ShowQueue,
    ShowStatistics,
    ShowStatus,
    UnbanPerson,
)

_REASON = Option(
    "reason", "原因", OptionKind.TEXT, "What people read about it", example="a new card", positional=True
)


def _person(*, required: bool = False) -> Option:
    about = "A mention, an id, the id of a job, or a name"
    return Option(
        "person", "人", OptionKind.TEXT, about, example="discord:1234", required=required, positional=True
    )


def _subject(*, required: bool = False) -> Option:
    about = "here, a mention, or an id, like discord:1234"
    return Option(
        "subject", "对象", OptionKind.TEXT, about, example="here", required=required, positional=True
    )


BAN_OPTIONS = (
    _person(),
    Option("duration", "时长", OptionKind.TEXT, "How long, like 12h, 7d or 2w", example="7d"),
    Option(
        "reason", "原因", OptionKind.TEXT, "What people read about it", example="a new card", takes_rest=True
    ),
)

MAX_GRANT, MAX_GRANT_DAYS = 100_000, 3_650
MAX_STATISTICS_DAYS = 90

GRANT_OPTIONS = (
    _person(required=True),
    Option(
        "credits",
        "额度",
        OptionKind.INTEGER,
        "How many; below zero takes them",
        example="50",
        required=True,
        least=-MAX_GRANT,
        most=MAX_GRANT,
    ),
    Option(
        "days",
        "天数",
        OptionKind.INTEGER,
        "So many each day, for how many days; 0 ends that",
        example="30",
        least=0,
        most=MAX_GRANT_DAYS,
    ),
)

GIVE = CommandEntry(
    "give",
    "转赠",
    ("转赠额度",),
    "Give another person credits that were granted to you",
    "/give discord:1234 5",
    GiveCredits,
    (
        Option(
            "person",
            "人",
            OptionKind.TEXT,
            "A mention, an id or a name",
            example="discord:1234",
            required=True,
            positional=True,
        ),
        Option(
            "credits",
            "额度",
            OptionKind.INTEGER,
            "How many",
            example="5",
            required=True,
            least=1,
            most=MAX_GRANT,
        ),
    ),
)
STATUS = CommandEntry(
    "status",
    "状态",
    ("状态", "排队"),
    "Show the card, the queue and your jobs",
    "/status",
    ShowStatus,
)


def _page(about: str) -> Option:
    return Option(
        "page", "页", OptionKind.INTEGER, about, example="2", flags=("p", "页码"), least=1, most=MAX_PAGE
    )


PEOPLE_OPTIONS = (
    Option("search", "搜索", OptionKind.TEXT, "A part of a name or an id", example="ann", positional=True),
    _page("Which page; each has 20 people"),
)
QUEUE_OPTIONS = (_page("Which page; each has 12 jobs"),)
AUDIT_OPTIONS = (_page("Which page; each has 20 lines"),)

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
    CommandEntry(
        "queue",
        "队列",
        ("查看队列",),
        "Show who waits for which job",
        "/queue",
        ShowQueue,
        QUEUE_OPTIONS,
        right=Right.HOST,
    ),
    CommandEntry(
        "stats",
        "统计",
        ("统计数据",),
        "Show pictures, people, waits, failures and LoRAs of the last days",
        "/stats 7",
        ShowStatistics,
        (
            Option(
                "days",
                "天数",
                OptionKind.INTEGER,
                "Of how many days; default: one",
                example="7",
                positional=True,
                least=1,
                most=MAX_STATISTICS_DAYS,
            ),
        ),
        right=Right.HOST,
    ),
    CommandEntry(
        "doctor",
        "体检",
        ("自检",),
        "Check the set-up and name faults and what to do",
        "/doctor",
        Diagnose,
        right=Right.HOST,
    ),
    CommandEntry(
        "ban",
        "封禁",
        ("封禁名单",),
        "Exclude a person, for a time or for good; alone: show who is",
        "/ban discord:1234 7d",
        BanPerson,
        BAN_OPTIONS,
        right=Right.HOST,
    ),
    CommandEntry(
        "unban",
        "解封",
        ("解除封禁",),
        "Let a person use me again",
        "/unban discord:1234",
        UnbanPerson,
        (_person(required=True),),
        right=Right.HOST,
    ),
    CommandEntry(
        "grant",
        "赠送",
        ("赠送额度",),
        "Give a person credits, at once or each day; or take them",
        "/grant discord:1234 50",
        GrantCredits,
        GRANT_OPTIONS,
        right=Right.HOST,
    ),
    CommandEntry(
        "allow",
        "开放",
        ("开放名单",),
        "Let me serve a chat, a server or a person; alone: show which",
        "/allow here",
        AllowAccess,
        (_subject(),),
        right=Right.HOST,
    ),
    CommandEntry(
        "disallow",
        "停止开放",
        ("不再开放",),
        "Let me no longer serve a chat, a server or a person",
        "/disallow discord:1234",
        DisallowAccess,
        (_subject(required=True),),
        right=Right.HOST,
    ),
    CommandEntry(
        "people",
        "用户",
        ("用户列表",),
        "Show people, their credits and their jobs",
        "/people",
        ListPeople,
        PEOPLE_OPTIONS,
        right=Right.HOST,
    ),
    CommandEntry(
        "audit",
        "管理记录",
        ("操作记录",),
        "Show what hosts did",
        "/audit",
        ListHostActions,
        AUDIT_OPTIONS,
        right=Right.HOST,
    ),
)
