"""Answers plain messages: each is stored, handled by the desk, answered by one reply, and settled.

A message needs no acknowledgement: its placeholder is sent when the job is accepted. The job's id is the
nonce, so a crash between the two shows the placeholder once. No reply mentions anybody.
"""

import asyncio
from dataclasses import replace
from functools import partial

import discord
import structlog

from bot import messages
from bot.chats.contract import Desk
from bot.chats.discord_.incoming.event_kinds import EVENT_RULES, kind_of_message
from bot.chats.discord_.incoming.in_progress import AnswersInProgress
from bot.chats.discord_.incoming.inbox import EventInbox
from bot.chats.discord_.incoming.message_parsing import DiscordMessage, parse_message
from bot.chats.discord_.incoming.parsing import PARENT_ID, PersonLocales
from bot.chats.discord_.outgoing.address import AnswerAddress, SentMessage
from bot.chats.discord_.outgoing.delivery import AnswerDelivery
from bot.chats.discord_.outgoing.placeholders import Placeholders
from bot.chats.discord_.outgoing.sender import NETWORK_ERRORS
from bot.chats.event_table import RawEvent
from bot.commands.table import ENTRY_OF
from bot.commands.values import Draw
from bot.errors import NotInPublic, PersonError
from bot.outcomes import Receipt

log = structlog.get_logger()


class TextMessageHandler:
    """Answers the messages of one connection."""

    def __init__(
        self,
        client: discord.Client,
        desk: Desk,
        placeholders: Placeholders,
        delivery: AnswerDelivery,
        inbox: EventInbox,
        locales: PersonLocales,
    ) -> None:
        self._client = client
        self._desk = desk
        self._placeholders = placeholders
        self._delivery = delivery
        self._inbox = inbox
        self._locales = locales
        self.answers = AnswersInProgress()

    def start_answer(self, event: RawEvent) -> None:
        """Answer a MESSAGE_CREATE in a task of its own, or ignore it as the event table says.

        Raises:
            ArithmeticError, AttributeError, LookupError, TypeError, ValueError: It is malformed.
        """
        if self._client.user is None:
            return
        bot_id = self._client.user.id
        kind = kind_of_message(event, bot_id)
        if not EVENT_RULES[kind].is_answered:
            log.debug("message ignored", message_id=event.get("id"), kind=kind.value)
            return
        guild = self._client.get_guild(int(event.get("guild_id") or 0))
        if guild and (thread := guild.get_thread(int(event["channel_id"]))):
            # Stored with it: after a crash, messages are read before Discord describes its threads.
            event = {**event, PARENT_ID: str(thread.parent_id)}
        server_locale, features = (str(guild.preferred_locale), guild.features) if guild else ("", ())
        message = parse_message(event, kind, bot_id, self._locales, server_locale, features)
        if self._inbox.mark_seen(event):
            task = asyncio.create_task(self._handle(message), name=f"discord message {message.event_id}")
            self.answers.add(task)

    async def _handle(self, message: DiscordMessage) -> None:
        """The supervision point: an error in one message does not affect the others."""
        try:
            await self._answer(message)
        except NETWORK_ERRORS as error:  # the message is stored, and answered after the next start
            log.warning("answer not sent", message_id=message.event_id, error=type(error).__name__)
        except Exception as error:  # the supervision point: logged with its ids, the person gets an apology
            log.exception("message failed", message_id=message.event_id, guild_id=message.guild_id)
            await self._apologise(message, error)
            await self._inbox.settle(message.event_id)

    async def _answer(self, message: DiscordMessage) -> None:
        may_send, may_attach = _permissions(self._client, message)
        address = message.address(may_send=may_send, may_attach=may_attach)
        message = replace(message, locale=self._desk.locale_of(message.context(address)))
        try:
            await self._inbox.store(message.event_id)
            context = message.context(address)
            command = await message.command(partial(self._desk.handle, context=context))
            if message.guild_id and self._desk.wants_private(command, context):
                raise NotInPublic(command=ENTRY_OF[Draw].name)
            outcome = await self._desk.handle(command, context)
        except PersonError as error:
            text = messages.format_error(error, message.locale, times="discord")
            await self._delivery.answer(text, address, message.locale, message.event_id)
        else:
            if not isinstance(outcome, Receipt):
                await self._delivery.show_outcome(outcome, address, message.locale, message.event_id)
            elif not _is_shown(outcome):
                receipt = replace(outcome, repeated=False)
                await self._placeholders.show_receipt(receipt, address, message.locale)
        await self._inbox.settle(message.event_id)

    async def _apologise(self, message: DiscordMessage, error: Exception) -> None:
        address = message.address(may_send=True, may_attach=True)
        text = messages.format_error(error, message.locale)
        try:
            await self._delivery.answer(text, address, message.locale, message.event_id)
        except NETWORK_ERRORS as network_error:
            log.warning("apology not sent", message_id=message.event_id, error=type(network_error).__name__)


def _is_shown(receipt: Receipt) -> bool:
    """Whether the placeholder was sent before a crash, or is not needed because the job was deleted since."""
    if receipt.address is None:
        return receipt.repeated
    return isinstance(AnswerAddress.from_json(receipt.address.ref).target, SentMessage)


def _permissions(client: discord.Client, message: DiscordMessage) -> tuple[bool, bool]:
    """Whether the bot may write, and attach files, in the channel; true if Discord has not said."""
    guild = client.get_guild(message.guild_id)
    channel = None if guild is None else guild.get_channel_or_thread(message.channel_id)
    me = None if guild is None or client.user is None else guild.get_member(client.user.id)
    if channel is None or me is None:
        return True, True
    permissions = channel.permissions_for(me)
    is_thread = isinstance(channel, discord.Thread)
    may_send = permissions.send_messages_in_threads if is_thread else permissions.send_messages
    may_send = permissions.view_channel and may_send
    return may_send, may_send and permissions.attach_files
