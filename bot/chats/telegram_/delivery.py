"""Brings an ended job to its person, so that bringing it twice shows it once.

One picture: the placeholder is edited into it. Several: an album, whose message ids are stored before the
placeholder is edited into the message with the caption and the buttons, because albums carry none (Bot API,
``sendMediaGroup``). No picture: the placeholder says why. What can still be shown twice: an album, or a first
message, when the process ends (or Telegram's answer is lost) between sending it and ``Desk.moved``.
"""

import asyncio

from telegram import InlineKeyboardMarkup

from bot import words
from bot.chats.contract import Desk
from bot.chats.telegram_.keyboards import reroll_keyboard
from bot.chats.telegram_.place import Place
from bot.chats.telegram_.sender import Sender, Upload
from bot.desk.outcomes import Parcel, PictureFile


class Delivery:
    """Delivers parcels through the sender and tells the desk where they stand."""

    def __init__(self, sender: Sender, desk: Desk) -> None:
        self._sender = sender
        self._desk = desk

    async def bring(self, parcel: Parcel, place: Place) -> None:
        """Show the parcel at ``place``.

        Raises:
            Undeliverable: The chat is closed to us for good.
            OSError: A picture's file cannot be read.
            TelegramError: It may work later; so may a ``TimeoutError``.
        """
        caption = words.parcel(parcel, parcel.locale)
        keyboard = reroll_keyboard(parcel.job_id, parcel.locale) if parcel.pictures else None
        uploads = [await asyncio.to_thread(_read, parcel.job_id, picture) for picture in parcel.pictures]
        if len(uploads) == 1:
            await self._bring_picture(parcel.job_id, place, uploads[0], caption, keyboard)
            return
        if uploads and not place.album:
            sent = await self._sender.put_album(place, uploads)
            place = await self._moved(parcel.job_id, place, sent)
        await self._moved(parcel.job_id, place, await self._sender.put_text(place, caption, keyboard))

    async def _bring_picture(
        self, job_id: str, place: Place, upload: Upload, caption: str, keyboard: InlineKeyboardMarkup | None
    ) -> None:
        sent = await self._sender.put_picture(place, upload, caption, keyboard)
        await self._moved(job_id, place, sent)

    async def _moved(self, job_id: str, before: Place, now: Place) -> Place:
        if now != before:
            await self._desk.moved(job_id, now.address())
        return now


def _read(job_id: str, picture: PictureFile) -> Upload:
    return Upload(f"sugarbot-{job_id}-{picture.index + 1}.png", picture.path.read_bytes())
