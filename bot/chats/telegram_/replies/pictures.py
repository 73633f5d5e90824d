"""The pictures of ``/mine`` and the files of a job, by Telegram's own names for them where it has them."""

import asyncio

import structlog
from telegram.error import BadRequest

from bot import messages
from bot.chats.contract import Desk
from bot.chats.telegram_.delivery import read_file
from bot.chats.telegram_.keyboards import originals_keyboard
from bot.chats.telegram_.place import Place
from bot.chats.telegram_.replies.reply import Reply
from bot.chats.telegram_.sender import DOCUMENT, MOST_IN_ALBUM, PHOTO, Sender, Upload
from bot.outcomes import History, Originals, PictureFile, Platform

MOST_BUTTONS = 8

Wanted = tuple[str, PictureFile]  # with its job

log = structlog.get_logger(__name__)


class Pictures:
    """Sends pictures that were drawn before."""

    def __init__(self, sender: Sender, desk: Desk) -> None:
        self._sender = sender
        self._desk = desk

    def mine(self, history: History, place: Place, locale: str) -> Reply:
        """The list of jobs with a button for each job's files, then the newest pictures as one album."""

        async def send_list() -> None:
            kept = await asyncio.to_thread(_kept, history)
            entries = [entry for entry in history.entries if entry.job_id in {job_id for job_id, _ in kept}]
            keyboard = originals_keyboard(entries[:MOST_BUTTONS], locale)
            await self._sender.put_text(place, messages.say(history, locale), keyboard)

        async def send_pictures() -> None:
            kept = await asyncio.to_thread(_kept, history)
            await self._send(kept[:MOST_IN_ALBUM], place, PHOTO)

        return Reply(send_list, send_pictures)

    def originals(self, originals: Originals, place: Place) -> Reply:
        """The files of one job, as documents, which Telegram leaves as they are."""

        async def send_files() -> None:
            await self._send([(originals.job_id, each) for each in originals.pictures], place, DOCUMENT)

        return Reply(send_files)

    async def _send(self, wanted: list[Wanted], place: Place, form: str) -> None:
        if not wanted:
            return
        known = await self._desk.file_ids(Platform.TELEGRAM, [job_id for job_id, _ in wanted], form)
        ids = [known.get((job_id, picture.index), "") for job_id, picture in wanted]
        is_document = form == DOCUMENT
        if any(ids):
            try:
                uploads = [await _upload(*each, file_id) for each, file_id in zip(wanted, ids, strict=True)]
                await self._send_and_keep(wanted, uploads, place, as_documents=is_document)
            except BadRequest as error:  # another bot's names, or too old: nothing was sent
                log.info("file ids refused", reason=error.message)
            else:
                return
        uploads = [await _upload(*each, "") for each in wanted]
        is_too_big = any(upload.is_too_big_for_photo for upload in uploads)
        await self._send_and_keep(wanted, uploads, place, as_documents=is_document or is_too_big)

    async def _send_and_keep(
        self, wanted: list[Wanted], uploads: list[Upload], place: Place, *, as_documents: bool
    ) -> None:
        shown = await self._sender.send_again(place, uploads, as_documents=as_documents)
        for (job_id, picture), file_id in zip(wanted, shown.file_ids, strict=False):
            await self._desk.keep_file_id(Platform.TELEGRAM, job_id, picture, shown.form, file_id)


async def _upload(job_id: str, picture: PictureFile, file_id: str) -> Upload:
    if file_id:
        return Upload("", b"", file_id)
    return await asyncio.to_thread(read_file, job_id, picture)


def _kept(history: History) -> list[Wanted]:
    """The pictures whose files exist now, newest job first; the list may be older than this moment."""
    pictures = [(entry.job_id, picture) for entry in history.entries for picture in entry.pictures]
    return [(job_id, picture) for job_id, picture in pictures if picture.path.is_file()]
