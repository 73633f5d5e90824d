"""Turns interactions into commands: who asks, where, for what, and in which language."""

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import discord

from bot import messages
from bot.chats.contract import Desk
from bot.chats.discord_.incoming.event_kinds import pressed_id
from bot.chats.discord_.incoming.forms import Form, SentForm, add_form, parse_form, variation_form
from bot.chats.discord_.incoming.message_menus import MessageMenu, chosen_message, shown_job
from bot.chats.discord_.library_internals import Interaction, role_ids
from bot.chats.discord_.outgoing.address import DEFAULT_FILE_BYTES, AnswerAddress, Response
from bot.commands import grammar, loras
from bot.commands.buttons import press_of
from bot.commands.finding import parsing as finding
from bot.commands.makers.asking import ASKING_MENUS
from bot.commands.makers.drawing import MAX_TEXT_CHARS, chosen_of
from bot.commands.makers.hosting import HOSTING_MENUS
from bot.commands.makers.sheets import compare_of
from bot.commands.table import CommandEntry
from bot.commands.text import clean
from bot.commands.values import (
    Adopt,
    Command,
    Compare,
    Draft,
    Draw,
    Edit,
    Enlarge,
    Favourite,
    LoraAdd,
    LoraAllow,
    LoraList,
    LoraRevoke,
    LoraSwitch,
    Mine,
    Pick,
    Publish,
    ReadSettings,
    Repeat,
    Reroll,
    SentFile,
    ShowRecipe,
    Vary,
)
from bot.errors import NoPictureThere, UnknownCommand
from bot.languages import is_chinese
from bot.outcomes import Address, CommandContext, Platform

CHOSEN = "locale"  # a key of ``Interaction.extras``
PARENT_ID = "parent_id"  # a key that we add to a message in a thread: its channel, which Discord leaves out
LABEL_CHARS = 100  # Discord's limit for the label of a suggestion, and for its value
REMEMBERED_PERSONS = 2_000  # whose locale an interaction named lately
_HAN, _KANA = range(0x4E00, 0xA000), range(0x3040, 0x3100)


def parse_slash(entry: CommandEntry, options: Mapping[str, Any]) -> Command:
    """The command of a menu entry with these options.

    Raises:
        NotUnderstood: The text of an option has the wrong form.
    """
    others = dict(options)
    prompt = others.pop("prompt", "")
    if entry.command_type is Draw:
        drawing = finding.drawn_code(clean(prompt, limit=MAX_TEXT_CHARS), chosen_of(others))
        return drawing or grammar.draw_of(prompt, **others)
    if make := ASKING_MENUS.get(entry.command_type) or HOSTING_MENUS.get(entry.command_type):
        return make(options)
    if entry.command_type is Compare:
        return compare_of(prompt, **others)
    if entry.command_type is Draft:
        return Draft(grammar.draw_of(prompt, **others))
    if entry.command_type is LoraSwitch:
        return loras.switch_of(**options)
    if entry.command_type in (LoraAllow, LoraRevoke):
        return loras.consent_of(entry, **options)
    if entry.command_type is LoraList:
        return loras.list_of(**options)
    if entry.command_type in _OF_OPTIONS:
        return _OF_OPTIONS[entry.command_type](**options)
    if entry.command_type is LoraAdd:
        return grammar.with_file(LoraAdd(options.get("link", "")), _sent_file(options.get("file")))
    if entry.command_type is ReadSettings:
        return ReadSettings(_sent_file(options.get("file")))
    return grammar.parse(" ".join([f"/{entry.name}", *map(str, options.values())]))


_OF_OPTIONS: dict[type[Command], Callable[..., Command]] = {
    Mine: finding.mine_of,
    Favourite: finding.favourite_of,
    ShowRecipe: finding.recipe_of,
}
"""Command → the function that reads its options of a menu."""


def _sent_file(attachment: discord.Attachment | None) -> SentFile | None:
    if attachment is None:
        return None
    return SentFile(attachment.filename, attachment.size, url=attachment.url)


def parse_slash_or_form(
    entry: CommandEntry, options: Mapping[str, Any], interaction: Interaction
) -> Command | Form:
    """The command of a menu entry; the form for a LoRA file where the options name none. Raises alike."""
    command = parse_slash(entry, options)
    return add_form(locale_of(interaction)) if command == LoraAdd() else command


def parse_press(interaction: Interaction) -> Command | SentForm:
    """The command of a pressed button, of a list or of a sent form.

    Raises:
        OldButton: This version does not know it.
        NotUnderstood: A field of the form has the wrong form.
    """
    data: dict[str, Any] = {**(interaction.data or {})}
    if interaction.type is discord.InteractionType.modal_submit:
        return parse_form(data)
    return press_of(pressed_id(data))


def parse_menu(interaction: Interaction, menu: MessageMenu) -> Command | Form:
    """The command of the context menu of a message, or the form that it opens.

    Raises:
        NotPossible: The message shows no picture of the bot, or those of several jobs.
    """
    message = chosen_message(interaction.data or {})
    job = shown_job(message, interaction.client.user.id if interaction.client.user else 0)
    match menu:
        case MessageMenu.REMIX:
            return Edit(job.job_id)
        case MessageMenu.INFO:
            return ShowRecipe(job_id=job.job_id)
        case MessageMenu.VARY:
            if not job.indices:  # its buttons alone name no picture that could be varied
                raise NoPictureThere
            locale = locale_of(interaction)
            return variation_form(job.job_id, job.indices, locale, is_private=job.is_private)


