"""Puts texts, pictures and albums into a chat: by an edit where our message stands, else as a new one.

An edit can be repeated without harm, so it is tried first, and a job's picture comes by no other way.
Everything is plain text without a parse mode: nothing a person typed can become markup. Each method returns
where the message now is; the caller stores it when it changed (a new message, or a group that became a
supergroup, which ``on_migrated`` hears of).
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
from telegram.constants import FileSizeLimit, MediaGroupLimit, MessageLimit
from telegram.error import BadRequest, ChatMigrated, Forbidden, RetryAfter

from bot.chats.telegram_.gate import Gate
from bot.chats.telegram_.place import Place
from bot.outcomes import Undeliverable

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

PHOTO, DOCUMENT = "photo", "document"
MOST_IN_ALBUM = int(MediaGroupLimit.MAX_MEDIA_LENGTH)

T = TypeVar("T")

Sending = Callable[[], AbstractAsyncContextManager[None]]
"""Entered around each request once there is room for it, and left with what the request raised."""

OnMigrated = Callable[[int, int], Awaitable[None]]
"""Called with the old and the new id of a group that became a supergroup."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Upload:
    """One picture to send: a complete PNG file and the name a person sees when saving it.

    Attributes:
        file_id: Telegram's name for the picture, when it has it already; sent in place of the file.
    """

    name: str
    png: bytes = field(repr=False)
    file_id: str = ""

    @property
    def is_too_big_for_photo(self) -> bool:
        """Whether Telegram takes it only as a document."""
        return len(self.png) > FileSizeLimit.PHOTOSIZE_UPLOAD

    def media(self, caption: str | None = None, *, as_document: bool) -> InputMediaPhoto | InputMediaDocument:
        """The picture as Telegram's albums and edits want it."""
        content = self.file_id or self.png
        if as_document:
            return InputMediaDocument(
                content, caption=caption, filename=self.name, disable_content_type_detection=True
            )
        return InputMediaPhoto(content, caption=caption, filename=self.name)


@dataclass(frozen=True, slots=True)
class Shown:
    """Pictures in a chat.

    Attributes:
        form: ``photo`` or ``document``.
        file_ids: Telegram's names for them, in order; empty where it named none.
    """

    place: Place
    form: str = PHOTO
    file_ids: tuple[str, ...] = ()


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

    def __init__(self, bot: Bot, gate: Gate, on_migrated: OnMigrated) -> None:
        self._bot = bot
        self._gate = gate
        self._on_migrated = on_migrated

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

    async def edit_text(self, place: Place, text: str) -> None:
        """Change the text of our message there and take its buttons.

        Raises:
            BadRequest: Among other things, there is no message of ours to edit.
        """
        text = cut(text, MessageLimit.MAX_TEXT_LENGTH)
        await self._ask(
            place,
            lambda: self._bot.edit_message_text(
                text, place.chat_id, place.message_id, link_preview_options=_NO_PREVIEW
            ),
        )

    async def turn_into_picture(
        self, place: Place, upload: Upload, caption: str, keyboard: InlineKeyboardMarkup | None
    ) -> Shown:
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
            return _shown(place, [await self._ask(place, edit)])
        except ChatMigrated as migration:
            raise MessageGone(await self._migrated(place, migration)) from migration
        except BadRequest as error:
            if _says(error, _SAME):
                return Shown(place)
            if _says(error, _MESSAGE_GONE):
                raise MessageGone(replace(place, message_id=None)) from error
            raise

    async def put_album(self, place: Place, uploads: Sequence[Upload], sending: Sending) -> Shown:
        """Send two to ten pictures as one album, in ``sending``; Telegram allows no buttons on it."""
        as_documents = any(upload.is_too_big_for_photo for upload in uploads)
        messages: list[Message] = []

        async def send(where: Place) -> Message:
            async with sending():
                messages[:] = await self._send_album(where, uploads, as_documents=as_documents)
            return messages[0]

        sent = await self._send(place, send, messages=len(uploads))
        # A group that migrated leaves its old placeholder behind: messages do not keep their ids.
        message_id = place.message_id if sent.chat_id == place.chat_id else None
        ids = tuple(message.message_id for message in messages)
        return _shown(replace(sent, message_id=message_id, album=ids, is_sending=False), messages)

    async def send_again(self, place: Place, uploads: Sequence[Upload], *, as_documents: bool) -> Shown:
        """Send one to ten pictures as new messages, because somebody asked for them again.

        Raises:
            BadRequest: Among other things, Telegram no longer knows a ``file_id``: send the files.
        """
        messages: list[Message] = []

        async def send(where: Place) -> Message:
            if len(uploads) > 1:
                messages[:] = await self._send_album(where, uploads, as_documents=as_documents)
            else:
                messages[:] = [await self._send_one(where, uploads[0], as_document=as_documents)]
            return messages[0]

        return _shown(await self._send(place, send, messages=len(uploads)), messages)

    async def delete(self, place: Place) -> None:
        """Delete our message there.

        Raises:
            BadRequest: It is gone, or older than the two days in which Telegram allows it.
        """
        if place.message_id is not None:
            message_id = place.message_id
            await self._ask(place, lambda: self._bot.delete_message(place.chat_id, message_id))

    async def _send_album(
        self, where: Place, uploads: Sequence[Upload], *, as_documents: bool
    ) -> tuple[Message, ...]:
        return await self._bot.send_media_group(
            where.chat_id,
            [upload.media(as_document=as_documents) for upload in uploads],
            message_thread_id=where.thread_id,
            reply_parameters=_reply(where),
        )

    async def _send_one(self, where: Place, upload: Upload, *, as_document: bool) -> Message:
        content = upload.file_id or upload.png
        if as_document:
            return await self._bot.send_document(
                where.chat_id,
                content,
                filename=upload.name,
                disable_content_type_detection=True,
                message_thread_id=where.thread_id,
                reply_parameters=_reply(where),
            )
        return await self._bot.send_photo(
            where.chat_id,
            content,
            filename=upload.name,
            message_thread_id=where.thread_id,
            reply_parameters=_reply(where),
        )

    async def _put(
        self, place: Place, edit: Callable[[], Awaitable[object]], send: Callable[[Place], Awaitable[Message]]
    ) -> Place:
        if place.message_id is not None:
            try:
                await self._ask(place, edit)
            except ChatMigrated as migration:
                place = await self._migrated(place, migration)
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
            return await self._send(await self._migrated(place, migration), send, messages)
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

    async def _migrated(self, place: Place, migration: ChatMigrated) -> Place:
        log.info("group became a supergroup", chat_id=place.chat_id, new_chat_id=migration.new_chat_id)
        await self._on_migrated(place.chat_id, migration.new_chat_id)
        return Place(chat_id=migration.new_chat_id, album=place.album)


def _shown(place: Place, messages: Sequence[object]) -> Shown:
    """Read off what Telegram calls the pictures; none where an answer names none."""
    form, ids = PHOTO, []
    for message in messages:
        if isinstance(message, Message) and message.document is not None:
            form = DOCUMENT
            ids.append(message.document.file_id)
        elif isinstance(message, Message) and message.photo:
            ids.append(message.photo[-1].file_id)  # the largest is the last
    return Shown(place, form, tuple(ids) if len(ids) == len(messages) else ())


def _reply(place: Place) -> ReplyParameters | None:
    if place.reply_to is None:
        return None
    return ReplyParameters(place.reply_to, allow_sending_without_reply=True)


def _says(error: BadRequest, phrases: tuple[str, ...]) -> bool:
    said = error.message.lower()
    return any(phrase in said for phrase in phrases)
