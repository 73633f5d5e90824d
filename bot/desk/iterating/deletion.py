"""Deletes the files of deleted jobs: those of this run at once, and at the start those that a crash left.

A job's files go first and the rows that name them afterwards, so every file is found until it is gone. The
worker's embeddings of prompts name no job: all of them go, and the next prompts are encoded again.
"""

import asyncio
import contextlib
from itertools import groupby
from pathlib import Path

import structlog

from bot.desk.files import delete_pictures
from bot.errors import CannotSave
from bot.store import Store

log = structlog.get_logger("bot.desk")

AGAIN_S = 60.0  # until files that the system did not let us delete are tried again


class PictureDeletion:
    """The loop that deletes files.

    Args:
        pictures_dir: The folder of the pictures.
        prompts_dir: The folder of the worker's embeddings of prompts.

    Attributes:
        changed: Set when a deleted job has files.
    """

    def __init__(self, store: Store, pictures_dir: Path, prompts_dir: Path) -> None:
        self._store = store
        self._prompts_dir = prompts_dir
        self._pictures_dir = pictures_dir
        self._is_closing = False
        self.changed = asyncio.Event()

    def close(self) -> None:
        """Delete what is left, once, and then let ``run`` return."""
        self._is_closing = True
        self.changed.set()

    async def run(self) -> None:
        """Delete until closed."""
        is_over = False
        while not is_over:
            is_over = self._is_closing
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
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0 if is_over else wait_s):
                    await self.changed.wait()

    async def delete_files(self) -> None:
        """Delete the files of every deleted job, and forget them.

        Raises:
            OSError: The system refuses.
            CannotSave: The database cannot be written now.
        """
        rows = await self._store.ended.pictures_to_delete()
        if rows:
            await asyncio.to_thread(_delete_all, self._prompts_dir)
        for job_id, found in groupby(rows, key=lambda row: row.job):
            pictures = tuple(found)
            await asyncio.to_thread(delete_pictures, pictures, self._pictures_dir)
            await self._store.ended.forget_pictures(job_id)
            log.info("pictures deleted", job_id=job_id, count=len(pictures))


def _delete_all(folder: Path) -> None:
    """Delete the files of a folder, drafts too; blocking."""
    for path in folder.glob("*"):
        path.unlink(missing_ok=True)
