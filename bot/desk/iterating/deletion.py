"""Deletes the files of deleted jobs: those of this run at once, and at the start those that a crash left.

A job's files go first and the rows that name them afterwards, so every file is found until it is gone.
"""

import asyncio
from itertools import groupby
from pathlib import Path

import structlog

from bot.desk.files import delete_pictures, retry_while_full
from bot.errors import CannotSave
from bot.store import Store

log = structlog.get_logger("bot.desk")

AGAIN_S = 60.0  # until files that the system did not let us delete are tried again


class PictureDeletion:
    """The loop that deletes files.

    Args:
        pictures_dir: The folder of the pictures.

    Attributes:
        changed: Set when a deleted job has files.
    """

    def __init__(self, store: Store, pictures_dir: Path) -> None:
        self._store = store
        self._pictures_dir = pictures_dir
        self.changed = asyncio.Event()

    async def run(self) -> None:
        """Delete until cancelled."""
        while True:
            self.changed.clear()
            wait_s: float | None = None
            try:
                await self.delete_files()
            except (CannotSave, OSError) as error:
                log.warning("pictures not deleted", error=type(error).__name__, detail=str(error))
                wait_s = AGAIN_S
            except Exception:  # supervision: a failed deletion must not end the bot
                log.exception("pictures not deleted")
                wait_s = AGAIN_S
            try:
                async with asyncio.timeout(wait_s):
                    await self.changed.wait()
            except TimeoutError:
                continue

    async def delete_files(self) -> None:
        """Delete the files of every deleted job, and forget them.

        Raises:
            OSError: The system refuses.
        """
        rows = await retry_while_full(self._store.ended.pictures_to_delete)
        for job_id, found in groupby(rows, key=lambda row: row.job):
            pictures = tuple(found)
            await asyncio.to_thread(delete_pictures, pictures, self._pictures_dir)
            await self._store.ended.forget_pictures(job_id)
            log.info("pictures deleted", job_id=job_id, count=len(pictures))
