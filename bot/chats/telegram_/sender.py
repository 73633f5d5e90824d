"""Puts texts, pictures and albums into a chat: by an edit where our message stands, else as a new one.

An edit can be repeated without harm, so it is always tried first, and a picture comes by no other way.
Everything is plain text without a parse
mode: nothing a person typed can become markup. Each method returns the place where the message now stands;
the caller stores it when it changed (a new message, or a group that became a supergroup).
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from typing import TypeVar

import httpx
import structlog
from telegram import (
    Bot,
    InlineKeyboardMarkup,
    InputMediaDocument,
    InputMediaPhoto,
    LinkPreviewOptions,
    Message,
    ReplyParameters,
)
from telegram.constants import FileSizeLimit, MessageLimit
from telegram.error import BadRequest, ChatMigrated, Forbidden, RetryAfter

from bot.chats.telegram_.gate import Gate
from bot.chats.telegram_.place import Place
from bot.desk.outcomes import Undeliverable

# Telegram's own words, lower case; it gives refusals no codes of their own.
_SAME = ("message is not modified",)
_MESSAGE_GONE = (
    "message to edit not found",
    "message can't be edited",
    "message_id_invalid",
    "there is no text",
)
_THREAD_GONE = ("message thread not found",)
_CHAT_GONE = (
    "chat not found", "user is deactivated", "group chat was deactivated", "have no rights to send",
    "not enough rights to send", "need administrator rights", "chat_write_forbidden", "topic_closed",
)  # fmt: skip
_NEVER_LEFT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
_NO_PREVIEW = LinkPreviewOptions(is_disabled=True)

T = TypeVar("T")

Sending = Callable[[], AbstractAsyncContextManager[None]]
"""Entered around each request once there is room for it, and left with what the request raised."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Upload:
    """One picture to send: a complete PNG file and the name a person sees when saving it."""

    name: str
    png: bytes = field(repr=False)

    @property
    def is_too_big_for_photo(self) -> bool:
        """Whether Telegram takes it only as a document."""
        return len(self.png) > FileSizeLimit.PHOTOSIZE_UPLOAD

    def media(self, caption: str | None = None, *, as_document: bool) -> InputMediaPhoto | InputMediaDocument:
        """The picture as Telegram's albums and edits want it."""
        if as_document:
            return InputMediaDocument(
                self.png, caption=caption, filename=self.name, disable_content_type_detection=True
            )
        return InputMediaPhoto(self.png, caption=caption, filename=self.name)


def cut(text: str, limit: int) -> str:
    """Shorten ``text`` to ``limit`` UTF-16 units, as Telegram counts, without splitting a character."""
    units = text.encode("utf-16-le", "surrogatepass")
    if len(units) <= 2 * limit:
        return text
    return units[: 2 * (limit - 1)].decode("utf-16-le", errors="ignore") + "…"


class MessageGone(Exception):
    """Our message is not there any more.

    Attributes:
        place: Where another may be sent.
    """

    def __init__(self, place: Place) -> None:
        super().__init__(f"no message of ours in chat {place.chat_id}")
        self.place = place


def may_have_arrived(error: BaseException) -> bool:
    """Whether a request that failed so may have been carried out: its answer was lost, not the request."""
    if isinstance(error, BadRequest | RetryAfter | Forbidden | Undeliverable):
        return False
    return not isinstance(error.__cause__, _NEVER_LEFT)


