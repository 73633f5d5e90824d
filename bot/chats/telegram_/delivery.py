"""Brings an ended job to its person, so that bringing it twice shows it once.

One picture: the placeholder is edited into it; where there is none, one is sent and stored before. Several:
an album, whose message ids are stored before the placeholder is edited into the message with the caption and
the buttons, because albums carry none (Bot API, ``sendMediaGroup``). No picture: the placeholder says why.

Only an album is sent rather than edited, and Telegram knows no nonce. So it is stored that one is being sent;
where a crash or a lost answer leaves it at that, the placeholder says that the pictures may be above and that
``/mine`` brings them again, and no album is sent twice of our own will. What can still be seen twice is a
placeholder: a line of text, when the process ends between sending it and ``Desk.store_placeholder``.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from telegram import InlineKeyboardMarkup
from telegram.error import BadRequest, TelegramError

from bot import messages
from bot.chats.contract import Desk
from bot.chats.telegram_.keyboards import picture_keyboard
from bot.chats.telegram_.place import Place
from bot.chats.telegram_.sender import MessageGone, Sender, Shown, Upload, may_have_arrived
from bot.outcomes import JobResult, JobState, PictureFile, Platform, Undeliverable


class Delivery:
    """Delivers results through the sender and tells the desk where they stand."""

    def __init__(self, sender: Sender, desk: Desk) -> None:
        self._sender = sender
        self._desk = desk

    async def bring(self, result: JobResult, place: Place, *, is_told: bool = False) -> None:
        """Show the result at ``place``.

        Args:
            result: The ended job.
            place: Its placeholder, or where to send one.
            is_told: An answer in the same chat says already that the job was cancelled before it began.

        Raises:
            Undeliverable: The chat is closed to us for good, or an album may have arrived before.
            OSError: A picture's file cannot be read.
            TelegramError: It may work later; so may a ``TimeoutError``.
        """
        caption = messages.caption_of(result, result.locale)
        keyboard = picture_keyboard(result.job_id, result.locale) if result.pictures else None
        uploads = [await asyncio.to_thread(read_file, result.job_id, picture) for picture in result.pictures]
        if result.state is JobState.CANCELLED and is_told and await self._deleted(place):
            return
        if len(uploads) == 1:
            await self._bring_picture(result, place, uploads[0], caption, keyboard)
            return
        if uploads and not place.album:
            if place.is_sending:
                await self._leave_open(result, place, caption, keyboard)
            async with self._else_by_mine(result, place):
                place = await self._bring_album(result, place, uploads)
        await self._moved(result.job_id, place, await self._sender.put_text(place, caption, keyboard))

    async def _deleted(self, place: Place) -> bool:
        """Delete the placeholder of a job whose end was told; where Telegram refuses, it must be edited."""
        try:
            await self._sender.delete(place)
        except BadRequest:
            return False
        return place.message_id is not None

    async def _bring_picture(
        self,
        result: JobResult,
        place: Place,
        upload: Upload,
        caption: str,
        keyboard: InlineKeyboardMarkup | None,
    ) -> None:
        if place.message_id is None:
            place = await self._begin(result, place)
        async with self._else_by_mine(result, place):
            try:
                shown = await self._sender.turn_into_picture(place, upload, caption, keyboard)
            except MessageGone as gone:
                place = await self._begin(result, gone.place)
                shown = await self._sender.turn_into_picture(place, upload, caption, keyboard)
        await self._keep_ids(result, shown)

    async def _keep_ids(self, result: JobResult, shown: Shown) -> None:
        for picture, file_id in zip(result.pictures, shown.file_ids, strict=False):
            await self._desk.keep_file_id(Platform.TELEGRAM, result.job_id, picture, shown.form, file_id)

    @asynccontextmanager
    async def _else_by_mine(self, result: JobResult, place: Place) -> AsyncIterator[None]:
        """Where a chat takes no pictures, let the placeholder say where they are: else it would never end."""
        try:
            yield
        except Undeliverable:
            if place.message_id is not None:
                with contextlib.suppress(Undeliverable, TelegramError, TimeoutError):
                    await self._sender.put_text(place, messages.not_here(result.locale))
            raise

    async def _begin(self, result: JobResult, place: Place) -> Place:
        """Send a placeholder for a picture and store where it is."""
        sent = await self._sender.put_text(place, messages.on_its_way(result.locale))
        return await self._moved(result.job_id, place, sent)

    async def _bring_album(self, result: JobResult, place: Place, uploads: list[Upload]) -> Place:
        @asynccontextmanager
        async def sending() -> AsyncIterator[None]:
            """What is cut off in here may have arrived; what was refused, or waits its turn, has not."""
            await self._moved(result.job_id, place, replace(place, is_sending=True))
            try:
                yield
            except Exception as error:
                if not may_have_arrived(error):
                    await self._desk.store_placeholder(result.job_id, place.address())
                raise

        shown = await self._sender.put_album(place, uploads, sending)
        place = await self._moved(result.job_id, place, shown.place)
        await self._keep_ids(result, shown)
        return place

    async def _leave_open(
        self, result: JobResult, place: Place, caption: str, keyboard: InlineKeyboardMarkup | None
    ) -> None:
        """Say that the album may be there and how it comes again; that is for the person to decide."""
        text = f"{messages.perhaps_above(result.locale)}\n{caption}"
        await self._moved(result.job_id, place, await self._sender.put_text(place, text, keyboard))
        raise Undeliverable("its album may have arrived before")

    async def _moved(self, job_id: str, before: Place, now: Place) -> Place:
        if now != before:
            await self._desk.store_placeholder(job_id, now.address())
        return now


def read_file(job_id: str, picture: PictureFile) -> Upload:
    """A picture with the name under which people save it. Blocking; raises ``OSError``."""
    return Upload(f"sugarbot-{job_id}-{picture.index + 1}.png", picture.path.read_bytes())
