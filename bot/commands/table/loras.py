"""The commands of the shelf."""

from bot.commands.reading import MAX_PAGE
from bot.commands.table.drawing import WEIGHT
from bot.commands.table.entry import CommandEntry, Option, OptionChoice, OptionKind, Right, StandaloneName
from bot.commands.values import (
    LoraAdd,
    LoraAllow,
    LoraCheck,
    LoraInfo,
    LoraList,
    LoraReload,
    LoraRemove,
    LoraRevoke,
    LoraSwitch,
    Scope,
)


def _name(about: str) -> Option:
    return Option("name", "名称", OptionKind.LORA, about, example="sugar", required=True, positional=True)


_WHOM = (
    _name("The LoRA"),
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
        (
            Option(
                "search",
                "搜索",
                OptionKind.TEXT,
                "A part of a name, a title or its pinyin",
                example="anime",
                positional=True,
            ),
            Option(
                "page",
                "页",
                OptionKind.INTEGER,
                "Which page; each has 25 LoRAs",
                example="2",
                flags=("p", "页码"),
                least=1,
                most=MAX_PAGE,
            ),
        ),
        alone=StandaloneName("loras", "lora列表"),
    ),
    CommandEntry(
        "lora info",
        "详情",
        ("lora详情", "lora信息"),
        "Show what a LoRA does, with a preview",
        "/lorainfo sugar",
        LoraInfo,
        (_name("The LoRA"),),
        alone=StandaloneName("lorainfo", "lora详情"),
    ),
    CommandEntry(
        "lora switch",
        "切换",
        ("换lora", "切换lora"),
        "Set the default LoRA",
        "/lora switch sugar 0.8 --here",
        LoraSwitch,
        (
            _name("The LoRA; none for no LoRA, default for the bot's default"),
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
        alone=StandaloneName("loraallow", "允许lora"),
    ),
    CommandEntry(
        "lora revoke",
        "收回",
        ("收回lora",),
        "Take your LoRA back: from a person, a chat, or everybody",
        "/lora revoke sugar",
        LoraRevoke,
        _WHOM,
        alone=StandaloneName("lorarevoke", "收回lora"),
    ),
    CommandEntry(
        "lora add",
        "添加",
        ("添加lora", "加lora"),
        "Add a LoRA from a file or a link",
        "/lora add https://civitai.com/models/12345",
        LoraAdd,
        (
            Option(
                "link",
                "链接",
                OptionKind.TEXT,
                "Its page at Hugging Face, ModelScope or Civitai",
                example="civitai:12345",
                positional=True,
            ),
            Option("file", "文件", OptionKind.FILE, "A .safetensors file"),
        ),
        right=Right.HOST,
    ),
    CommandEntry(
        "lora remove",
        "移除",
        ("移除lora", "删除lora"),
        "Delete a LoRA's file; waiting jobs keep it",
        "/lora remove sugar",
        LoraRemove,
        (_name("The LoRA to delete"),),
        right=Right.HOST,
    ),
    CommandEntry(
        "lora check",
        "检查",
        ("检查lora",),
        "Check a LoRA again, with a trial picture",
        "/lora check sugar",
        LoraCheck,
        (_name("The LoRA to check"),),
        right=Right.HOST,
    ),
    CommandEntry(
        "lora reload",
        "重读",
        ("重读lora", "刷新lora"),
        "Read the LoRA folder now",
        "/lora reload",
        LoraReload,
        right=Right.HOST,
    ),
)
