"""The commands about a person's settings and presets, and about what may be drawn in a chat."""

from bot.commands.reading import LANGUAGES
from bot.commands.table.drawing import SUGAR_OPTIONS
from bot.commands.table.entry import OFF, CommandEntry, Option, OptionChoice, OptionKind, Right
from bot.commands.values import EditPresets, EditProfile, EditSettings

_OF_A_PICTURE = {option.name: option for option in SUGAR_OPTIONS}

_RESETTABLE = ("lora", "size", "count", "private", "spoiler")

SETTINGS_OPTIONS = (
    *(_OF_A_PICTURE[name] for name in ("lora", "weight", "size", "count", "private", "spoiler")),
    Option(
        "language",
        "语言",
        OptionKind.TEXT,
        "The language of my answers to you",
        example="english",
        named=tuple(OptionChoice(*language) for language in LANGUAGES),
    ),
    Option(
        "advice",
        "提示",
        OptionKind.SWITCH,
        "Say once what cannot work, like a negative prompt",
        named=(OptionChoice(OFF, "no-advice", "不提示"), OptionChoice(OFF, "quiet", "免提示")),
    ),
    Option(
        "reset",
        "重置",
        OptionKind.TEXT,
        "Which settings return to the usual, or all",
        example="size",
        positional=True,
        named=(
            OptionChoice("all", "all", "全部"),
            *(OptionChoice(name, name, _OF_A_PICTURE[name].word) for name in _RESETTABLE),
            OptionChoice("language", "language", "语言"),
            OptionChoice("advice", "advice", "提示"),
        ),
    ),
)

PRESET_OPTIONS = (
    Option(
        "name", "名称", OptionKind.TEXT, "Its name; leave it out to see all", example="cosy", positional=True
    ),
    Option(
        "options",
        "选项",
        OptionKind.TEXT,
        "What to save, like: --lora sugar:0.8 --size 2:3 soft light",
        example="--size 2:3",
    ),
    Option("job", "任务", OptionKind.TEXT, "A job whose options to save", example="k3f9"),
    Option("delete", "删除", OptionKind.SWITCH, "Delete it"),
)

PROFILE_OPTIONS = (
    Option(
        "loras",
        "可用lora",
        OptionKind.TEXT,
        "The only LoRAs that may be used here, with commas between them",
        example="sugar, anime",
        takes_rest=True,
    ),
    Option(
        "limit",
        "上限",
        OptionKind.TEXT,
        "Pictures here are at most as large as this, like 1024x1024",
        example="1024x1024",
    ),
    Option(
        "language",
        "语言",
        OptionKind.TEXT,
        "The language of my answers here, for people without their own",
        example="english",
        named=tuple(OptionChoice(*language) for language in LANGUAGES),
    ),
    Option(
        "reset",
        "重置",
        OptionKind.TEXT,
        "What returns to the usual, or all",
        example="limit",
        positional=True,
        named=(
            OptionChoice("all", "all", "全部"),
            OptionChoice("loras", "loras", "可用lora"),
            OptionChoice("limit", "limit", "上限"),
            OptionChoice("language", "language", "语言"),
        ),
    ),
)

ASKING_COMMANDS: tuple[CommandEntry, ...] = (
    CommandEntry(
        "settings",
        "设置",
        ("设置", "我的设置"),
        "Show or change what holds for your pictures",
        "/settings --size portrait",
        EditSettings,
        SETTINGS_OPTIONS,
    ),
    CommandEntry(
        "preset",
        "预设",
        ("预设", "我的预设", "presets"),
        "Save options under a name, for --preset",
        "/preset cosy --size 2:3 soft light",
        EditPresets,
        PRESET_OPTIONS,
    ),
    CommandEntry(
        "profile",
        "聊天设置",
        ("聊天设置", "本群设置"),
        "Show or change what may be drawn in this chat",
        "/profile --limit 1024x1024",
        EditProfile,
        PROFILE_OPTIONS,
        right=Right.HOST,
    ),
)
