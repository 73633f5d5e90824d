"""Reads a message of a person: what they ask for, who and where they are, in which language."""

from collections import OrderedDict
from dataclasses import dataclass, field

import discord

from bot import messages
from bot.chats.discord_.address import Ref
from bot.chats.discord_.events.kinds import Kind, Raw
from bot.commands import grammar
from bot.commands.table import entry_of
from bot.commands.values import Command, Draw, Link, Mine, Unlink
from bot.errors import LoraFileSent, NotInPublic, TextOnly
from bot.outcomes import Address, CommandContext, Platform

KNOWN_LOCALES = 2_000  # people whose language an interaction named lately
DISCORD_EPOCH_MS = 1_420_070_400_000
_HAN, _KANA = range(0x4E00, 0xA000), range(0x3040, 0x3100)


class Locales:
    """The languages of people's own Discord; a message names none, an interaction does."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, str] = OrderedDict()

    def note(self, user_id: str, locale: str) -> None:
        """Remember what an interaction said of its person."""
        self._known[user_id] = locale
        self._known.move_to_end(user_id)
        while len(self._known) > KNOWN_LOCALES:
            self._known.popitem(last=False)

    def of(self, user_id: str, text: str, server_locale: str) -> str:
        """The person's language: what they write in, else what Discord said, else their server's."""
        points = [ord(character) for character in text]
        if any(point in _HAN for point in points) and not any(point in _KANA for point in points):
            return "zh-CN"
        return self._known.get(user_id) or messages.locale_of(server_locale)


@dataclass(frozen=True, slots=True)
class Said:
    """A message that deserves an answer.

    Attributes:
        text: Without the bot's name in it; other people's names in place of their ids.
        guild_id: 0 in a direct message.
    """

    kind: Kind
    event_id: str
    text: str = field(repr=False)
    user_id: int
    user_name: str
    channel_id: int
    guild_id: int
    locale: str

    @property
    def is_public(self) -> bool:
        """Whether others read along."""
        return self.guild_id != 0

    def command(self) -> Command:
        """What is asked for.

        Raises:
            PersonError: Not understood, or not to be answered where others read along.
        """
        if self.kind is Kind.LORA_FILE:
            raise LoraFileSent
        if self.kind is Kind.NO_TEXT:
            raise TextOnly
        command = grammar.parse(self.text)
        is_personal = isinstance(command, Mine | Link | Unlink)
        if self.is_public and (is_personal or (isinstance(command, Draw) and command.private)):
            raise NotInPublic(command=entry_of(command).name)
        return command

    def ref(self, application_id: int, *, may_post: bool, may_attach: bool) -> Ref:
        """Where the answer will be: a reply, not yet sent."""
        return Ref(
            application_id=application_id,
            token="",
            created_ms=(int(self.event_id) >> 22) + DISCORD_EPOCH_MS,
            channel_id=self.channel_id,
            message_id=0,
            ephemeral=False,
            user_id=self.user_id,
            posted=True,
            may_post=may_post,
            may_attach=may_attach,
            reply_to=int(self.event_id),
        )

    def context(self, ref: Ref) -> CommandContext:
        """Who asks, and where."""
        return CommandContext(
            platform=Platform.DISCORD,
            event_id=self.event_id,
            user_id=str(self.user_id),
            address=Address(Platform.DISCORD, str(self.channel_id), ref.write()),
            locale=self.locale,
            user_name=self.user_name,
            space_id=str(self.guild_id or ""),
        )


def read(raw: Raw, kind: Kind, my_id: int, locales: Locales, server_locale: str = "") -> Said:
    """Read a MESSAGE_CREATE of one of the kinds that are answered.

    Raises:
        KeyError, TypeError, ValueError: It is not as Discord describes a message.
    """
    author = raw["author"]
    text = str(raw.get("content") or "")
    for one in raw.get("mentions") or ():
        name = "" if int(one["id"]) == my_id else str(one.get("global_name") or one.get("username") or "")
        for written in (f"<@{one['id']}>", f"<@!{one['id']}>"):
            text = text.replace(written, name)
    user_id = int(author["id"])
    nick = (raw.get("member") or {}).get("nick")
    return Said(
        kind=kind,
        event_id=str(int(raw["id"])),
        text=text.strip(),
        user_id=user_id,
        user_name=str(nick or author.get("global_name") or author.get("username") or ""),
        channel_id=int(raw["channel_id"]),
        guild_id=int(raw.get("guild_id") or 0),
        locale=locales.of(str(user_id), text, server_locale),
    )


def may_answer(client: discord.Client, said: Said) -> tuple[bool, bool]:
    """Whether the bot may write, and attach files, where this was said; yes where Discord has not told."""
    guild = client.get_guild(said.guild_id)
    channel = None if guild is None else guild.get_channel_or_thread(said.channel_id)
    me = None if guild is None or client.user is None else guild.get_member(client.user.id)
    if channel is None or me is None:
        return True, True
    may = channel.permissions_for(me)
    is_thread = isinstance(channel, discord.Thread)
    may_send = may.view_channel and (may.send_messages_in_threads if is_thread else may.send_messages)
    return may_send, may_send and may.attach_files
