"""The slash commands: made from the command table, declared to Discord only if they have changed.

Discord has permissions per top-level command only, and shows or hides a group as a whole. So a group with a
host's command is declared for people who may manage the server, which is the nearest that Discord has to a
host. A command for everyone in such a group is declared a second time by itself: ``/loras`` for ``/lora
list``. The owner of a server may open the group to others, and everybody sees it in a chat with the bot
alone. The declaration protects nothing: the desk checks every right.
"""

import asyncio
import hashlib
import inspect
import json
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import discord
from discord import app_commands
from discord.app_commands import locale_str
from discord.enums import AppCommandOptionType

from bot import messages
from bot.chats.discord_.incoming.interactions import InteractionHandler
from bot.chats.discord_.incoming.message_menus import MENU_WORDS, MessageMenu
from bot.chats.discord_.library_internals import CommandTree, Interaction, menu_payload, set_parameters
from bot.commands.prompts.face import SUGGESTED
from bot.commands.table import COMMANDS, CommandEntry, Option, OptionKind, Right
from bot.languages import in_script
from engine.durable import write_file

Choice = app_commands.Choice[str | int | float]
MAX_CHOICES = 25  # Discord accepts no more suggestions at once
AUTOCOMPLETED = {"size", "preset", "name", "language", "reset", *SUGGESTED}
CHINESE = (discord.Locale.chinese, discord.Locale.taiwan_chinese)
EVERYWHERE: dict[str, Any] = {
    "allowed_contexts": app_commands.AppCommandContext(guild=True, dm_channel=True, private_channel=True),
    "allowed_installs": app_commands.AppInstallationType(guild=True, user=True),
}
_TYPES = {
    OptionKind.INTEGER: AppCommandOptionType.integer,
    OptionKind.NUMBER: AppCommandOptionType.number,
    OptionKind.SWITCH: AppCommandOptionType.boolean,
    OptionKind.FILE: AppCommandOptionType.attachment,
}


def add_commands(tree: CommandTree, handler: InteractionHandler) -> None:
    """Add every command of the table to the tree, and the context menus of messages."""
    listed = [entry for entry in COMMANDS if "discord" in entry.menus]
    for top, found in groupby(listed, key=lambda entry: entry.name.split()[0]):
        entries = list(found)
        if entries[0].name == top:
            tree.add_command(_make_command(entries[0], handler, **_visibility(entries)))
            continue
        group = app_commands.Group(name=top, description=locale_str("LoRA"), **_visibility(entries))
        for entry in entries:
            group.add_command(_make_command(entry, handler))
            if entry.alone:
                name = _name(entry.alone.name, entry.alone.word)
                tree.add_command(_make_command(entry, handler, name, **_visibility([entry])))
        tree.add_command(group)
    for menu in MessageMenu:
        tree.add_command(_make_message_menu(menu, handler))


