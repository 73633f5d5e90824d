"""Deletes the messages of a deleted job.

Telegram deletes a message only within 48 hours (Bot API, ``deleteMessage``), but a bot may edit its own for
ever. So an older picture is replaced by an empty one, and an older text by one line.
"""

import asyncio
import io
from collections.abc import Sequence

import structlog
from PIL import Image
from telegram.error import BadRequest

from bot import messages
from bot.chats.telegram_.address import ChatAddress
from bot.chats.telegram_.outgoing.sender import MessageNotFound, Sender
from bot.chats.telegram_.outgoing.texts import FormattedText
from bot.chats.telegram_.outgoing.uploads import Upload
from bot.outcomes import PictureMessage, Undeliverable

EMPTY_SIDE_PX = 64

log = structlog.get_logger(__name__)


class JobMessageDeletion:
    """Removes what Telegram shows of a job."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    async def delete(self, shown: Sequence[PictureMessage], locale: str) -> tuple[PictureMessage, ...]:
        """Delete or empty these messages; return those that could not be changed at all.

        Raises:
            TelegramError, TimeoutError: Telegram does not answer; call again.
        """
        return tuple([each for each in shown if not await self._remove(each, locale)])

    async def _remove(self, shown: PictureMessage, locale: str) -> bool:
        address = ChatAddress(int(shown.chat_id), message_id=int(shown.message_id))
        try:
            await self._sender.delete_message(address)
        except Undeliverable:
            return False
        except BadRequest as error:
            if "not found" in error.message.lower():
                return True
            return await self._empty(address, shown, locale)
        return True

    async def _empty(self, address: ChatAddress, shown: PictureMessage, locale: str) -> bool:
        """Replace the content of a message that is too old to be deleted."""
        text = messages.picture_deleted(locale)
        try:
            if shown.index is None:
                await self._sender.edit_text(address, text)
            else:
                empty = Upload("deleted.png", await asyncio.to_thread(_empty_png))
                await self._sender.replace_with_picture(address, empty, FormattedText(text), None)
        except (BadRequest, MessageNotFound, Undeliverable) as error:
            log.info("message not deleted", chat_id=address.chat_id, reason=str(error))
            return False
        return True


def _empty_png() -> bytes:
    """Make a small grey picture."""
    buffer = io.BytesIO()
    Image.new("L", (EMPTY_SIDE_PX, EMPTY_SIDE_PX), 128).save(buffer, "PNG")
    return buffer.getvalue()
