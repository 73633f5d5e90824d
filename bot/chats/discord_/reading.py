"""Reads an interaction: who asks, where, for what, and where the answer will stand."""

from collections.abc import Mapping, Sequence
from typing import Any

import discord

from bot import messages
from bot.chats.contract import Desk
from bot.chats.discord_.address import Ref
from bot.commands import grammar
from bot.commands.face import SUGGESTED
from bot.commands.face import suggestions as face_suggestions
from bot.commands.table import CommandEntry, Option, OptionKind
from bot.commands.values import Command, Draw, LoraSwitch, Reroll
from bot.outcomes import Address, CommandContext, Platform

Interaction = discord.Interaction[discord.Client]
LABEL_CHARS = 100  # Discord's limit for a suggestion's label, and for its value
SIZES = ("2:3", "3:4", "1:1", "4:3", "3:2", "9:16", "16:9")  # shapes that pictures are commonly asked in


def command_of(entry: CommandEntry, given: Mapping[str, Any]) -> Command:
    """The command that a menu's entry and its options ask for.

    Raises:
        NotUnderstood: An option's text is not what it should be.
    """
    if entry.makes is Draw:
        options = dict(given)
        return grammar.draw_of(options.pop("prompt", ""), **options)
    if entry.makes is LoraSwitch:
        return grammar.switch_of(**given)
    return grammar.parse(" ".join([f"/{entry.name}", *map(str, given.values())]))


def locale_of(interaction: Interaction) -> str:
    """The language of the person's own Discord."""
    return messages.locale_of(str(interaction.locale.value))


def ref_of(interaction: Interaction, message_id: int, *, ephemeral: bool) -> Ref:
    """Where the answer to this interaction stands."""
    return Ref(
        application_id=interaction.application_id,
        token=interaction.token,
        created_ms=int(interaction.created_at.timestamp() * 1000),
        channel_id=interaction.channel_id or 0,
        message_id=message_id,
        ephemeral=ephemeral,
        user_id=interaction.user.id,
        file_bytes=interaction.filesize_limit,
        may_post=_may_post(interaction),
    )


def _may_post(interaction: Interaction) -> bool:
    """Whether the bot may write messages with files where it was asked; not so as one person's own app."""
    if interaction.context.dm_channel:
        return True
    may, is_thread = interaction.app_permissions, isinstance(interaction.channel, discord.Thread)
    may_send = may.send_messages_in_threads if is_thread else may.send_messages
    return interaction.is_guild_integration() and may.view_channel and may_send and may.attach_files


def visit_of(interaction: Interaction, ref: Ref) -> CommandContext:
    """Who asks, and where."""
    return CommandContext(
        platform=Platform.DISCORD,
        event_id=str(interaction.id),
        user_id=str(interaction.user.id),
        address=Address(Platform.DISCORD, str(ref.channel_id or ""), ref.write()),
        locale=locale_of(interaction),
        user_name=interaction.user.display_name,
        is_chat_admin=interaction.permissions.manage_guild,
        space_id=str(interaction.guild_id or ""),
    )


def is_secret(command: Command, interaction: Interaction) -> bool:
    """Whether only the person sees the answer: so it is for all but pictures, and for those on wish."""
    match command:
        case Draw():
            return command.private
        case Reroll():
            return interaction.message is not None and interaction.message.flags.ephemeral
        case _:
            return True


def suggestions(desk: Desk, option: Option, typed: str, locale: str) -> Sequence[tuple[str, str]]:
    """(label, value) pairs for one option, best first."""
    if option.kind is OptionKind.LORA:
        cards = desk.suggest_loras(typed, locale)
        return [(_label(card.titles.get(locale, ""), card.name), card.name) for card in cards]
    if option.name in SUGGESTED:
        said = face_suggestions(option.name, typed, locale)
    else:
        said = tuple(size for size in SIZES if typed in size)
    return [(one[:LABEL_CHARS], one[:LABEL_CHARS]) for one in said]


def _label(title: str, name: str) -> str:
    return (f"{title} · {name}" if title and title != name else name)[:LABEL_CHARS]
