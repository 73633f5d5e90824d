"""The pictures that drawings begin with: whether they exist, and their files when the drawing is claimed."""

import asyncio
from pathlib import Path

import structlog

from bot.outcomes import Recipe, Start
from bot.store import Store
from engine.request import StartPicture

log = structlog.get_logger("bot.desk")


class StartPictures:
    """Finds and reads the files of start pictures.

    Args:
        pictures_dir: The folder of the finished pictures.
    """

    def __init__(self, store: Store, pictures_dir: Path) -> None:
        self._store = store
        self._pictures_dir = pictures_dir

    async def exists(self, start: Start) -> bool:
        """Whether the file of a start picture is there. Call it outside a transaction: it reads the disk."""
        path = await self._find(start)
        return path is not None and await asyncio.to_thread(path.is_file)

    async def read(self, recipe: Recipe) -> StartPicture | None:
        """Return the picture that a recipe begins with; None without one, or if its file cannot be read."""
        if (start := recipe.start) is None:
            return None
        if (path := await self._find(start)) is None:
            return None
        try:
            png = await asyncio.to_thread(path.read_bytes)
        except OSError as error:
            log.warning("start picture missing", start_job=start.job_id, index=start.index, detail=str(error))
            return None
        return StartPicture(png, start.strength)

    async def _find(self, start: Start) -> Path | None:
        rows = await self._store.jobs.pictures_of([start.job_id])
        row = next((row for row in rows if row.idx == start.index), None)
        return self._pictures_dir / row.file_name if row else None
