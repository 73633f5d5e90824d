"""The table of commands: the source of platform menus, help, grammar and tests.

``about`` texts are msgids: English here, other languages in ``bot/messages``.
"""

from dataclasses import dataclass, fields
from enum import StrEnum

from bot.commands.text import traditional
from bot.commands.values import (
    MAX_COUNT,
    MAX_WEIGHT,
    Cancel,
    Command,
    Draw,
    Face,
    Help,
    Link,
    LoraList,
    LoraSwitch,
    Mine,
    Original,
    Quota,
    Reroll,
    Scope,
    ShowCard,
    Unlink,
)
from bot.errors import FixedSteps, NoGuidance, NoNegativePrompt, UnknownFlag
from engine.request import MAX_SEED

FACE_SLOTS = tuple(slot.name for slot in fields(Face))
CHATS = ("discord", "telegram", "web", "console")


class Right(StrEnum):
    """Who may give a command."""

    EVERYONE = "everyone"
    HOST = "host"


class OptionKind(StrEnum):
    """The type of an option; ``LORA`` is text with suggestions from the shelf, a ``SWITCH`` has no value."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    LORA = "lora"
    SWITCH = "switch"
    CHOICE = "choice"


@dataclass(frozen=True, slots=True)
class OptionChoice:
    """One value of a ``CHOICE`` option; ``name`` and zh-CN ``word`` as in ``Option``."""

    value: str
    name: str
    word: str


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a command.

    Attributes:
        name: In menus and, after two dashes, in text.
        word: Its zh-CN name; lower case, as Discord requires.
        about: A msgid of at most 100 characters.
        example: A valid value, for help and for the error of a missing value; a msgid for face slots.
        flags: Its other names in text, without dashes.
        keyword: Whether its Chinese names count in text without dashes if a number follows.
        positional: It has no name in text; its value is the text between the options.
        least: The smallest number allowed; ``most`` is the largest.
        choices: The values of a ``CHOICE``, the default first; in text each is a flag.
    """

    name: str
    word: str
    kind: OptionKind
    about: str
    example: str = ""
    flags: tuple[str, ...] = ()
    keyword: bool = False
    positional: bool = False
    required: bool = False
    least: float | None = None
    most: float | None = None
    choices: tuple[OptionChoice, ...] = ()

    @property
    def spellings(self) -> tuple[str, ...]:
        """All names of the option in text; Chinese names in Simplified and Traditional characters."""
        names = (self.name, self.word, *self.flags)
        return tuple(dict.fromkeys([*names, *map(traditional, names)]))

    @property
    def is_face_slot(self) -> bool:
        """Whether it is one of the five slots of ``Face``."""
        return self.name in FACE_SLOTS

    @property
    def takes_words(self) -> bool:
        """Whether its value may contain spaces, in quotes."""
        return self.is_face_slot or self.kind is OptionKind.LORA


@dataclass(frozen=True, slots=True)
class StandaloneName:
    """A name of one word for everyone's command of two words.

    Discord shows or hides all commands with the same first word together, so everyone's command must not
    share its first word with a host's command.

    Attributes:
        name: In menus, help and text.
        word: Its zh-CN name; lower case, as Discord requires.
    """

    name: str
    word: str


@dataclass(frozen=True, slots=True)
class CommandEntry:
    """One command.

    Attributes:
        name: One or two words: ``sugar``, ``lora switch``.
        word: Its zh-CN name in menus; of the second word, for a name of two words.
        words: Other names to type: always with a slash; without one, only as the whole message or, for
            commands that take text, before a space.
        about: A msgid of at most 100 characters.
        usage: An example for help; a msgid.
        makes: The class of its command value.
        menus: The chats whose menu shows it.
        alone: Its name outside the group of its first word.
    """

    name: str
    word: str
    words: tuple[str, ...]
    about: str
    usage: str
    command_type: type[Command]
    options: tuple[Option, ...] = ()
    right: Right = Right.EVERYONE
    menus: tuple[str, ...] = CHATS
    alone: StandaloneName | None = None

    @property
    def joined_name(self) -> str:
        """The name as one word: ``lora_list``."""
        return self.name.replace(" ", "_")

    @property
    def telegram_name(self) -> str:
        """The name in Telegram's menu, which allows only a-z, 0-9 and _."""
        return self.alone.name if self.alone else self.joined_name


