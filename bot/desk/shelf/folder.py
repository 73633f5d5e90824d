"""The LoRA folder while the bot runs: reads it again, checks a new file, and tries a LoRA out."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import structlog

from bot.desk.loras.shelf import LoraShelf
from bot.desk.shelf.trials import TrialPictures
from engine.checkpoint.model import ModelInfo
from engine.errors import LoraRejected
from engine.shelf import LoraFile, Shelf, check_file_numbers, read_shelf

log = structlog.get_logger("bot.desk")


class LiveFolder:
    """Implements ``bot.desk.shelf.management.LoraFolder``.

    Args:
        folders: All folders of the shelf; the last one is the host's own.
        model: What the files must fit.
        shelf: Gets every new shelf.
        trials: Draws trial pictures.
    """

    def __init__(
        self, *, folders: Sequence[Path], model: ModelInfo, shelf: LoraShelf, trials: TrialPictures
    ) -> None:
        self.folder = folders[-1]
        self._folders = folders
        self._model = model
        self._shelf = shelf
        self._trials = trials
        self._reading = asyncio.Lock()

    @property
    def shelf(self) -> Shelf:
        """The shelf as it is now."""
        return self._shelf.files

    async def reload(self) -> Shelf:
        """Read the folders now and return the new shelf."""
        async with self._reading:
            shelf = await asyncio.to_thread(read_shelf, self._folders, self._model)
            self._shelf.replace(shelf)
            return shelf

    async def examine(self, path: Path) -> LoraFile:
        """Prove a file that is alone in its folder, and its numbers.

        Raises:
            LoraRejected: Its class says why.
        """
        shelf = await asyncio.to_thread(read_shelf, [path.parent], self._model)
        for refused in shelf.rejected:
            raise refused.error
        for file in shelf.files.values():
            await asyncio.to_thread(check_file_numbers, file.path, file.sha256, self._model)
            return file
        raise LoraRejected

    async def try_out(self, file: LoraFile) -> None:
        """Read all its numbers, then see ``TrialPictures.verify``."""
        await asyncio.to_thread(check_file_numbers, file.path, file.sha256, self._model)
        await self._trials.verify(file)
