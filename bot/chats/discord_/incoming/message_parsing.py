"""Reads plain messages: who wrote where, what they ask for, and the picture that they reply to."""

from collections.abc import Collection
from dataclasses import dataclass, field

from bot.chats.discord_.incoming.event_kinds import EventKind
from bot.chats.discord_.incoming.message_menus import ShownJob, shown_job
from bot.chats.discord_.incoming.parsing import PARENT_ID, PersonLocales, groups_of, space_locale_of
from bot.chats.discord_.outgoing.address import AnswerAddress, UnsentMessage
from bot.chats.event_table import RawEvent, is_lora_file, is_picture_file
from bot.chats.replies import Ask, command_of_reply
from bot.commands import grammar
from bot.commands.table import ENTRY_OF
from bot.commands.values import Command, DrawRecipe, EditPresets, Link, Mine, SentFile, Unlink
from bot.errors import NoPictureThere, NotInPublic, SeveralJobsThere, TextOnly
from bot.outcomes import Address, CommandContext, Platform


@dataclass(frozen=True, slots=True)
class DiscordMessage:
    """A message that the bot answers.

    Attributes:
        text: Without the bot's name; with the names of other people in place of their ids.
        parent_id: The channel of its thread; empty outside of threads.
        guild_id: 0 in a direct message.
        file: The LoRA or picture file of this message, or of the one that it replies to.
        shown: The job of the bot's message that it replies to.
        roles: The ids of the roles that its author has in the server.
    """

    kind: EventKind
    event_id: str
    text: str = field(repr=False)
    user_id: int
    user_name: str
    channel_id: int
    guild_id: int
    locale: str
    space_locale: str = ""
    parent_id: str = ""
    file: SentFile | None = None
    shown: ShownJob | None = None
    roles: tuple[int, ...] = ()

    async def command(self, ask: Ask) -> Command:
        """The command that the message asks for; ``ask`` reads the picture that it replies to.

        Raises:
            PersonError: Not understood, or not allowed in public.
        """
        if self.kind is EventKind.LORA_FILE and self.file is not None:
            return grammar.add_of(self.text, self.file)
        if self.kind is EventKind.NO_TEXT:
            raise TextOnly
        if self.shown is not None:
            index = self.shown.indices[0] if len(self.shown.indices) == 1 else None
            command = await command_of_reply(self.text, self.shown.job_id, index, self.file, ask)
        else:
            command = grammar.with_file(grammar.parse(self.text), self.file)
        # A recipe may be of a picture that was drawn in private.
        if self.guild_id and isinstance(command, Mine | Link | Unlink | EditPresets | DrawRecipe):
            raise NotInPublic(command=ENTRY_OF[type(command)].name)
        return command

    def address(self, *, may_send: bool, may_attach: bool) -> AnswerAddress:
        """The address of the answer: a reply that is not sent yet."""
        return AnswerAddress(
            target=UnsentMessage(reply_to=int(self.event_id)),
            user_id=self.user_id,
            channel_id=self.channel_id,
            may_send=may_send,
            may_attach=may_attach,
            is_shared=bool(self.guild_id),
        )

    def context(self, address: AnswerAddress) -> CommandContext:
        """Who asks, and where."""
        return CommandContext(
            platform=Platform.DISCORD,
            event_id=self.event_id,
            user_id=str(self.user_id),
            address=Address(Platform.DISCORD, str(self.channel_id), address.to_json()),
            locale=self.locale,
            user_name=self.user_name,
            parent_chat_id=self.parent_id,
            space_id=str(self.guild_id or ""),
            space_locale=self.space_locale,
            is_group=bool(self.guild_id),
            groups=groups_of(self.guild_id, self.roles) if self.guild_id else None,
        )


def parse_message(
    event: RawEvent,
    kind: EventKind,
    bot_id: int,
    locales: PersonLocales,
    server_locale: str = "",
    features: Collection[str] = (),
) -> DiscordMessage:
    """Read a MESSAGE_CREATE of one of the kinds that are answered; ``PARENT_ID`` is ours.

    Raises:
        KeyError, TypeError, ValueError: It does not match Discord's documentation of a message.
    """
    author = event["author"]
    text = _text_with_names(event, bot_id)
    user_id = int(author["id"])
    nick = (event.get("member") or {}).get("nick")
    return DiscordMessage(
        kind=kind,
        event_id=str(int(event["id"])),
        text=text.strip(),
        user_id=user_id,
        user_name=str(nick or author.get("global_name") or author.get("username") or ""),
        channel_id=int(event["channel_id"]),
        guild_id=int(event.get("guild_id") or 0),
        locale=locales.locale_of(str(user_id), text, server_locale),
        space_locale=space_locale_of(server_locale, features),
        parent_id=str(event.get(PARENT_ID) or ""),
        roles=tuple(int(role) for role in (event.get("member") or {}).get("roles") or ()),
        file=_sent_with(event) or _sent_with(event.get("referenced_message") or {}),
        shown=_replied_job(event.get("referenced_message") or {}, bot_id),
    )


def _text_with_names(event: RawEvent, bot_id: int) -> str:
    """The text of a message with the names of people in place of mentions; the bot's own is left out."""
    text = str(event.get("content") or "")
    for person in event.get("mentions") or ():
        is_bot = int(person["id"]) == bot_id
        name = "" if is_bot else str(person.get("global_name") or person.get("username") or "")
        for mention in (f"<@{person['id']}>", f"<@!{person['id']}>"):
            text = text.replace(mention, name)
    return text


def _replied_job(replied: RawEvent, bot_id: int) -> ShownJob | None:
    """The job of the message that a message replies to, if it is one of the bot's about one job."""
    try:
        return shown_job(replied, bot_id)
    except (NoPictureThere, SeveralJobsThere):
        return None


def _sent_with(event: RawEvent) -> SentFile | None:
    """The file of a message that a command may be about: a LoRA, or else a picture."""
    files = event.get("attachments") or ()
    for file in sorted(files, key=lambda each: not is_lora_file(each.get("filename", ""))):
        if is_lora_file(file.get("filename", "")) or is_picture_file(file.get("filename", "")):
            return SentFile(str(file["filename"]), int(file.get("size", 0)), url=str(file.get("url", "")))
    return None
