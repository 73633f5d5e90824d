"""Shows what the desk answers: a placeholder for a job, pictures, or a text."""

import contextlib
import time
from dataclasses import replace
from functools import partial

from telegram import Bot, InlineKeyboardMarkup
from telegram.constants import MessageLimit
from telegram.error import TelegramError

from bot import messages
from bot.chats.contract import Desk
from bot.chats.telegram_.address import ChatAddress
from bot.chats.telegram_.incoming.desk_calls import DeskCalls
from bot.chats.telegram_.incoming.parsing import bot_link
from bot.chats.telegram_.incoming.updates import ButtonPress
from bot.chats.telegram_.outgoing.keyboards import copy_keyboard, keyboard_of
from bot.chats.telegram_.outgoing.placeholder_registry import PlaceholderRegistry
from bot.chats.telegram_.outgoing.reactions import RequestReactions, needs_no_message
from bot.chats.telegram_.outgoing.reply import Reply
from bot.chats.telegram_.outgoing.resending import PictureResender
from bot.chats.telegram_.outgoing.sender import Sender
from bot.chats.telegram_.outgoing.texts import FormattedText, with_code, with_ticking_times
from bot.chats.telegram_.outgoing.uploads import whole_job
from bot.commands.finding.codes import START_PREFIX
from bot.commands.values import Command
from bot.errors import PersonError
from bot.outcomes import (
    AnswerWithControls,
    CommandContext,
    Deleted,
    EditableText,
    ExportReady,
    History,
    LoraListing,
    Originals,
    Outcome,
    PickedPicture,
    QueueListing,
    Receipt,
    RecipeShown,
    SettingsRead,
    Undeliverable,
    controls_of,
)


