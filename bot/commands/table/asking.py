"""The commands about a person's own settings and presets."""

from bot.commands.reading import LANGUAGES
from bot.commands.table.drawing import SUGAR_OPTIONS
from bot.commands.table.entry import OFF, CommandEntry, Option, OptionChoice, OptionKind
from bot.commands.values import EditPresets, EditSettings

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
        "Tell me once what cannot work, like a negative prompt",
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

ASKING_COMMANDS: tuple[CommandEntry, ...] = (
    CommandEntry(
        "settings",
        "设置",
        ("设置", "我的设置"),
        "Show or change what holds for all your pictures",
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
)
