"""The options of ``/sugar``, and the options that this model does not have."""

from bot.commands.reading import ASPECTS
from bot.commands.table.entry import OFF, Option, OptionChoice, OptionKind
from bot.commands.values import MAX_COUNT, MAX_WEIGHT
from bot.errors import FixedSteps, NoGuidance, UnknownFlag
from engine.request import MAX_SEED

_LORA = Option(
    "lora",
    "lora",
    OptionKind.LORA,
    "The LoRA, like sugar or sugar:0.8",
    example="sugar:0.8",
    flags=("风格",),
)
WEIGHT = Option(
    "weight",
    "权重",
    OptionKind.NUMBER,
    "The strength of the LoRA; 1 is as trained",
    example="0.8",
    flags=("强度",),
    keyword=True,
    least=-MAX_WEIGHT,
    most=MAX_WEIGHT,
)

SUGAR_OPTIONS = (
    Option(
        "prompt",
        "描述",
        OptionKind.TEXT,
        "What to draw, in English or Chinese",
        example="a girl, dewy skin",
        positional=True,
    ),
    _LORA,
    WEIGHT,
    Option(
        "size",
        "尺寸",
        OptionKind.TEXT,
        "A shape like 2:3 or portrait, or pixels like 512x768",
        example="2:3",
        flags=("比例", "大小", "ratio", "ar", "aspect", "aspect-ratio"),
        keyword=True,
        named=tuple(OptionChoice(*aspect) for aspect in ASPECTS),
    ),
    Option(
        "seed",
        "种子",
        OptionKind.INTEGER,
        "The same seed draws the same picture",
        example="7",
        flags=("随机种子",),
        keyword=True,
        least=0,
        most=MAX_SEED,
    ),
    Option(
        "count",
        "张数",
        OptionKind.INTEGER,
        "How many pictures",
        example="4",
        flags=("n", "数量"),
        keyword=True,
        least=1,
        most=MAX_COUNT,
    ),
    Option(
        "private",
        "私密",
        OptionKind.SWITCH,
        "Only you see the answer, if the chat supports that",
        flags=("仅自己",),
        named=(OptionChoice(OFF, "public", "公开"), OptionChoice(OFF, "no-private", "不私密")),
    ),
    Option(
        "spoiler",
        "剧透",
        OptionKind.SWITCH,
        "The pictures are hidden until somebody opens them",
        flags=("遮挡",),
        named=(OptionChoice(OFF, "no-spoiler", "不剧透"), OptionChoice(OFF, "unhidden", "不遮挡")),
    ),
    Option(
        "surprise",
        "惊喜",
        OptionKind.SWITCH,
        "A face at random: every feature that you leave out",
        flags=("随机妆容",),
    ),
    Option(
        "no",
        "不要",
        OptionKind.TEXT,
        "What you don't want to see; this model can't use it",
        example="hat",
        flags=("neg", "negative", "negative-prompt", "负面提示词", "负面", "反向提示词", "反向"),
        typed_only=True,
        takes_rest=True,
    ),
    Option(
        "preset",
        "预设",
        OptionKind.TEXT,
        "Options that you have saved with /preset",
        example="cosy",
        flags=("自定义",),
    ),
    Option(
        "dry",
        "试算",
        OptionKind.SWITCH,
        "Only show the price, the wait and the final prompt",
        flags=("dry-run", "预览"),
    ),
    Option(
        "again",
        "再画",
        OptionKind.SWITCH,
        "Draw it even if you asked for the same a moment ago",
        flags=("重画",),
    ),
    Option(
        "skin",
        "肤质",
        OptionKind.TEXT,
        "The skin, like “dewy glass skin”",
        example="dewy skin",
        flags=("皮肤",),
    ),
    Option("blush", "腮红", OptionKind.TEXT, "The blush, like “tipsy peach blush”", example="peach blush"),
    Option(
        "lips",
        "唇妆",
        OptionKind.TEXT,
        "The lips, like “sheer nude gloss”",
        example="nude lip glaze",
        flags=("嘴唇", "唇部"),
    ),
    Option(
        "eyes",
        "眼神",
        OptionKind.TEXT,
        "The eyes, like “lifted corners, a lazy smile”",
        example="smiling eyes",
        flags=("眼睛",),
    ),
    Option(
        "lashes", "睫毛", OptionKind.TEXT, "The lashes, like “fine fluttering lashes”", example="fine lashes"
    ),
)

UNSUPPORTED: dict[str, type[UnknownFlag]] = {
    "steps": FixedSteps,
    "step": FixedSteps,
    "步数": FixedSteps,
    "步數": FixedSteps,
    "cfg": NoGuidance,
    "cfg-scale": NoGuidance,
    "guidance": NoGuidance,
}
"""Options of other bots that this model does not have, and the error that explains each."""
