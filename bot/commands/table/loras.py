"""The commands of the shelf."""

from bot.commands.table.drawing import WEIGHT
from bot.commands.table.entry import CommandEntry, Option, OptionChoice, OptionKind, Right, StandaloneName
from bot.commands.values import LoraList, LoraSwitch, Scope

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
)
