"""Replaces originals by small previews: old ones, and the oldest while the disk is below its reserve.

The row is marked before the file is replaced, and gets the preview's hash after it. So a crash leaves a row
without a hash, whose preview is made again; a picture is never taken for a damaged one.
"""

import asyncio
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import structlog

from bot.desk.files import PictureSpace, read_picture
from bot.errors import CannotSave
from bot.pictures.preview import make_preview
from bot.settings.sections import StorageSettings
from bot.store import Store
from bot.store.rows import PictureForm, PictureRow
from engine.durable import write_file

LOOK_EVERY_S = 60.0
DAY_MS = 86_400_000
LEAST_AGE_MS = 3_600_000  # on a full disk, too: what was just drawn is still being used
BATCH = 50

log = structlog.get_logger("bot.desk")


class OriginalsRetention:
    """Keeps originals for the days of the settings, and previews after that.

    Args:
        store: Knows which pictures are originals.
        pictures_dir: Holds their files.
        space: The disk of the pictures.
        settings: Those that count now; with 0 days an original stays as long as its picture.
        clock: UTC milliseconds.
    """

    def __init__(
        self,
        *,
        store: Store,
        pictures_dir: Path,
        space: PictureSpace,
        settings: Callable[[], StorageSettings],
        clock: Callable[[], int],
    ) -> None:
        self._store = store
        self._pictures_dir = pictures_dir
        self._space = space
        self._settings = settings
        self._clock = clock

    async def run(self) -> None:
        """Look every minute until cancelled."""
        while True:
            try:
                while await self.work():
                    pass
            except (CannotSave, OSError) as error:
                log.warning("originals stay for now", detail=str(error))
            await asyncio.sleep(LOOK_EVERY_S)

    async def work(self) -> int:
        """Replace a batch of originals that are due, and return how many rows it settled."""
        days = self._settings().keep_originals_days
        if not days:
            return 0
        is_full = await self._space.available_bytes() < 0
        age_ms = LEAST_AGE_MS if is_full else days * DAY_MS
        needed = frozenset(await self._store.outbox.needed_pictures())
        found = await self._store.jobs.originals_before(self._clock() - age_ms, BATCH + len(needed))
        due = [row for row in found if row.file_name not in needed][:BATCH]
        freed_bytes = 0
        for row in due:
            freed_bytes += await self._replace(row)
        if freed_bytes:
            log.info("originals replaced by previews", count=len(due), freed_mib=freed_bytes >> 20)
        return len(due)

    async def _replace(self, row: PictureRow) -> int:
        """Make the preview of a picture, put it in the original's place, and return the freed bytes."""
        path = self._pictures_dir / row.file_name
        original, preview = await asyncio.to_thread(_read_both, row, self._pictures_dir)
        if preview is None:  # small, a preview already, gone, or damaged, which its hash goes on to show
            form = PictureForm.PREVIEW if row.form is PictureForm.PREVIEW else PictureForm.SMALL
            sha256 = hashlib.sha256(original).hexdigest() if form is PictureForm.PREVIEW else row.sha256
            await self._store.jobs.set_picture_form(row, form, sha256)
            return 0
        await self._store.jobs.set_picture_form(row, PictureForm.PREVIEW, "")
        await asyncio.to_thread(_write_as_old, path, preview)
        sha256 = hashlib.sha256(preview).hexdigest()
        if not await self._store.jobs.set_picture_form(row, PictureForm.PREVIEW, sha256):
            await asyncio.to_thread(path.unlink, missing_ok=True)  # its job was deleted meanwhile
        return len(original) - len(preview)


def _read_both(row: PictureRow, folder: Path) -> tuple[bytes, bytes | None]:
    """Return a picture and its preview; no bytes if the file is gone or damaged."""
    original = read_picture(row, folder)
    return (b"", None) if original is None else (original, make_preview(original))


def _write_as_old(path: Path, preview: bytes) -> None:
    """Replace the file; it keeps its time, by which pictures expire."""
    status = path.stat()
    write_file(path, preview)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
