"""The slash commands: made from the one table, declared to Discord only when they have changed.

Discord knows permissions per top-level command only and shows or hides a group as a whole. So a group that
holds a host's command is declared for who may manage the server – the nearest that Discord knows to a host –
and what in it is everyone's stands once more by itself: ``/loras`` for ``/lora list``. A server's owner may
open the group to others, and in a chat with the bot alone everybody sees it: the declaration is a courtesy,
and the desk checks every right in any case.
"""

import asyncio
import hashlib
import inspect
import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Protocol, cast

import discord
from discord import app_commands
from discord.enums import AppCommandOptionType

from bot.chats.discord_.localise import Localiser, described, named
from bot.commands.face import SUGGESTED
from bot.commands.table import COMMANDS, CommandEntry, Option, OptionKind, Right
from engine.durable import write_file

Interaction = discord.Interaction[discord.Client]
Tree = app_commands.CommandTree[discord.Client]
Choice = app_commands.Choice[str | int | float]
MAX_CHOICES = 25  # Discord takes no more suggestions at once
SUGGESTING = {"size", *SUGGESTED}
_TYPES = {OptionKind.INTEGER: AppCommandOptionType.integer, OptionKind.NUMBER: AppCommandOptionType.number}
_TYPES[OptionKind.SWITCH] = AppCommandOptionType.boolean


class Clerk(Protocol):
    """Who answers the menu."""

    async def give(self, interaction: Interaction, entry: CommandEntry, given: Mapping[str, object]) -> None:
        """A person gave a command with these options, unsaid ones left out."""

    def suggest(self, option: Option, typed: str, locale: str) -> Sequence[tuple[str, str]]:
        """(label, value) pairs that match what was typed so far; from memory, at once."""


class _Asked(app_commands.Transformer):
    """One option as Discord asks for it."""

    def __init__(self, option: Option, clerk: Clerk) -> None:
        self._option = option
        self._clerk = clerk

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
            app_commands.Choice(name=named(choice.name, choice.word), value=choice.value)
            for choice in self._option.choices
        ] or None

    async def transform(self, interaction: Interaction, value: Any, /) -> Any:
        return value

    def _bound(self, value: float | None) -> int | float | None:
        return int(value) if value is not None and self._option.kind is OptionKind.INTEGER else value


class _Suggested(_Asked):
    """An option with suggestions; free text is taken too and checked by the desk."""

    async def autocomplete(self, interaction: Interaction, value: int | float | str, /) -> list[Choice]:
        pairs = self._clerk.suggest(self._option, str(value), interaction.locale.value)
        return [app_commands.Choice(name=label, value=said) for label, said in pairs[:MAX_CHOICES]]


def declare(tree: Tree, clerk: Clerk) -> None:
    """Put every command of the table into the tree."""
    shown = [entry for entry in COMMANDS if "discord" in entry.menus]
    for top, found in groupby(shown, key=lambda entry: entry.name.split()[0]):
        entries = list(found)
        if entries[0].name == top:
            tree.add_command(_command(entries[0], clerk, **_places(entries)))
            continue
        group = app_commands.Group(name=top, description=described("LoRA"), **_places(entries))
        for entry in entries:
            group.add_command(_command(entry, clerk))
            if entry.alone:
                name = named(entry.alone.name, entry.alone.word)
                tree.add_command(_command(entry, clerk, name, **_places([entry])))
        tree.add_command(group)


async def sync_if_changed(tree: Tree, file: Path) -> bool:
    """Declare the commands unless exactly these were declared for this application before.

    The hash of what was sent is kept in ``file``: what discord.py can fetch lacks the translations, so it
    cannot be compared. Without the file the commands are declared again, which changes nothing.

    Raises:
        discord.HTTPException: Discord did not take them; the file is as before.
    """
    localiser = Localiser()
    await tree.set_translator(localiser)
    payload = [await command.get_translated_payload(tree, localiser) for command in tree.get_commands()]
    text = json.dumps([tree.client.application_id, payload], sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()
    if await asyncio.to_thread(_declared, file) == digest:
        return False
    await tree.sync()
    await asyncio.to_thread(write_file, file, f"{digest}\n".encode())
    return True


def _declared(file: Path) -> str:
    return file.read_text().strip() if file.is_file() else ""


def _places(entries: Sequence[CommandEntry]) -> dict[str, Any]:
    """Where a top-level command shows: everyone's everywhere, one that holds a host's to managers."""
    if all(entry.right is Right.EVERYONE for entry in entries):
        return {
            "allowed_contexts": app_commands.AppCommandContext(
                guild=True, dm_channel=True, private_channel=True
            ),
            "allowed_installs": app_commands.AppInstallationType(guild=True, user=True),
        }
    return {
        "allowed_contexts": app_commands.AppCommandContext(guild=True, dm_channel=True),
        "allowed_installs": app_commands.AppInstallationType(guild=True),
        "default_permissions": discord.Permissions(manage_guild=True),
    }


def _command(
    entry: CommandEntry, clerk: Clerk, name: app_commands.locale_str | None = None, **places: Any
) -> app_commands.Command[Any, ..., None]:
    """One command, by its last word unless named; its options stand in the callback's signature."""

    async def callback(interaction: Interaction, **given: Any) -> None:
        await clerk.give(interaction, entry, {name: said for name, said in given.items() if said is not None})

    first = inspect.Parameter("interaction", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    options = [_parameter(option, clerk) for option in entry.options]
    callback.__signature__ = inspect.Signature([first, *options])  # type: ignore[attr-defined]
    if entry.options:
        app_commands.describe(**{option.name: described(option.about) for option in entry.options})(callback)
        app_commands.rename(**{option.name: named(option.name, option.word) for option in entry.options})(
            callback
        )
    permissions = places.pop("default_permissions", None)
    command: app_commands.Command[Any, ..., None] = app_commands.Command(
        name=name or named(entry.name.split()[-1], entry.word),
        description=described(entry.about),
        callback=cast(Any, callback),  # its type cannot tell a function from a method
        **places,
    )
    command.default_permissions = permissions
    return command


def _parameter(option: Option, clerk: Clerk) -> inspect.Parameter:
    suggesting = option.kind is OptionKind.LORA or option.name in SUGGESTING
    asked = (_Suggested if suggesting else _Asked)(option, clerk)
    default = inspect.Parameter.empty if option.required else None
    return inspect.Parameter(option.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=asked)
