"""Pictures on the disk: complete under their name, or not there."""

import os
from collections.abc import Sequence
from pathlib import Path

from bot.store.rows import PictureRow
from engine.request import Picture


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