async def sync_if_changed(tree: CommandTree, file: Path, *, always: bool = False) -> bool:
    """Declare the commands, unless exactly these were declared for this application before; or ``always``.

    ``file`` keeps the hash of what was sent: what discord.py can fetch lacks the translations, so it cannot
    be compared. Without the file the commands are declared again, which changes nothing.

    Raises:
        discord.HTTPException: Discord refused them; the file is unchanged.
    """
    translator = MenuTranslator()
    await tree.set_translator(translator)
    payload = await menu_payload(tree, translator)
    text = json.dumps([tree.client.application_id, payload], sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()
    if not always and await asyncio.to_thread(_read_digest, file) == digest:
        return False
    await tree.sync()
    await asyncio.to_thread(write_file, file, f"{digest}\n".encode())
    return True


class MenuTranslator(app_commands.Translator):
    """Translates the menu when discord.py declares it; every language except Chinese reads English."""

    async def translate(
        self, string: locale_str, locale: discord.Locale, context: app_commands.TranslationContextTypes
    ) -> str | None:
        """The Chinese for a name or description; None if it is the same or unknown."""
        if locale not in CHINESE:
            return None
        code = messages.locale_of(locale.value)
        word = string.extras.get("word")
        translation = in_script(word, code) if word else messages.text(string.message, code)
        return None if translation == string.message else str(translation)


class _OptionTransformer(app_commands.Transformer):
    """One option as Discord shows it."""

    def __init__(self, option: Option, handler: InteractionHandler) -> None:
        self._option = option
        self._handler = handler

    @property
    def type(self) -> AppCommandOptionType:
        return _TYPES.get(self._option.kind, AppCommandOptionType.string)

    @property
    def min_value(self) -> int | float | None:
        return self._bound(self._option.least)

    @property
    def max_value(self) -> int | float | None:
        return self._bound(self._option.most)

    @property
    def choices(self) -> list[Choice] | None:
        return [
            app_commands.Choice(name=_name(choice.name, choice.word), value=choice.value)
            for choice in self._option.choices
        ] or None

    async def transform(self, interaction: Interaction, value: Any, /) -> Any:
        return value

    def _bound(self, value: float | None) -> int | float | None:
        return int(value) if value is not None and self._option.kind is OptionKind.INTEGER else value


class _AutocompleteTransformer(_OptionTransformer):
    """An option with suggestions; it also accepts free text, which the desk checks."""

    async def autocomplete(self, interaction: Interaction, value: int | float | str, /) -> list[Choice]:
        pairs = self._handler.suggest(self._option, str(value), interaction)
        return [app_commands.Choice(name=label, value=text) for label, text in pairs[:MAX_CHOICES]]


def _name(name: str, word: str) -> locale_str:
    """A name that people with a Chinese Discord see as ``word``."""
    return locale_str(name, word=word)


def _read_digest(file: Path) -> str:
    return file.read_text().strip() if file.is_file() else ""


def _visibility(entries: Sequence[CommandEntry]) -> dict[str, Any]:
    """Where a top-level command shows: everywhere, or to managers of a server if it contains a host's."""
    if all(entry.right is not Right.HOST for entry in entries):
        return EVERYWHERE
    return {
        "allowed_contexts": app_commands.AppCommandContext(guild=True, dm_channel=True),
        "allowed_installs": app_commands.AppInstallationType(guild=True),
        "default_permissions": discord.Permissions(manage_guild=True),
    }


def _make_command(
    entry: CommandEntry, handler: InteractionHandler, name: locale_str | None = None, **visibility: Any
) -> app_commands.Command[Any, ..., None]:
    """One command, with the last word of the entry as its name unless ``name`` says another."""

    async def callback(interaction: Interaction, **options: Any) -> None:
        given = {name: value for name, value in options.items() if value is not None}
        await handler.run_command(interaction, entry, given)

    options = entry.menu_options
    command_callback = set_parameters(callback, [_parameter(option, handler) for option in options])
    if options:
        app_commands.describe(**{option.name: locale_str(option.about) for option in options})(callback)
        app_commands.rename(**{option.name: _name(option.name, option.word) for option in options})(callback)
    permissions = visibility.pop("default_permissions", None)
    command: app_commands.Command[Any, ..., None] = app_commands.Command(
        name=name or _name(entry.name.split()[-1], entry.word),
        description=locale_str(entry.about),
        callback=command_callback,
        **visibility,
    )
    command.default_permissions = permissions
    return command


def _make_message_menu(menu: MessageMenu, handler: InteractionHandler) -> app_commands.ContextMenu:
    async def callback(interaction: Interaction, message: discord.Message) -> None:
        await handler.run_menu(interaction, menu)

    name = _name(menu.value, MENU_WORDS[menu])
    kind = discord.AppCommandType.message
    return app_commands.ContextMenu(name=name, callback=callback, type=kind, **EVERYWHERE)


def _parameter(option: Option, handler: InteractionHandler) -> inspect.Parameter:
    has_suggestions = option.kind is OptionKind.LORA or option.name in AUTOCOMPLETED
    transformer = (_AutocompleteTransformer if has_suggestions else _OptionTransformer)(option, handler)
    default = inspect.Parameter.empty if option.required else None
    return inspect.Parameter(
        option.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=transformer
    )
