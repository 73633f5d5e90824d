"""Gives files from before migration 0026 the names of their contents, while the bot runs.

A file gets its new name beside the earlier one. Then its picture names the new one, and the earlier one goes.
So its picture can be read all the time, and a crash repeats one file.
"""

import asyncio
import hashlib
import os
import shutil
from dataclasses import replace
from pathlib import Path

import structlog

from bot.desk.files import LooseFiles, PictureSpace, file_name, make_subfolder, read_picture, save_pictures
from bot.pictures.preview import make_preview
from bot.store import Store
from bot.store.database import run_to_completion
from bot.store.rows import PictureForm, PictureRow
from engine.durable import FILE_MODE, read_whole, replacing

BATCH = 20
ROOM_BYTES = 64 * 2**20  # for a batch of copies, where the file system has no hard links

log = structlog.get_logger("bot.desk.maintenance")


async def rename_earlier_files(store: Store, loose_files: LooseFiles, space: PictureSpace) -> None:
    """Rename the files that have earlier names; those that are missing or do not fit now wait.

    Raises:
        OSError: The system refuses; the next call goes on.
        CannotSave: The database cannot be written now; the next call goes on.
    """
    after, renamed = "", 0
    while rows := await store.pictures.with_earlier_names(after, BATCH):
        if await space.available_bytes() < ROOM_BYTES:
            log.warning("pictures keep their earlier names: the disk is full")
            break
        for row in rows:
            renamed += await _rename(row, store, loose_files)
        await loose_files.delete()
        after = rows[-1].earlier_name
    if renamed:
        log.info("pictures renamed by their contents", count=renamed)


async def _rename(row: PictureRow, store: Store, loose_files: LooseFiles) -> bool:
    """Rename the file of one picture; False if it is missing, or if the picture has gone meanwhile."""
    folder = loose_files.folder
    content = None if row.sha256 else await asyncio.to_thread(_read_unhashed, row, folder)
    if content is None and not row.sha256:
        return False
    sha256 = row.sha256 if content is None else hashlib.sha256(content).hexdigest()
    renamed = replace(row, sha256=sha256, earlier_name="")
    async with loose_files.holding([file_name(renamed)]):
        work = asyncio.to_thread(_place, folder / row.earlier_name, renamed, folder, content)
        if not await run_to_completion(work):
            return False
        return await store.pictures.replace(row, row.form, sha256)


def _read_unhashed(row: PictureRow, folder: Path) -> bytes | None:
    """Return a file without a known hash; None if it is gone.

    A crash of an earlier version may have left an original in the place of a preview.
    """
    content = read_picture(row, folder)
    if content is None or row.form is not PictureForm.PREVIEW:
        return content
    return make_preview(content) or content


def _place(earlier: Path, renamed: PictureRow, folder: Path, content: bytes | None) -> bool:
    """Give a file its new name, or write its ``content`` there; False if there is no file. Blocking.

    A whole file that has the new name stays.
    """
    path = folder / file_name(renamed)
    is_there, sha256 = path.is_file(), renamed.sha256
    if is_there and (not earlier.is_file() or path.samefile(earlier) or read_whole(path, sha256) is not None):
        return True
    if not earlier.is_file():
        return False
    if content is not None:
        save_pictures([renamed], [content], folder)
        return True
    make_subfolder(path.parent)
    with replacing(path) as draft:
        draft.unlink()
        try:
            os.link(earlier, draft)
        except OSError:  # a file system without hard links
            shutil.copyfile(earlier, draft)
        draft.chmod(FILE_MODE)
    return True