def parse_unknown(interaction: Interaction) -> Command:
    """Refuse a command that this version does not know.

    Raises:
        UnknownCommand: Always.
    """
    data: Mapping[str, Any] = interaction.data or {}
    raise UnknownCommand(text=str(data.get("name", "")), nearest=())


def locale_of(interaction: Interaction) -> str:
    """The locale that ``speak`` set for this interaction, else that of the person's own Discord."""
    return str(interaction.extras.get(CHOSEN) or messages.locale_of(str(interaction.locale.value)))


def speak(desk: Desk, interaction: Interaction) -> None:
    """Answer this interaction in the language that its person, or a host of its chat, has chosen."""
    context = context_of(interaction, address_of(interaction, is_private=True))
    interaction.extras[CHOSEN] = desk.locale_of(context)


def space_locale_of(server_locale: str, features: Collection[str]) -> str:
    """The language that the owner of a server chose; empty if nobody chose one.

    Discord lets only Community servers choose; it reports American English for all others.
    """
    is_chosen = server_locale != str(discord.Locale.american_english) or "COMMUNITY" in features
    return messages.locale_of(server_locale) if server_locale and is_chosen else ""


def address_of(interaction: Interaction, *, is_private: bool, message_id: int = 0) -> AnswerAddress:
    """The address of the response to this interaction; ``message_id`` is 0 while it is unknown."""
    created_ms = int(interaction.created_at.timestamp() * 1000)
    limit_bytes = interaction.filesize_limit  # discord.py passes on what came
    return AnswerAddress(
        target=Response(interaction.application_id, interaction.token, created_ms, message_id),
        user_id=interaction.user.id,
        channel_id=interaction.channel_id or 0,
        is_private=is_private,
        file_bytes=limit_bytes if isinstance(limit_bytes, int) else DEFAULT_FILE_BYTES,
        may_send=_may_send(interaction),
        is_shared=not interaction.context.dm_channel,
    )


def context_of(interaction: Interaction, address: AnswerAddress) -> CommandContext:
    """Who asks, and where."""
    channel = interaction.channel
    return CommandContext(
        platform=Platform.DISCORD,
        event_id=str(interaction.id),
        user_id=str(interaction.user.id),
        address=Address(Platform.DISCORD, str(address.channel_id or ""), address.to_json()),
        locale=locale_of(interaction),
        user_name=interaction.user.display_name,
        parent_chat_id=str(channel.parent_id) if isinstance(channel, discord.Thread) else "",
        space_id=str(interaction.guild_id or ""),
        space_locale=space_locale_of(
            str(interaction.guild_locale or ""), interaction.guild.features if interaction.guild else ()
        ),
        is_group=address.is_shared and not address.is_private,
        groups=_roles_of(interaction),
    )


def _roles_of(interaction: Interaction) -> tuple[str, ...] | None:
    """The roles of the person in this server; None outside servers, and as a person's own app."""
    person, guild_id = interaction.user, interaction.guild_id
    if not isinstance(person, discord.Member) or guild_id is None:
        return None
    return groups_of(guild_id, role_ids(person))


def groups_of(guild_id: int, roles: Iterable[int]) -> tuple[str, ...]:
    """The roles of a member, also that of all members, whose id is the server's."""
    return tuple(f"discord:{guild_id}:{role_id}" for role_id in (guild_id, *roles))


def is_private_answer(desk: Desk, command: Command, interaction: Interaction) -> bool:
    """Whether only the person sees the answer: always, except for pictures that are not private."""
    match command:
        case Draw() | Compare() | Draft():
            context = context_of(interaction, address_of(interaction, is_private=True))
            return command.dry or desk.wants_private(command, context)
        case Adopt() | Reroll() | Repeat() | Vary() | Enlarge() | Pick():
            return interaction.message is not None and interaction.message.flags.ephemeral
        case Publish():
            return False
        case _:
            return True


class PersonLocales:
    """The locales of people's own Discord: an interaction names one, a message does not."""

    def __init__(self) -> None:
        self._locales: OrderedDict[str, str] = OrderedDict()

    def remember(self, user_id: str, locale: str) -> None:
        """Keep the locale that an interaction of this person named."""
        self._locales[user_id] = locale
        self._locales.move_to_end(user_id)
        while len(self._locales) > REMEMBERED_PERSONS:
            self._locales.popitem(last=False)

    def locale_of(self, user_id: str, text: str, server_locale: str) -> str:
        """The locale of the person's Discord, else of the server; Chinese for Chinese text."""
        known = self._locales.get(user_id) or messages.locale_of(server_locale)
        points = [ord(character) for character in text]
        is_written = any(point in _HAN for point in points) and not any(point in _KANA for point in points)
        return "zh-CN" if is_written and not is_chinese(known) else known


def _may_send(interaction: Interaction) -> bool:
    """Whether the bot may write messages with files in the channel; false as a person's own app."""
    if interaction.context.dm_channel:
        return True
    permissions, is_thread = interaction.app_permissions, isinstance(interaction.channel, discord.Thread)
    may_send = permissions.send_messages_in_threads if is_thread else permissions.send_messages
    is_member = interaction.is_guild_integration()
    return is_member and permissions.view_channel and may_send and permissions.attach_files
