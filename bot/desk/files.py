"""The disk: pictures complete under their name or absent, room for them, and patience while it is full."""

import asyncio
import re
import shutil
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import structlog

from bot.errors import CannotSave, NoDiskSpace
from bot.store.rows import PictureRow
from engine.durable import make_folder, write_file
from engine.request import Picture

log = structlog.get_logger("bot.desk")

PICTURE_NAMES = re.compile(r"[0-9a-zA-Z_-]{1,22}-\d{1,3}\.png")  # <job>-<index>.png
SAVE_AGAIN_S = 2.0  # a host makes room within minutes; a try costs nothing
LOG_AGAIN_S = 60.0
SPACE_AGE_S = 1.0
SMALL_DISK_PARTS = 20  # on a small disk the reserve is at most this part of it
Result = TypeVar("Result")


class LogLimiter:
    """Logs a condition that many jobs meet at most once a minute, with how often it was met since."""

    def __init__(self, event: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._event = event
        self._clock = clock
        self._next_s = float("-inf")
        self._unlogged = 0

    def error(self, **facts: Any) -> None:
        """Log the condition, unless that was done within the last minute."""
        self._unlogged += 1
        if self._clock() >= self._next_s:
            log.error(self._event, times=self._unlogged, **facts)
            self._next_s, self._unlogged = self._clock() + LOG_AGAIN_S, 0


_unsaved = LogLimiter("nothing can be saved, trying again")


def _never() -> bool:
    return False


async def saved(work: Callable[[], Awaitable[Result]], is_closing: Callable[[], bool] = _never) -> Result:
    """Do ``work``, again and again while the disk takes nothing or the database is locked.

    Raises:
        CannotSave: It did not go, and ``is_closing``: the next start finds what is missing.
    """
    while True:
        try:
            return await work()
        except CannotSave as error:
            _unsaved.error(detail=error.facts["detail"])
            if is_closing():
                raise
        await asyncio.sleep(SAVE_AGAIN_S)


def free_and_needed_bytes(folder: Path, reserve_bytes: int) -> tuple[int, int]:
    """Bytes free on the disk of ``folder`` (which need not exist yet), and how many pictures leave free.

    That is ``reserve_bytes``, but on a small disk at most a twentieth of it. Blocking.
    """
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    usage = shutil.disk_usage(there)
    return usage.free, min(reserve_bytes, usage.total // SMALL_DISK_PARTS)


class PictureSpace:
    """Whether the disk has room for pictures; measured off the loop, at most once a second.

    Args:
        folder: Where pictures are saved.
        reserve_bytes: What pictures leave free, for the database and the rest of the machine.
    """

    def __init__(self, folder: Path, reserve_bytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder = folder
        self._reserve_bytes = reserve_bytes
        self._clock = clock
        self._measured_s = float("-inf")
        self._room_bytes = 0
        self._full = LogLimiter("disk full: waiting jobs are not drawn", clock)

    async def room_bytes(self) -> int:
        """How many bytes pictures may take; negative below the reserve.

        A disk that cannot be measured has room: its own failure then says more than a guess here would.
        """
        if self._clock() >= self._measured_s + SPACE_AGE_S:
            try:
                free, needed = await asyncio.to_thread(
                    free_and_needed_bytes, self._folder, self._reserve_bytes
                )
                self._room_bytes = free - needed
            except OSError:
                self._room_bytes = 2**62
            self._measured_s = self._clock()
        return self._room_bytes

    async def has_room(self) -> bool:
        """Whether the next job may be drawn; where not, the log says so once a minute."""
        room_bytes = await self.room_bytes()
        if room_bytes < 0:
            self._full.error(missing_mib=-(room_bytes // 2**20), folder=str(self._folder))
        return room_bytes >= 0


def require_space(width_px: int, height_px: int, count: int, room_bytes: int) -> None:
    """Return if so many pictures of this size fit into ``room_bytes``, each taken as large as a PNG can be.

    Raises:
        NoDiskSpace: They do not fit; nothing was written.
    """
    needed_bytes = count * (3 * width_px * height_px + 2**16)
    if needed_bytes > room_bytes:
        raise NoDiskSpace(free_bytes=room_bytes, needed_bytes=needed_bytes)


def save_pictures(job_id: str, pictures: Sequence[Picture], folder: Path) -> tuple[PictureRow, ...]:
    """Write a job's pictures durably, before their rows; a later try of the job replaces them. Blocking.

    Raises:
        OSError: The disk is full or read-only; none of the job's new pictures is left.
    """
    make_folder(folder)
    rows = []
    try:
        for picture in pictures:
            name = f"{job_id}-{picture.index}.png"
            write_file(folder / name, picture.png)
            rows.append(PictureRow(job=job_id, idx=picture.index, seed=picture.seed, file_name=name))
    except OSError:
        for row in rows:
            (folder / row.file_name).unlink(missing_ok=True)
        raise
    return tuple(rows)
