"""How long pictures are kept: after their days they expire, and files that no picture names go with them."""

import asyncio
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import structlog

from bot.desk.files import LooseFiles, PictureSpace, picture_folders
from bot.desk.retention.renaming import rename_earlier_files
from bot.store import Store
from bot.store.rows import PictureForm

DAY_MS = 86_400_000
BATCH = 50
_ALL_FORMS = [form for form in PictureForm if form is not PictureForm.EXPIRED]

log = structlog.get_logger("bot.desk.maintenance")


class PictureExpiry:
    """Daily work on the files of pictures.

    Args:
        store: Knows the pictures.
        loose_files: Deletes what they do not name any more.
        space: The disk of the pictures.
        keep_days: Older pictures expire, and ``/mine`` reports it; 0 keeps them for ever.
    """

    def __init__(
        self,
        *,
        store: Store,
        loose_files: LooseFiles,
        space: PictureSpace,
        keep_days: Callable[[], int],
    ) -> None:
        self._store = store
        self._loose_files = loose_files
        self._space = space
        self._keep_days = keep_days

    async def tidy(self, now_ms: int) -> None:
        """Rename files with earlier names, let old pictures expire, and delete what no picture names.

        Undelivered pictures are kept, and those with which a waiting job begins.

        Raises:
            OSError: The system refuses.
            CannotSave: The database cannot be written now.
        """
        await rename_earlier_files(self._store, self._loose_files, self._space)
        if days := self._keep_days():
            before_ms, expired = now_ms - days * DAY_MS, 0
            while count := await self._store.pictures.expire(before_ms, _ALL_FORMS, BATCH):
                expired += count
            await self._loosen_unknown(before_ms / 1_000)
            if expired:
                log.info("old pictures expired", count=expired, days=days)
        await self._loose_files.delete()

    async def _loosen_unknown(self, oldest_s: float) -> None:
        """Let old files that no picture names become loose.

        They belong to a database that a restore replaced, so they stay as long as pictures do.
        """
        old = await asyncio.to_thread(lambda: tuple(_old_files(self._loose_files.folder, oldest_s)))
        for start in range(0, len(old), BATCH):
            batch = old[start : start + BATCH]
            named = await self._store.pictures.named(batch)
            await self._store.pictures.loosen(set(batch) - named)


def _old_files(folder: Path, oldest_s: float) -> Iterator[str]:
    """Yield the names of our files that are older, within the pictures folder. Blocking."""
    for place, names in picture_folders(folder).items():
        if not place.is_dir():
            continue
        with os.scandir(place) as entries:
            for entry in entries:
                if names.fullmatch(entry.name):
                    status = entry.stat(follow_symlinks=False)
                    if stat.S_ISREG(status.st_mode) and status.st_mtime < oldest_s:
                        yield str(Path(entry.path).relative_to(folder))