class Sender:
    """Speaks to Telegram through the gate.

    Every method raises ``Undeliverable`` when the chat is closed to us for good, and ``telegram.error``
    classes when it may work later.
    """

    def __init__(self, bot: Bot, gate: Gate) -> None:
        self._bot = bot
        self._gate = gate

    async def put_text(self, place: Place, text: str, keyboard: InlineKeyboardMarkup | None = None) -> Place:
        """Show ``text``, at most 4,096 units of it."""
        text = cut(text, MessageLimit.MAX_TEXT_LENGTH)

        async def edit() -> object:
            return await self._bot.edit_message_text(
                text, place.chat_id, place.message_id, reply_markup=keyboard, link_preview_options=_NO_PREVIEW
            )

        async def send(where: Place) -> Message:
            return await self._bot.send_message(
                where.chat_id,
                text,
                message_thread_id=where.thread_id,
                reply_parameters=_reply(where),
                reply_markup=keyboard,
                link_preview_options=_NO_PREVIEW,
            )

        return await self._put(place, edit, send)

    async def turn_into_picture(
        self, place: Place, upload: Upload, caption: str, keyboard: InlineKeyboardMarkup | None
    ) -> None:
        """Make our message there a picture with its caption, at most 1,024 units of it.

        Never sends a new message, so that no picture can be shown twice.

        Raises:
            MessageGone: There is no message of ours to edit; it says where another may stand.
        """
        media = upload.media(
            cut(caption, MessageLimit.CAPTION_LENGTH), as_document=upload.is_too_big_for_photo
        )

        async def edit() -> object:
            return await self._bot.edit_message_media(
                media, place.chat_id, place.message_id, reply_markup=keyboard
            )

        try:
            await self._ask(place, edit)
        except ChatMigrated as migration:
            raise MessageGone(_migrated(place, migration)) from migration
        except BadRequest as error:
            if _says(error, _SAME):
                return
            if _says(error, _MESSAGE_GONE):
                raise MessageGone(replace(place, message_id=None)) from error
            raise

    async def put_album(self, place: Place, uploads: Sequence[Upload], sending: Sending) -> Place:
        """Send two to ten pictures as one album, in ``sending``; Telegram allows no buttons on it."""
        as_documents = any(upload.is_too_big_for_photo for upload in uploads)
        ids: list[int] = []

        async def send(where: Place) -> Message:
            async with sending():
                messages = await self._bot.send_media_group(
                    where.chat_id,
                    [upload.media(as_document=as_documents) for upload in uploads],
                    message_thread_id=where.thread_id,
                    reply_parameters=_reply(where),
                )
            ids[:] = [message.message_id for message in messages]
            return messages[0]

        sent = await self._send(place, send, messages=len(uploads))
        # A group that migrated leaves its old placeholder behind: messages do not keep their ids.
        message_id = place.message_id if sent.chat_id == place.chat_id else None
        return replace(sent, message_id=message_id, album=tuple(ids), is_sending=False)

    async def _put(
        self, place: Place, edit: Callable[[], Awaitable[object]], send: Callable[[Place], Awaitable[Message]]
    ) -> Place:
        if place.message_id is not None:
            try:
                await self._ask(place, edit)
            except ChatMigrated as migration:
                place = _migrated(place, migration)
            except BadRequest as error:
                if _says(error, _SAME):
                    return place
                if not _says(error, _MESSAGE_GONE):
                    raise
            else:
                return place
        return await self._send(place, send)

    async def _send(
        self, place: Place, send: Callable[[Place], Awaitable[Message]], messages: int = 1
    ) -> Place:
        try:
            message = await self._ask(place, lambda: send(place), messages)
        except ChatMigrated as migration:
            return await self._send(_migrated(place, migration), send, messages)
        except BadRequest as error:
            if place.thread_id is None or not _says(error, _THREAD_GONE):
                raise
            return await self._send(replace(place, thread_id=None, reply_to=None), send, messages)
        return replace(place, message_id=message.message_id)

    async def _ask(self, place: Place, request: Callable[[], Awaitable[T]], messages: int = 1) -> T:
        try:
            return await self._gate.call(place.chat_id, request, messages)
        except Forbidden as error:
            raise Undeliverable(error.message) from error
        except BadRequest as error:
            if _says(error, _CHAT_GONE):
                raise Undeliverable(error.message) from error
            raise


def _reply(place: Place) -> ReplyParameters | None:
    if place.reply_to is None:
        return None
    return ReplyParameters(place.reply_to, allow_sending_without_reply=True)


def _migrated(place: Place, migration: ChatMigrated) -> Place:
    log.info("group became a supergroup", chat_id=place.chat_id, new_chat_id=migration.new_chat_id)
    return Place(chat_id=migration.new_chat_id, album=place.album)


def _says(error: BadRequest, phrases: tuple[str, ...]) -> bool:
    said = error.message.lower()
    return any(phrase in said for phrase in phrases)
