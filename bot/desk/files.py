"""The disk: pictures complete under their name or not there, and patience while it takes nothing."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

import structlog

from bot.errors import CannotSave
from bot.store.rows import PictureRow
from engine.request import Picture

log = structlog.get_logger("bot.desk")

SAVE_AGAIN_S = 2.0  # a host makes room within minutes; a try costs nothing
Result = TypeVar("Result")


def _never() -> bool:
    return False


async def saved(work: Callable[[], Awaitable[Result]], is_closing: Callable[[], bool] = _never) -> Result:
    """Do ``work``, again and again while the disk takes nothing.

    Raises:
        CannotSave: It did not go, and ``is_closing``: the next start finds what is missing.
    """
    while True:
        try:
            return await work()
        except CannotSave as error:
            log.error("nothing can be saved, trying again", detail=error.facts["detail"])
            if is_closing():
                raise
        await asyncio.sleep(SAVE_AGAIN_S)


def save_pictures(job_id: str, pictures: Sequence[Picture], folder: Path) -> tuple[PictureRow, ...]:
    """Write a job's pictures durably, before their rows; a later try of the job replaces them. Blocking.

    Raises:
        OSError: The disk is full or read-only; what was written is harmless.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = tuple(_save(job_id, picture, folder) for picture in pictures)
    if rows:
        _sync_folder(folder)
    return rows


def _save(job_id: str, picture: Picture, folder: Path) -> PictureRow:
    name = f"{job_id}-{picture.index}.png"
    unfinished = folder / f"{name}.part"
    with unfinished.open("wb") as file:
        file.write(picture.png)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(folder / name)
    return PictureRow(job=job_id, idx=picture.index, seed=picture.seed, file_name=name)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)  # the rename itself
    finally:
        os.close(descriptor)
