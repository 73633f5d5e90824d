"""Sends pictures of earlier jobs again, by Telegram's file ids if it has the files."""

import asyncio
from pathlib import Path

import structlog
from telegram import InlineKeyboardMarkup
from telegram.constants import MessageLimit
from telegram.error import BadRequest

from bot import messages
from bot.chats.contract import Desk
from bot.chats.telegram_.address import ChatAddress
from bot.chats.telegram_.outgoing.keyboards import history_keyboard, keyboard_of
from bot.chats.telegram_.outgoing.sender import MAX_ALBUM_SIZE, Sender
from bot.chats.telegram_.outgoing.texts import NO_TEXT, FormattedText, with_quote
from bot.chats.telegram_.outgoing.uploads import (
    DOCUMENT,
    PHOTO,
    JobPicture,
    Upload,
    read_upload,
    store_sent,
)
from bot.outcomes import History, Originals, PickedPicture, Platform, controls_of

MAX_ORIGINAL_BUTTONS = 8

log = structlog.get_logger(__name__)


class PictureResender:
    """Sends pictures of earlier jobs again, by Telegram's file ids if it has the files."""

    def __init__(self, sender: Sender, desk: Desk) -> None:
        self._sender = sender
        self._desk = desk

    async def send_history(self, history: History, address: ChatAddress, locale: str) -> None:
        """Send the list of jobs, with a button for the files of each."""
        job_ids = {each.job_id for each in await asyncio.to_thread(_existing_pictures, history)}
        entries = [entry for entry in history.entries if entry.job_id in job_ids]
        keyboard = history_keyboard(history, entries[:MAX_ORIGINAL_BUTTONS], locale)
        await self._sender.show_text(address, messages.format_outcome(history, locale), keyboard)

    async def send_newest(self, history: History, address: ChatAddress) -> None:
        """Send the newest pictures as one album."""
        pictures = await asyncio.to_thread(_existing_pictures, history)
        await self._send(pictures[:MAX_ALBUM_SIZE], address, PHOTO)

    async def send_answer_picture(self, png: bytes, address: ChatAddress) -> None:
        """Send the picture that belongs to an answer as a photo."""
        await self._sender.send_pictures(address, [Upload("picture.png", png)], as_documents=False)

    async def send_originals(self, originals: Originals, address: ChatAddress) -> None:
        """Send the files of one job as documents, because Telegram compresses photos."""
        pictures = [JobPicture(originals.job_id, each) for each in originals.pictures]
        await self._send(pictures, address, DOCUMENT)

    async def send_file(self, path: Path, address: ChatAddress) -> None:
        """Send a file of the host's disk as a document."""
        upload = Upload(path.name, await asyncio.to_thread(path.read_bytes))
        await self._sender.send_pictures(address, [upload], as_documents=True)

    async def send_picked(self, picked: PickedPicture, address: ChatAddress, locale: str) -> None:
        """Send one picture of a job as a photo, with all controls."""
        caption = messages.format_outcome(picked, locale)
        await self._send(
            [JobPicture(picked.job_id, picked.picture, picked.spoiler)],
            address,
            PHOTO,
            with_quote(caption, picked.recipe.typed, MessageLimit.CAPTION_LENGTH),
            keyboard_of(controls_of(picked), locale, picked.recipe.code),
        )

    async def _send(
        self,
        pictures: list[JobPicture],
        address: ChatAddress,
        form: str,
        caption: FormattedText = NO_TEXT,
        keyboard: InlineKeyboardMarkup | None = None,
    ) -> None:
        if not pictures:
            return
        known = await self._desk.file_ids(Platform.TELEGRAM, [each.job_id for each in pictures], form)
        file_ids = [known.get((each.job_id, each.file.index), "") for each in pictures]
        is_document = form == DOCUMENT
        if any(file_ids):
            uploads = [
                Upload("", b"", file_id, each.has_spoiler)
                if file_id
                else await asyncio.to_thread(read_upload, each)
                for each, file_id in zip(pictures, file_ids, strict=True)
            ]
            try:
                sent = await self._sender.send_pictures(
                    address, uploads, as_documents=is_document, caption=caption, keyboard=keyboard
                )
            except BadRequest as error:  # the ids are too old or belong to another bot; nothing was sent
                log.info("file ids refused", reason=error.message)
            else:
                await store_sent(self._desk, pictures, sent)
                return
        uploads = [await asyncio.to_thread(read_upload, each) for each in pictures]
        as_documents = is_document or any(upload.is_too_big_for_photo for upload in uploads)
        sent = await self._sender.send_pictures(
            address, uploads, as_documents=as_documents, caption=caption, keyboard=keyboard
        )
        await store_sent(self._desk, pictures, sent)


def _existing_pictures(history: History) -> list[JobPicture]:
    """List the pictures whose files exist now, newest job first; the history may be older. Blocks."""
    return [
        JobPicture(entry.job_id, picture, entry.spoiler)
        for entry in history.entries
        for picture in entry.pictures
        if picture.path.is_file()
    ]
