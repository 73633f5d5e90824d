"""Shows texts, pictures and albums in a chat: edits our message if there is one, else sends a new one.

An edit is idempotent, so it comes first; the picture of a job with one picture is always an edit. All text is
plain, without a parse mode: nothing that a person typed can become markup. Methods that can send a new
message return its address. The caller stores it if it changed: the message is new, or the group became a
supergroup.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any, TypeVar

import httpx
import structlog
from telegram import (
    Bot,
    InlineKeyboardMarkup,
    LinkPreviewOptions,
    Message,
    ReplyParameters,
)
from telegram.constants import FileSizeLimit, MediaGroupLimit, MessageLimit
from telegram.error import BadRequest, ChatMigrated, Forbidden, RetryAfter, TelegramError

from bot.chats.contract import Desk
from bot.chats.telegram_.address import ChatAddress
from bot.chats.telegram_.outgoing.texts import NO_TEXT, FormattedText, formatted
from bot.chats.telegram_.outgoing.uploads import SentPictures, Upload, sent_pictures
from bot.chats.telegram_.rate_limiter import RateLimiter
from bot.errors import DownloadFailed, DownloadTooLarge
from bot.outcomes import Platform, Undeliverable

# Parts of Telegram's error texts, in lower case; it has no error codes for these cases.
_NOT_MODIFIED = ("message is not modified",)
_NO_TEXT = ("there is no text",)
_MESSAGE_NOT_FOUND = (
    "message to edit not found",
    "message can't be edited",
    "message_id_invalid",
    *_NO_TEXT,
)
_THREAD_NOT_FOUND = ("message thread not found",)
_FILE_TOO_BIG = ("file is too big",)
_CHAT_CLOSED = (
    "chat not found", "user is deactivated", "group chat was deactivated", "have no rights to send",
    "not enough rights to send", "need administrator rights", "chat_write_forbidden", "topic_closed",
)  # fmt: skip
DOCUMENT_S = 120.0  # 20 MB at 0.2 MB/s
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
_NO_PREVIEW = LinkPreviewOptions(is_disabled=True)

MAX_ALBUM_SIZE = int(MediaGroupLimit.MAX_MEDIA_LENGTH)

T = TypeVar("T")

AlbumGuard = Callable[[], AbstractAsyncContextManager[None]]
"""A context around each album request. It is entered once the rate limits allow the request, and it sees the
error of the request."""

log = structlog.get_logger(__name__)


class MessageNotFound(Exception):
    """Our message no longer exists.

    Attributes:
        address: Where a new one can be sent.
    """

    def __init__(self, address: ChatAddress) -> None:
        super().__init__(f"no message of ours in chat {address.chat_id}")
        self.address = address


def may_have_arrived(error: BaseException) -> bool:
    """Whether Telegram may have carried out a request that failed with this error."""
    if isinstance(error, BadRequest | RetryAfter | Forbidden | Undeliverable):
        return False
    return not isinstance(error.__cause__, _NEVER_SENT)


class Sender:
    """Sends requests to Telegram within the rate limits.

    Every method raises ``Undeliverable`` if the chat is closed to the bot for good, and ``telegram.error``
    classes if a later try can succeed.
    """

    def __init__(self, bot: Bot, rate_limiter: RateLimiter, desk: Desk) -> None:
        self._bot = bot
        self._rate_limiter = rate_limiter
        self._desk = desk

    async def read_document(self, file_id: str) -> bytes:
        """Return a file that a person sent.

        Raises:
            DownloadTooLarge: Telegram gives no file of this size to bots.
            DownloadFailed: It did not arrive; try again.
        """
        try:
            async with asyncio.timeout(DOCUMENT_S):
                file = await self._bot.get_file(file_id)
                return bytes(await file.download_as_bytearray())
        except (TelegramError, TimeoutError) as error:
            if isinstance(error, BadRequest) and _has_text(error, _FILE_TOO_BIG):
                raise DownloadTooLarge(limit_bytes=FileSizeLimit.FILESIZE_DOWNLOAD) from error
            # The text of the error may contain the file's address, which contains the token.
            raise DownloadFailed(site="Telegram", detail=type(error).__name__) from None

    async def show_text(
        self,
        address: ChatAddress,
        text: str | FormattedText,
        keyboard: InlineKeyboardMarkup | None = None,
    ) -> ChatAddress:
        """Show ``text``, at most 4,096 units of it; returns where it is."""
        shown = formatted(text, MessageLimit.MAX_TEXT_LENGTH)
        if address.message_id is not None:
            try:
                await self.edit_text(address, shown, keyboard)
            except ChatMigrated as migration:
                address = await self._follow_migration(address, migration)
            except BadRequest as error:
                if _has_text(error, _NOT_MODIFIED):
                    return address
                if not _has_text(error, _MESSAGE_NOT_FOUND):
                    raise
            else:
                return address

        async def send(target: ChatAddress) -> Message:
            """Send the text as a new message to this chat."""
            return await self._bot.send_message(
                target.chat_id,
                shown.text,
                entities=shown.entities or None,
                message_thread_id=target.thread_id,
                reply_parameters=_reply_parameters(target),
                reply_markup=keyboard,
                link_preview_options=_NO_PREVIEW,
            )

        return await self._send_new(address, send)

    async def end_with_text(self, address: ChatAddress, text: str) -> ChatAddress:
        """Let our message say ``text``; nothing is sent if it is gone. Returns where the text is.

        A picture cannot become a text, so a new message has the text then, and the picture stays.
        """
        try:
            await self.edit_text(address, text)
        except ChatMigrated as migration:
            return await self._follow_migration(address, migration)
        except BadRequest as error:
            if _has_text(error, _NO_TEXT):
                return await self.show_text(replace(address, message_id=None), text)
            if not _has_text(error, _NOT_MODIFIED + _MESSAGE_NOT_FOUND):
                raise
        return address

    async def edit_text(
        self,
        address: ChatAddress,
        text: str | FormattedText,
        keyboard: InlineKeyboardMarkup | None = None,
    ) -> None:
        """Change the text and the buttons of our message.

        Raises:
            BadRequest: Among other reasons, the message does not exist.
        """
        shown = formatted(text, MessageLimit.MAX_TEXT_LENGTH)
        await self._request(
            address.chat_id,
            lambda: self._bot.edit_message_text(
                shown.text,
                address.chat_id,
                address.message_id,
                entities=shown.entities or None,
                reply_markup=keyboard,
                link_preview_options=_NO_PREVIEW,
            ),
        )

    async def replace_with_picture(
        self,
        address: ChatAddress,
        upload: Upload,
        caption: FormattedText,
        keyboard: InlineKeyboardMarkup | None,
    ) -> SentPictures:
        """Replace our message by a picture with a caption of at most 1,024 units.

        This never sends a new message, so that no picture can appear twice.

        Raises:
            MessageNotFound: Our message does not exist.
        """
        media = upload.to_media(caption, as_document=upload.is_too_big_for_photo)
        try:
            edited = await self._request(
                address.chat_id,
                lambda: self._bot.edit_message_media(
                    media, address.chat_id, address.message_id, reply_markup=keyboard
                ),
            )
        except ChatMigrated as migration:
            raise MessageNotFound(await self._follow_migration(address, migration)) from migration
        except BadRequest as error:
            if _has_text(error, _NOT_MODIFIED):
                shown = () if address.message_id is None else (address.message_id,)
                return SentPictures(address, message_ids=shown)
            if _has_text(error, _MESSAGE_NOT_FOUND):
                raise MessageNotFound(replace(address, message_id=None)) from error
            raise
        return sent_pictures(address, [edited])

    async def send_album(
        self, address: ChatAddress, uploads: Sequence[Upload], guard: AlbumGuard
    ) -> SentPictures:
        """Send two to ten pictures as one album, each request inside ``guard``; albums have no buttons."""
        as_documents = any(upload.is_too_big_for_photo for upload in uploads)
        album: list[Message] = []

        async def send(target: ChatAddress) -> Message:
            """Send the album to this chat, inside ``guard``, and return its first message."""
            async with guard():
                album[:] = await self._send_media_group(target, uploads, as_documents=as_documents)
            return album[0]

        sent = await self._send_new(address, send, messages=len(uploads))
        # After a migration the placeholder stays in the old group, because messages do not keep their ids.
        message_id = address.message_id if sent.chat_id == address.chat_id else None
        ids = tuple(message.message_id for message in album)
        return sent_pictures(replace(sent, message_id=message_id, album=ids, is_album_in_flight=False), album)

    async def send_pictures(
        self,
        address: ChatAddress,
        uploads: Sequence[Upload],
        *,
        as_documents: bool,
        caption: FormattedText = NO_TEXT,
        keyboard: InlineKeyboardMarkup | None = None,
    ) -> SentPictures:
        """Send one to ten pictures as new messages, because a person asked for them again.

        Args:
            address: The chat, and the message that they reply to.
            uploads: The pictures, as files or by ``file_id``.
            as_documents: As files, which Telegram does not compress.
            caption: Of a single picture, at most 1,024 units.
            keyboard: Buttons under a single picture; albums have none.

        Raises:
            BadRequest: Among other reasons, Telegram does not know a ``file_id``: send the files.
        """
        sent: list[Message] = []

        async def send(target: ChatAddress) -> Message:
            """Send the pictures to this chat, and return the first message."""
            if len(uploads) > 1:
                sent[:] = await self._send_media_group(target, uploads, as_documents=as_documents)
            else:
                sent[:] = [
                    await self._send_single(
                        target, uploads[0], as_document=as_documents, shown=caption, keyboard=keyboard
                    )
                ]
            return sent[0]

        return sent_pictures(await self._send_new(address, send, messages=len(uploads)), sent)

    async def delete_message(self, address: ChatAddress) -> None:
        """Delete our message.

        Raises:
            BadRequest: It does not exist, or is older than the two days in which Telegram allows deletion.
        """
        message_id = address.message_id
        if message_id is not None:
            await self._request(
                address.chat_id, lambda: self._bot.delete_message(address.chat_id, message_id)
            )

    async def _send_media_group(
        self, target: ChatAddress, uploads: Sequence[Upload], *, as_documents: bool
    ) -> tuple[Message, ...]:
        return await self._bot.send_media_group(
            target.chat_id,
            [upload.to_media(as_document=as_documents) for upload in uploads],
            message_thread_id=target.thread_id,
            reply_parameters=_reply_parameters(target),
        )

    async def _send_single(
        self,
        target: ChatAddress,
        upload: Upload,
        *,
        as_document: bool,
        shown: FormattedText,
        keyboard: InlineKeyboardMarkup | None,
    ) -> Message:
        content = upload.file_id or upload.png
        common: dict[str, Any] = {
            "caption": shown.text or None,
            "caption_entities": shown.entities or None,
            "filename": upload.name,
            "message_thread_id": target.thread_id,
            "reply_parameters": _reply_parameters(target),
            "reply_markup": keyboard,
        }
        if as_document:
            common["disable_content_type_detection"] = True
            return await self._bot.send_document(target.chat_id, content, **common)
        common["has_spoiler"] = upload.has_spoiler or None
        return await self._bot.send_photo(target.chat_id, content, **common)

    async def _send_new(
        self, address: ChatAddress, send: Callable[[ChatAddress], Awaitable[Message]], messages: int = 1
    ) -> ChatAddress:
        """Send a new message; follow a group to its new id, and leave a topic that was deleted."""
        try:
            message = await self._request(address.chat_id, lambda: send(address), messages)
        except ChatMigrated as migration:
            return await self._send_new(await self._follow_migration(address, migration), send, messages)
        except BadRequest as error:
            if address.thread_id is None or not _has_text(error, _THREAD_NOT_FOUND):
                raise
            return await self._send_new(replace(address, thread_id=None, reply_to=None), send, messages)
        return replace(address, message_id=message.message_id)

    async def _request(self, chat_id: int, request: Callable[[], Awaitable[T]], messages: int = 1) -> T:
        try:
            return await self._rate_limiter.run(chat_id, request, messages)
        except Forbidden as error:
            raise Undeliverable(error.message) from error
        except BadRequest as error:
            if _has_text(error, _CHAT_CLOSED):
                raise Undeliverable(error.message) from error
            raise

    async def _follow_migration(self, address: ChatAddress, migration: ChatMigrated) -> ChatAddress:
        """Report the new id of a group to the desk; returns the address in the new group."""
        old_id, new_id = address.chat_id, migration.new_chat_id
        log.info("group became a supergroup", chat_id=old_id, new_chat_id=new_id)
        await self._desk.migrate_chat(Platform.TELEGRAM, str(old_id), str(new_id))
        return ChatAddress(chat_id=new_id, album=address.album)


def _reply_parameters(address: ChatAddress) -> ReplyParameters | None:
    if address.reply_to is None:
        return None
    return ReplyParameters(address.reply_to, allow_sending_without_reply=True)


def _has_text(error: BadRequest, parts: tuple[str, ...]) -> bool:
    text = error.message.lower()
    return any(part in text for part in parts)
