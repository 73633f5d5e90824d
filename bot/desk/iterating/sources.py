"""The pictures that drawings begin with: whether they exist, and their files when the drawing is taken."""

import asyncio
from pathlib import Path

from bot.desk.files import read_picture
from bot.outcomes import Recipe, Start
from bot.store import Store
from bot.store.rows import PictureForm
from engine.request import StartPicture


class StartPictures:
    """Finds and reads the files of start pictures.

    Args:
        pictures_dir: The folder of the finished pictures.
    """

    def __init__(self, store: Store, pictures_dir: Path) -> None:
        self._store = store
        self._pictures_dir = pictures_dir

    async def exists(self, start: Start) -> bool:
        """Whether the original of a start picture is there. It reads the disk: no transaction may be open."""
        return await self._read(start) is not None

    async def read(self, recipe: Recipe) -> StartPicture | None:
        """Return the picture that a recipe begins with; None without one, or without its whole original."""
        if (start := recipe.start) is None:
            return None
        png = await self._read(start)
        return None if png is None else StartPicture(png, start.strength)

    async def _read(self, start: Start) -> bytes | None:
        rows = await self._store.jobs.pictures_of([start.job_id])
        row = next((row for row in rows if row.idx == start.index), None)
        if row is None or row.form is PictureForm.PREVIEW:
            return None
        return await asyncio.to_thread(read_picture, row, self._pictures_dir)