_LORA = Option(
    "lora",
    "lora",
    OptionKind.LORA,
    "The LoRA to draw with, like sugar or sugar:0.8",
    example="sugar:0.8",
    flags=("风格",),
)
_WEIGHT = Option(
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
    _WEIGHT,
    Option(
        "size",
        "尺寸",
        OptionKind.TEXT,
        "A shape like 2:3, or pixels like 512x768",
        example="2:3",
        flags=("比例", "大小", "ratio", "ar", "aspect", "aspect-ratio"),
        keyword=True,
    ),
    Option(
        "seed",
        "种子",
        OptionKind.INTEGER,
        "The same seed draws the same picture again",
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
    "no": NoNegativePrompt,
    "neg": NoNegativePrompt,
    "negative": NoNegativePrompt,
    "negative-prompt": NoNegativePrompt,
    "负面提示词": NoNegativePrompt,
    "负面": NoNegativePrompt,
    "反向提示词": NoNegativePrompt,
    "反向": NoNegativePrompt,
    "cfg": NoGuidance,
    "cfg-scale": NoGuidance,
    "guidance": NoGuidance,
}
"""Options of other bots that this model does not have, and the error that explains each."""

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
    CommandEntry(
        "lora list",
        "列表",
        ("lora列表", "所有lora", "有哪些lora"),
        "Show the available LoRAs",
        "/loras",
        LoraList,
        alone=StandaloneName("loras", "lora列表"),
    ),
    CommandEntry(
        "lora switch",
        "切换",
        ("换lora", "切换lora"),
        "Set the default LoRA",
        "/lora switch sugar 0.8 --here",
        LoraSwitch,
        (
            Option(
                "name",
                "名称",
                OptionKind.LORA,
                "The LoRA, or none",
                example="sugar",
                required=True,
                positional=True,
            ),
            _WEIGHT,
            Option(
                "where",
                "范围",
                OptionKind.CHOICE,
                "Only here, or everywhere",
                choices=(
                    OptionChoice(Scope.CHAT, "here", "这里"),
                    OptionChoice(Scope.BOT, "everywhere", "全部"),
                ),
            ),
        ),
        right=Right.HOST,
    ),
    CommandEntry("mine", "我的", ("我的", "我的图", "我的作品"), "Show your latest pictures", "/mine", Mine),
    CommandEntry(
        "quota", "额度", ("额度", "我的额度", "余额"), "Show how many credits you have left", "/quota", Quota
    ),
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
        "gpu",
        "显卡",
        ("显卡", "显存"),
        "Show the card: its last hour, the plan, recent errors",
        "/gpu",
        ShowCard,
        right=Right.HOST,
    ),
    CommandEntry("help", "帮助", ("帮助", "怎么用", "start", "help"), "Show what I can do", "/help", Help),
)

ENTRY_OF: dict[type[Command], CommandEntry] = {entry.command_type: entry for entry in COMMANDS}
"""The table row of each class of command."""
ENTRY_OF |= {Reroll: ENTRY_OF[Draw], Original: ENTRY_OF[Mine]}  # buttons without their own command


def telegram_menu(*, for_host: bool) -> tuple[CommandEntry, ...]:
    """Return the rows of Telegram's menu: everyone's commands and, for a host, the hosts' commands."""
    in_menu = (entry for entry in COMMANDS if "telegram" in entry.menus)
    return tuple(entry for entry in in_menu if for_host or entry.right is Right.EVERYONE)
