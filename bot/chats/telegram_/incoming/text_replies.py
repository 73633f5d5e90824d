"""Replies to messages: the desk carries out a text's command; other content gets an explanation."""

from collections import OrderedDict
from functools import partial

import structlog
from telegram import Bot

from bot import messages
from bot.chats.telegram_.address import ChatAddress
from bot.chats.telegram_.incoming.desk_calls import DeskCalls
from bot.chats.telegram_.incoming.event_kinds import UpdateKind
from bot.chats.telegram_.incoming.outcomes import OutcomeReplies
from bot.chats.telegram_.incoming.parsing import bot_link
from bot.chats.telegram_.incoming.updates import BotAdded, RejectedMessage, SentDocument, TextMessage
from bot.chats.telegram_.outgoing.placeholder_registry import PlaceholderRegistry
from bot.chats.telegram_.outgoing.reply import Reply
from bot.chats.telegram_.outgoing.sender import Sender
from bot.commands.values import LONG_COMMANDS, LoraOffer, SentFile
from bot.errors import NoPrivateChat, PersonError
from bot.outcomes import CancelAccepted, Outcome

MAX_REMEMBERED_ALBUMS = 256  # answered albums; their other items follow within a second

log = structlog.get_logger(__name__)


class TextReplies:
    """Makes the reply to one message."""

    def __init__(
        self,
        bot: Bot,
        sender: Sender,
        calls: DeskCalls,
        outcomes: OutcomeReplies,
        registry: PlaceholderRegistry,
    ) -> None:
        self._bot = bot
        self._sender = sender
        self._calls = calls
        self._outcomes = outcomes
        self._registry = registry
        self._answered_albums: OrderedDict[str, None] = OrderedDict()

    async def reply(self, update: TextMessage) -> Reply:
        """Carry out the text's command and make the reply."""
        context, address = update.context, update.address
        outcome: Outcome | PersonError
        try:
            file = self._sent_file(update.document)
            command = await self._calls.command_of(update.text, address, update.replied_to, file, context)
            context = await self._calls.with_private_address(command, context)
            if isinstance(command, LONG_COMMANDS):
                outcome, address = await self._calls.call_long(command, context, address)
            else:
                outcome = await self._calls.call(command, context)
        except NoPrivateChat as error:
            link = bot_link(self._bot.bot, "private")
            text = f"{messages.format_error(error, context.locale)}\n{link}"
            return self._outcomes.show_text(address, text)
        except PersonError as error:
            outcome = error
        if isinstance(outcome, PersonError):
            return self._outcomes.show_text(address, messages.format_error(outcome, context.locale))
        is_elsewhere = context.private_address is not None
        if context.private_address is not None:
            address = ChatAddress.parse(context.private_address)
        if isinstance(outcome, CancelAccepted) and not outcome.was_running:
            self._registry.record_typed_cancel(outcome.job_id, address.chat_id)
        reply = self._outcomes.show(outcome, command, context, address)
        if is_elsewhere:
            reply.add(lambda: self._outcomes.point_to_private_chat(update.address, context.locale))
        return reply

    async def greet(self, added: BotAdded) -> Reply:
        """Make the greeting of a group, or say who must allow the group."""
        locale = added.context.locale
        refusal = await self._calls.refusal_of_chat(added.context)
        if refusal is not None:
            return self._outcomes.show_text(added.address, messages.format_error(refusal, locale))
        return self._outcomes.show_text(added.address, messages.greeting(self._bot.username, locale))

    async def reject(self, update: RejectedMessage) -> Reply:
        """Make the explanation of a message that the bot cannot serve; one for a whole album."""
        if update.album and update.album in self._answered_albums:
            log.debug("update ignored", event_id=update.context.event_id, kind=UpdateKind.ALBUM_ITEM.name)
            return Reply()
        text = await self._text_for_rejected(update)
        if update.album:
            self._answered_albums[update.album] = None
            if len(self._answered_albums) > MAX_REMEMBERED_ALBUMS:
                self._answered_albums.popitem(last=False)
        return self._outcomes.show_text(update.address, text)

    async def _text_for_rejected(self, update: RejectedMessage) -> str:
        locale = update.context.locale
        if update.file_name:
            try:
                outcome = await self._calls.call(LoraOffer(update.file_name), update.context)
                return messages.format_outcome(outcome, locale)
            except PersonError as refusal:
                return messages.format_error(refusal, locale)
        error = await self._calls.refusal_of_chat(update.context) or update.error
        return messages.format_error(error, locale)

    def _sent_file(self, document: SentDocument | None) -> SentFile | None:
        if document is None:
            return None
        read = partial(self._sender.read_document, document.file_id)
        return SentFile(document.name, document.size, read=read)
