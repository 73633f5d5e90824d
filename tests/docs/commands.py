"""The reference of the chat commands: who may give each, its names, its options."""

from collections.abc import Iterable

from bot.commands.table import COMMANDS, CommandEntry, Option, OptionKind, Right
from bot.commands.table.entry import CHATS
from bot.messages import text
from bot.messages.catalogue import PLATFORM_NAMES
from tests.docs.markdown import code, plain, table

HEADS = {
    "en": ("command", "also", "what it does", "example"),
    "zh-CN": ("命令", "也可以打", "作用", "例子"),
}
OPTION_HEADS = {
    "en": ("option", "in Chinese", "what it does", "example"),
    "zh-CN": ("选项", "中文名", "作用", "例子"),
}
WORDS = {
    "en": {
        Right.ANYONE: "For anybody, also where the bot is closed",
        Right.EVERYONE: "For everyone",
        Right.HOST: "For hosts",
        "also": "Also: {names}",
        "menus": "In the menus of {chats} alone; typed, it works everywhere.",
        "text": "(the text itself)",
        "values": "Values: {names}",
        "between": "From {least} to {most}",
        "console": "the terminal",
        "web": "the page",
        "comma": ", ",
    },
    "zh-CN": {
        Right.ANYONE: "谁都能用，没有开放的地方也行",
        Right.EVERYONE: "所有人都能用",
        Right.HOST: "只有管理员能用",
        "also": "也可以写：{names}",
        "menus": "只出现在{chats}的菜单里；打字在哪里都能用。",
        "text": "（正文）",
        "values": "可用的值：{names}",
        "between": "{least} 到 {most}",
        "console": "终端",
        "web": "网页",
        "comma": "、",
    },
}


def commands_part(locale: str) -> str:
    """Return a table of the commands for each right, then the options of each command."""
    parts = []
    for right in Right:
        rows = [_row(entry, locale) for entry in COMMANDS if entry.right is right]
        parts.append(f"### {WORDS[locale][right]}\n\n{table(HEADS[locale], rows)}")
    for entry in COMMANDS:
        if entry.options:
            rows = [_option_row(option, locale) for option in entry.options]
            parts.append(f"#### /{name_of(entry)}\n\n{table(OPTION_HEADS[locale], rows)}")
    return "\n\n".join(parts)


def name_of(entry: CommandEntry) -> str:
    """Return the name that menus show."""
    return entry.alone.name if entry.alone else entry.name


def _row(entry: CommandEntry, locale: str) -> tuple[str, ...]:
    words = WORDS[locale]
    about = plain(text(entry.about, locale))
    if set(entry.menus) != set(CHATS):
        chats = _joined((words.get(chat) or PLATFORM_NAMES[chat] for chat in entry.menus), locale)
        about += "<br>" + words["menus"].format(chats=chats)
    named = () if entry.alone or entry.is_understood_bare else (entry.slashed_word,)
    bare = (entry.word,) if entry.is_understood_bare and not entry.alone else ()
    names = _joined(map(code, dict.fromkeys((*named, *bare, *entry.words))), locale)
    return code(f"/{name_of(entry)}"), names, about, code(text(entry.usage, locale))


def _option_row(option: Option, locale: str) -> tuple[str, ...]:
    words = WORDS[locale]
    lines = [plain(text(option.about, locale))]
    if option.choices:
        lines.append(
            words["values"].format(names=_joined((code(each.value) for each in option.choices), locale))
        )
    if option.least is not None and option.most is not None:
        lines.append(words["between"].format(least=_number(option.least), most=_number(option.most)))
    also = [f"-{flag}" if len(flag) == 1 else f"--{flag}" for flag in option.flags]
    also += [f"--{each.name if locale == 'en' else each.word}" for each in option.named]
    if also:
        lines.append(words["also"].format(names=_joined(map(code, also), locale)))
    name = words["text"] if option.positional else code(f"--{option.name}")
    return name, code(option.word), "<br>".join(lines), code(_example(option, locale))


def _example(option: Option, locale: str) -> str:
    if option.kind is OptionKind.FILE:
        return ""
    name = f"--{option.name if locale == 'en' else option.word}"
    example = text(option.example, locale) if option.example else ""
    return example if option.positional else f"{name} {example}".strip()


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:g}"


def _joined(parts: Iterable[str], locale: str) -> str:
    return WORDS[locale]["comma"].join(parts)
