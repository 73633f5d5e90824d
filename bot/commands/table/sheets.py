"""The commands of sheets."""

from bot.commands.table.drawing import SUGAR_OPTIONS
from bot.commands.table.entry import CommandEntry, Option, OptionKind
from bot.commands.values import Adopt, Compare, Draft

_ALSO = {option.name: option for option in SUGAR_OPTIONS}

COMPARE_OPTIONS = (
    Option(
        "prompt",
        "描述",
        OptionKind.TEXT,
        "What to draw; several with | between them",
        example="a girl | a boy",
        positional=True,
        required=True,
    ),
    Option(
        "loras",
        "lora",
        OptionKind.LORA,
        "The LoRAs to compare, like sugar,anime,none",
        example="sugar,anime,none",
        flags=("lora", "风格"),
        is_list=True,
    ),
    Option(
        "weights",
        "权重",
        OptionKind.TEXT,
        "The strengths to compare, like 0.4,0.8,1.2",
        example="0.4,0.8,1.2",
        flags=("weight", "强度"),
        is_list=True,
    ),
    Option(
        "seeds",
        "种子",
        OptionKind.TEXT,
        "The seeds to compare, like 1,2,3",
        example="1,2,3",
        flags=("seed", "随机种子"),
        is_list=True,
    ),
    *(_ALSO[name] for name in ("size", "private", "spoiler", "dry", "again")),
)
DRAFT_OPTIONS = tuple(option for option in SUGAR_OPTIONS if option.name != "count")

SHEET_COMMANDS: tuple[CommandEntry, ...] = (
    CommandEntry(
        "compare",
        "对比",
        ("对比",),
        "Compare LoRAs, weights, seeds, prompts",
        "/compare a girl --loras sugar,none",
        Compare,
        COMPARE_OPTIONS,
    ),
    CommandEntry(
        "draft",
        "草稿",
        ("草稿",),
        "Draw four small drafts; choose one to draw it large",
        "/draft a girl, dewy skin",
        Draft,
        DRAFT_OPTIONS,
    ),
    CommandEntry(
        "adopt",
        "选用",
        ("选用",),
        "Draw a picture of a sheet large",
        "/adopt 2",
        Adopt,
        (
            Option(
                "job",
                "任务",
                OptionKind.TEXT,
                "Which sheet; default: your newest",
                example="k3f9",
                positional=True,
            ),
            Option(
                "picture",
                "图",
                OptionKind.INTEGER,
                "Which picture of the sheet",
                example="2",
                positional=True,
            ),
        ),
        menus=("web", "console"),  # the other chats have buttons
    ),
)
