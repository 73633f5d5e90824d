"""The commands of the shelf."""

from bot.commands.table.drawing import WEIGHT
from bot.commands.table.entry import CommandEntry, Option, OptionChoice, OptionKind, Right, StandaloneName
from bot.commands.values import LoraAllow, LoraList, LoraRevoke, LoraSwitch, Scope

_WHOM = (
    Option(
        "name",
        "名称",
        OptionKind.LORA,
        "The LoRA",
        example="sugar",
        required=True,
        positional=True,
    ),
    Option("person", "人", OptionKind.TEXT, "A mention or an id, like discord:1234", example="discord:1234"),
    Option("chat", "聊天", OptionKind.TEXT, "A chat's id, or here", example="here"),
)

LORA_COMMANDS: tuple[CommandEntry, ...] = (
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
            WEIGHT,
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
    CommandEntry(
        "lora allow",
        "允许",
        ("允许lora",),
        "Let a person or a chat use your LoRA",
        "/lora allow sugar --person discord:1234",
        LoraAllow,
        _WHOM,
        alone=StandaloneName("allow", "允许lora"),
    ),
    CommandEntry(
        "lora revoke",
        "收回",
        ("收回lora",),
        "Take your LoRA back: from a person, a chat, or everybody",
        "/lora revoke sugar",
        LoraRevoke,
        _WHOM,
        alone=StandaloneName("revoke", "收回lora"),
    ),
)