class OutcomeReplies:
    """Makes the reply that shows an outcome."""

    def __init__(
        self,
        bot: Bot,
        sender: Sender,
        desk: Desk,
        calls: DeskCalls,
        registry: PlaceholderRegistry,
        reactions: RequestReactions,
    ) -> None:
        self._bot = bot
        self._sender = sender
        self._reactions = reactions
        self._desk = desk
        self._calls = calls
        self._registry = registry
        self._pictures = PictureResender(sender, desk)

    def show(
        self,
        outcome: Outcome,
        command: Command,
        context: CommandContext,
        address: ChatAddress,
        *,
        turned: bool = False,
    ) -> Reply:
        """Make the messages for an outcome of this command; ``turned``: by a button under its own list."""
        match outcome:
            case Receipt():
                return self._show_receipt(outcome, command, context, address)
            case History() as history:
                return self._show_history(history, address, context.locale, turned=turned)
            case Originals() as originals:
                return Reply(lambda: self._pictures.send_originals(originals, address))
            case ExportReady() as export:
                reply = Reply(lambda: self._send_text(address, _text_of(export, context.locale)))
                for part in export.parts:
                    reply.add(partial(self._pictures.send_file, part, address))
                return reply
            case PickedPicture() as picked:
                return Reply(lambda: self._pictures.send_picked(picked, address, context.locale))
            case EditableText() as editable:
                return Reply(lambda: self._send_editable(editable, address, context.locale))
        sentences, keyboard = _text_of(outcome, context.locale), self._keyboard_of(outcome, context.locale)
        png, _ = messages.picture_of(outcome, context.locale)
        if png:
            return Reply(
                lambda: self._send_text(address, sentences, keyboard),
                lambda: self._pictures.send_answer_picture(png, address),
            )
        if turned and isinstance(outcome, QueueListing | LoraListing):
            address = _in_place(address)
        reply = self.show_text(address, sentences, keyboard)
        self.add_consequences(reply, outcome, address, context.locale)
        return reply

    def _keyboard_of(self, outcome: Outcome, locale: str) -> InlineKeyboardMarkup | None:
        if not isinstance(outcome, AnswerWithControls):
            return None
        code = _code_of(outcome)
        link = bot_link(self._bot.bot, f"{START_PREFIX}{code}") if code else ""
        return keyboard_of(controls_of(outcome), locale, code, link)

    def add_consequences(self, reply: Reply, outcome: Outcome, address: ChatAddress, locale: str) -> None:
        """Let a reply also change the messages that an outcome concerns."""
        if isinstance(outcome, Deleted):
            job_id = outcome.job_id
            reply.add(lambda: self._delete_messages(job_id, address, locale))

    async def _delete_messages(self, job_id: str, address: ChatAddress, locale: str) -> None:
        if text := messages.messages_left(await self._desk.delete_messages(job_id), locale):
            await self._send_text(address, text)

    async def point_to_private_chat(self, address: ChatAddress, locale: str) -> None:
        """Let the group see that a private request is being answered, by a reaction or one line."""
        if not await self._reactions.mark_seen(address):
            await self._send_text(address, messages.answered_in_private_chat(locale))

    def show_text(
        self, address: ChatAddress, text: str | FormattedText, keyboard: InlineKeyboardMarkup | None = None
    ) -> Reply:
        """Make a reply of one text, perhaps with buttons."""
        return Reply(lambda: self._send_text(address, text, keyboard))

    async def _send_text(
        self, address: ChatAddress, text: str | FormattedText, keyboard: InlineKeyboardMarkup | None = None
    ) -> None:
        await self._sender.show_text(address, text, keyboard)

    def _show_history(self, history: History, address: ChatAddress, locale: str, *, turned: bool) -> Reply:
        """Show a page of jobs and its pictures; a turned page replaces the list, in a group that alone."""
        listed = _in_place(address) if turned else address
        reply = Reply(lambda: self._pictures.send_history(history, listed, locale))
        if not (turned and address.is_group):
            reply.add(lambda: self._pictures.send_newest(history, address))
        return reply

    async def _send_editable(self, editable: EditableText, address: ChatAddress, locale: str) -> None:
        """Send the text of a job to be copied; a reply to it changes that job."""
        invitation = messages.edit_by_reply_invitation(locale)
        text = with_code(invitation, editable.text, MessageLimit.MAX_TEXT_LENGTH)
        sent = await self._sender.show_text(address, text, copy_keyboard(editable.text, locale))
        await self._desk.keep_messages([whole_job(editable.job_id, sent)])

    def _show_receipt(
        self, receipt: Receipt, command: Command, context: CommandContext, address: ChatAddress
    ) -> Reply:
        is_first_try = True

        async def send() -> None:
            """Send the placeholder; a second try first asks for the newest receipt."""
            nonlocal receipt, is_first_try
            if not is_first_try:
                with contextlib.suppress(PersonError):  # the picture may be there by now
                    again = await self._calls.call(command, context)
                    receipt = again if isinstance(again, Receipt) else receipt
            is_first_try = False
            await self._send_placeholder(receipt, address, context.locale)

        return Reply(send, is_accepted=True)

    async def _send_placeholder(self, receipt: Receipt, address: ChatAddress, locale: str) -> None:
        """Announce a job, unless its first message exists or is being sent with the result."""
        if receipt.repeated and (receipt.address is None or await self._has_message(receipt.job_id)):
            return
        if address.is_group and needs_no_message(receipt) and await self._reactions.mark_seen(address):
            return
        text = _text_of(replace(receipt, repeated=False), locale)
        if await self._has_message(receipt.job_id):  # drawn while Telegram answered a press or a reaction
            return
        async with self._registry.sending(receipt.job_id) as placeholder:
            sent = await self._sender.show_text(address, text, keyboard_of(controls_of(receipt), locale))
            placeholder.set_result(sent)
            await self._desk.store_placeholder(receipt.job_id, sent.to_address())

    async def _has_message(self, job_id: str) -> bool:
        """Whether the job's first message exists or is being sent."""
        stored = await self._desk.placeholder_of(job_id)
        has_message = stored is not None and ChatAddress.parse(stored).message_id is not None
        return has_message or self._registry.is_being_sent(job_id)

    async def disable_duplicate(self, job_id: str, press: ButtonPress) -> None:
        """Remove the button from a second placeholder of the job, left by a crash or a lost answer."""
        stored, pressed = await self._desk.placeholder_of(job_id), press.address
        if stored is None or pressed.reply_to is None:
            return
        current = ChatAddress.parse(stored)
        is_current = current.message_id in (None, pressed.reply_to) or pressed.reply_to in current.album
        if is_current or current.chat_id != pressed.chat_id:
            return
        duplicate = ChatAddress(pressed.chat_id, message_id=pressed.reply_to)
        with contextlib.suppress(Undeliverable, TelegramError, TimeoutError):
            await self._sender.edit_text(duplicate, messages.continued_elsewhere(press.context.locale))


def _in_place(address: ChatAddress) -> ChatAddress:
    """The address of the message whose button was pressed; the message is replaced."""
    return address if address.reply_to is None else replace(address, message_id=address.reply_to)


def _text_of(outcome: Outcome, locale: str) -> FormattedText:
    """The sentences of an outcome; times count down, or are in the reader's time zone."""
    return with_ticking_times(messages.format_outcome(outcome, locale, times="telegram", now_s=time.time()))


def _code_of(outcome: Outcome) -> str:
    """The recipe code that a text shows; pictures have theirs in the caption."""
    return outcome.code if isinstance(outcome, RecipeShown | SettingsRead) else ""
