"""Replaces originals by small previews: old ones, and the oldest while the disk is below its reserve.

A preview is a file of its own. It is written before the picture names it, in one transaction, and then the
original goes, unless another picture names it. So after a crash a picture has the one file or the other.
"""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import structlog

from bot.desk.files import LooseFiles, PictureSpace, file_name, read_picture, save_pictures
from bot.errors import CannotSave
from bot.pictures.preview import make_preview
from bot.settings.sections import StorageSettings
from bot.store import Store
from bot.store.database import run_to_completion
from bot.store.rows import PictureForm, PictureRow

LOOK_EVERY_S = 60.0
DAY_MS = 86_400_000
LEAST_AGE_MS = 3_600_000  # on a full disk, too: what was just drawn is still being used
BATCH = 50

log = structlog.get_logger("bot.desk")


class OriginalsRetention:
    """Keeps originals for the days of the settings, and previews after that.

    Args:
        store: Knows which pictures are originals.
        loose_files: Keeps a preview until its picture names it, and deletes the original.
        space: The disk of the pictures.
        settings: Those that count now; with 0 days an original stays as long as its picture.
        clock: UTC milliseconds.
    """

    def __init__(
        self,
        *,
        store: Store,
        loose_files: LooseFiles,
        space: PictureSpace,
        settings: Callable[[], StorageSettings],
        clock: Callable[[], int],
    ) -> None:
        self._store = store
        self._loose_files = loose_files
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
        forms = [PictureForm.ORIGINAL]
        due = await self._store.pictures.before(self._clock() - age_ms, forms, BATCH)
        freed_bytes = 0
        for row in due:
            freed_bytes += await self._replace(row)
        if freed_bytes:
            log.info("originals replaced by previews", count=len(due), freed_mib=freed_bytes >> 20)
        return len(due)

    async def _replace(self, row: PictureRow) -> int:
        """Make the preview of a picture, let the picture name it, and return the freed bytes."""
        preview = await asyncio.to_thread(_preview_of, row, self._loose_files.folder)
        if preview is None:  # small, gone, or damaged, which its hash goes on to show
            await self._store.pictures.set_form(row, PictureForm.SMALL)
            return 0
        sha256 = hashlib.sha256(preview).hexdigest()
        replaced = replace(row, form=PictureForm.PREVIEW, sha256=sha256, earlier_name="")
        async with self._loose_files.holding([file_name(replaced)]):
            work = asyncio.to_thread(save_pictures, [replaced], [preview], self._loose_files.folder)
            await run_to_completion(work)
            await self._store.pictures.replace(row, PictureForm.PREVIEW, sha256)
        return await self._loose_files.delete() - len(preview)


def _preview_of(row: PictureRow, folder: Path) -> bytes | None:
    """Return the preview of a picture; None if it needs none, is gone or is damaged. Blocking."""
    original = read_picture(row, folder)
    return None if original is None else make_preview(original)
