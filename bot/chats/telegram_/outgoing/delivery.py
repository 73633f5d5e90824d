"""Delivers ended jobs, so that a repeated delivery shows their pictures once.

One picture: an edit turns the placeholder into the picture. If there is no placeholder, delivery sends and
stores one first. Several pictures: an album. Its message ids are stored before the placeholder becomes the
message with the caption and the buttons, because an album carries none (Bot API, ``sendMediaGroup``). No
picture: the placeholder says why. A job that was deleted meanwhile: the placeholder says so if it is still
there, and pictures of an earlier attempt go.

Only an album is sent instead of edited, and Telegram offers no idempotency key. So the store records that an
album is in flight. If a crash or a lost answer leaves it so, the placeholder says that the pictures may be
above and that ``/mine`` sends them again; delivery never sends an album twice on its own. A placeholder, one
line of text, can still appear twice: when the process ends between sending it and ``Desk.store_placeholder``.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import structlog
from telegram import InlineKeyboardMarkup
from telegram.constants import MessageLimit
from telegram.error import BadRequest, TelegramError

from bot import messages
from bot.chats.contract import Desk
from bot.chats.telegram_.address import ChatAddress
from bot.chats.telegram_.outgoing.deletion import JobMessageDeletion
from bot.chats.telegram_.outgoing.keyboards import keyboard_of, owner_report_keyboard
from bot.chats.telegram_.outgoing.placeholder_registry import PlaceholderRegistry
from bot.chats.telegram_.outgoing.placeholders import PlaceholderEditor
from bot.chats.telegram_.outgoing.sender import MessageNotFound, Sender, may_have_arrived
from bot.chats.telegram_.outgoing.texts import FormattedText, with_quote
from bot.chats.telegram_.outgoing.uploads import JobPicture, Upload, read_upload, store_sent, whole_job
from bot.chats.telegram_.rate_limiter import RateLimiter
from bot.monitoring.figures import FALLBACKS
from bot.outcomes import (
    Alert,
    JobResult,
    JobState,
    OwnerReport,
    PictureMessage,
    Platform,
    Undeliverable,
    controls_of,
)

log = structlog.get_logger(__name__)


class TelegramDelivery:
    """Delivers ended jobs and stores the addresses of their messages."""

    def __init__(
        self,
        sender: Sender,
        desk: Desk,
        rate_limiter: RateLimiter,
        editor: PlaceholderEditor,
        registry: PlaceholderRegistry,
        deletion: JobMessageDeletion,
    ) -> None:
        self._sender = sender
        self._desk = desk
        self._rate_limiter = rate_limiter
        self._editor = editor
        self._registry = registry
        self._deletion = deletion

    async def deliver(self, result: JobResult) -> None:
        """Deliver an ended job to its chat.

        Raises:
            Undeliverable: The chat is closed to the bot for good, or an album may have arrived before.
            RetryLater: The chat is at its rate limit.
            OSError: A picture's file cannot be read.
            TelegramError, TimeoutError: A later try can succeed.
        """
        address = ChatAddress.parse(result.address)
        count = len(result.pictures)
        self._rate_limiter.require_capacity(address.chat_id, messages=count + 1 if count > 1 else 1)
        if address.reply_to is not None or result.is_deleted:  # else /mine asked for it, perhaps elsewhere
            address = await self._registry.wait_for_placeholder(result.job_id, address)
        await self._editor.stop_editing(address)
        has_placeholder = address.message_id is not None
        async with contextlib.nullcontext() if has_placeholder else self._registry.sending(result.job_id):
            await self._show_result(result, address)

    async def send_report(self, report: OwnerReport) -> None:
        """Send a report to a person's private chat, which has the person's id. Raises as ``deliver``."""
        address = ChatAddress(int(report.user_id))
        self._rate_limiter.require_capacity(address.chat_id, messages=1)
        text = messages.format_owner_report(report, report.locale)
        await self._sender.show_text(address, text, owner_report_keyboard(report))

    async def send_alert(self, alert: Alert) -> None:
        """Send an alert to a host's private chat, as ``send_report``."""
        address = ChatAddress(int(alert.user_id))
        self._rate_limiter.require_capacity(address.chat_id, messages=1)
        await self._sender.show_text(address, messages.format_alert(alert, alert.locale))

    async def _show_result(self, result: JobResult, address: ChatAddress) -> None:
        caption = messages.format_caption(result, result.locale)
        if result.is_deleted:
            await self._show_deleted(result, address, caption)
            return
        prompt = result.recipe.typed if result.pictures else ""
        code = result.recipe.code if result.pictures else ""
        keyboard = keyboard_of(controls_of(result), result.locale, code)
        uploads = [await asyncio.to_thread(read_upload, each) for each in _pictures_of(result)]
        if (
            result.state is JobState.CANCELLED
            and self._registry.was_cancelled_by_text(result.job_id, address.chat_id)
            and await self._delete_placeholder(address)
        ):
            return
        if len(uploads) <= 1:
            await self._editor.end_draft(address, caption)
        if len(uploads) == 1:
            quoted = with_quote(caption, prompt, MessageLimit.CAPTION_LENGTH)
            await self._show_picture(result, address, uploads[0], quoted, keyboard)
            return
        if uploads and not address.album:
            if address.is_album_in_flight:
                text = f"{messages.delivery_uncertain(result.locale)}\n{caption}"
                sent = await self._sender.show_text(address, text, keyboard)
                await self._store_address(result.job_id, address, sent)
                raise Undeliverable("its album may have arrived before")
            async with self._pointing_to_mine(result, address):
                address = await self._send_album(result, address, uploads)
            await self._editor.end_draft(address, "")
        quoted = with_quote(caption, prompt, MessageLimit.MAX_TEXT_LENGTH)
        sent = await self._sender.show_text(address, quoted, keyboard)
        await self._store_address(result.job_id, address, sent)
        if uploads:
            await self._desk.keep_messages([whole_job(result.job_id, sent)])

    async def _show_deleted(self, result: JobResult, address: ChatAddress, text: str) -> None:
        """Let the placeholder say that the job is deleted; what an earlier attempt may have shown goes."""
        if address.message_id is None:
            return  # nothing says that it is being drawn
        await self._editor.end_draft(address, text)
        sent = await self._sender.end_with_text(address, text)
        if sent.chat_id != address.chat_id:
            return  # a group that moved has none of the old messages under its new id
        old = tuple([each for each in (*address.album, address.message_id) if each != sent.message_id])
        # Stored until they are deleted: Telegram may fail meanwhile, or this process may end.
        await self._store_address(result.job_id, address, replace(sent, album=old))
        chat_id = str(address.chat_id)
        shown = [PictureMessage(Platform.TELEGRAM, chat_id, str(each), result.job_id, 0) for each in old]
        await self._deletion.delete(shown, result.locale)

    async def _delete_placeholder(self, address: ChatAddress) -> bool:
        """Delete the placeholder if there is one; False if Telegram refuses and it needs an edit."""
        try:
            await self._sender.delete_message(address)
        except BadRequest:
            return False
        return True

    async def _show_picture(
        self,
        result: JobResult,
        address: ChatAddress,
        upload: Upload,
        caption: FormattedText,
        keyboard: InlineKeyboardMarkup | None,
    ) -> None:
        if address.message_id is None:
            address = await self._send_placeholder(result, address)
        async with self._pointing_to_mine(result, address):
            try:
                sent = await self._sender.replace_with_picture(address, upload, caption, keyboard)
            except MessageNotFound as error:
                FALLBACKS.labels("telegram", "channel").inc()
                address = await self._send_placeholder(result, error.address)
                sent = await self._sender.replace_with_picture(address, upload, caption, keyboard)
        await store_sent(self._desk, _pictures_of(result), sent)

    async def _send_placeholder(self, result: JobResult, address: ChatAddress) -> ChatAddress:
        """Send a placeholder for a picture and store its address."""
        sent = await self._sender.show_text(address, messages.pictures_coming(result.locale))
        return await self._store_address(result.job_id, address, sent)

    @asynccontextmanager
    async def _pointing_to_mine(self, result: JobResult, address: ChatAddress) -> AsyncIterator[None]:
        """If the chat accepts no pictures, edit the placeholder to point to ``/mine``."""
        try:
            yield
        except Undeliverable:
            if address.message_id is not None:
                with contextlib.suppress(Undeliverable, TelegramError, TimeoutError):
                    await self._sender.show_text(address, messages.pictures_not_allowed(result.locale))
            raise

    async def _send_album(
        self, result: JobResult, address: ChatAddress, uploads: list[Upload]
    ) -> ChatAddress:
        @asynccontextmanager
        async def record_in_flight() -> AsyncIterator[None]:
            """Keep the mark if the request may have arrived; clear it if Telegram refused or delayed it."""
            await self._store_address(result.job_id, address, replace(address, is_album_in_flight=True))
            try:
                yield
            except Exception as error:
                if not may_have_arrived(error):
                    await self._desk.store_placeholder(result.job_id, address.to_address())
                raise

        sent = await self._sender.send_album(address, uploads, record_in_flight)
        await self._store_address(result.job_id, address, sent.address)
        await store_sent(self._desk, _pictures_of(result), sent)
        return sent.address

    async def _store_address(self, job_id: str, before: ChatAddress, now: ChatAddress) -> ChatAddress:
        if now != before:
            await self._desk.store_placeholder(job_id, now.to_address())
        return now


def _pictures_of(result: JobResult) -> list[JobPicture]:
    return [JobPicture(result.job_id, each, result.spoiler) for each in result.pictures]
