"""Pictures on the disk: writing and finding them, the space for them, and retries while the disk is full."""

import asyncio
import hashlib
import re
import shutil
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import structlog

from bot.errors import CannotSave
from bot.outcomes import PictureFile
from bot.store.rows import JobRow, PictureForm, PictureRow
from engine.durable import make_folder, write_file
from engine.request import Picture

log = structlog.get_logger("bot.desk")

PICTURE_NAMES = re.compile(r"[0-9a-zA-Z_-]{1,22}-\d{1,3}\.png")  # <job>-<index>.png
SAVE_AGAIN_S = 2.0  # a host frees space within minutes; a retry costs nothing
LOG_AGAIN_S = 60.0
SPACE_AGE_S = 1.0
SMALL_DISK_PARTS = 20  # on a small disk the reserve is at most this part of it
Result = TypeVar("Result")


class LogLimiter:
    """Logs a condition that many jobs meet at most once a minute, with the number of occurrences."""

    def __init__(self, event: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._event = event
        self._clock = clock
        self._next_s = float("-inf")
        self._unlogged = 0

    def error(self, **facts: Any) -> None:
        """Log the condition, unless it was logged within the last minute."""
        self._unlogged += 1
        if self._clock() >= self._next_s:
            log.error(self._event, times=self._unlogged, **facts)
            self._next_s, self._unlogged = self._clock() + LOG_AGAIN_S, 0


_unsaved = LogLimiter("nothing can be saved, trying again")


def _never() -> bool:
    return False


async def retry_while_full(
    work: Callable[[], Awaitable[Result]], is_closing: Callable[[], bool] = _never
) -> Result:
    """Do ``work``; repeat it while the disk is full or the database is locked.

    Raises:
        CannotSave: It failed and ``is_closing``. The next start repairs what is missing.
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
    """Return the free bytes on the disk of ``folder`` (which need not exist), and how many must stay free.

    ``reserve_bytes`` stay free, but on a small disk at most a twentieth of it. Blocking.
    """
    existing = folder.absolute()
    while not existing.exists():
        existing = existing.parent
    usage = shutil.disk_usage(existing)
    return usage.free, min(reserve_bytes, usage.total // SMALL_DISK_PARTS)


class PictureSpace:
    """The disk space for pictures; measured in a thread, at most once a second.

    Args:
        folder: The folder of the pictures.
        reserve_bytes: What pictures leave free now, for the database and the rest of the machine.
    """

    def __init__(
        self, folder: Path, reserve_bytes: Callable[[], int], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._folder = folder
        self._reserve_bytes = reserve_bytes
        self._clock = clock
        self._measured_s = float("-inf")
        self._available_bytes = 0
        self._full = LogLimiter("disk full: no job is drawn", clock)

    async def available_bytes(self) -> int:
        """Return how many bytes pictures may use; negative, and logged, if less than the reserve is free.

        A disk that cannot be measured counts as empty: writing to it then reports the real error.
        """
        if self._clock() >= self._measured_s + SPACE_AGE_S:
            try:
                free, needed = await asyncio.to_thread(
                    free_and_needed_bytes, self._folder, self._reserve_bytes()
                )
                self._available_bytes = free - needed
            except OSError:
                self._available_bytes = 2**62
            self._measured_s = self._clock()
        if self._available_bytes < 0:
            self._full.error(missing_mib=-(self._available_bytes // 2**20), folder=str(self._folder))
        return self._available_bytes


@dataclass(frozen=True, slots=True)
class SavedPictures:
    """A job's pictures that are on the disk, in order, and how many are no longer there.

    Attributes:
        damaged: The indices of those whose file has other bytes than it was written with.
        previews: How many are small copies, because the originals have expired.
    """

    files: tuple[PictureFile, ...]
    missing: int
    damaged: tuple[int, ...] = ()
    previews: int = 0


def find_pictures(
    rows: Sequence[PictureRow], pictures_dir: Path, jobs: Sequence[JobRow], *, must_check: bool = False
) -> dict[str, SavedPictures]:
    """Return what people see of these jobs, by job id. Blocking; call it outside a transaction.

    Args:
        rows: The pictures of these jobs.
        pictures_dir: The folder of the finished pictures.
        jobs: Whose pictures to find.
        must_check: Read each file, and leave out those that are damaged.
    """
    found = {}
    for job in jobs:
        shown = [row for row in rows if row.job == job.id]
        if job.recipe.sheet is not None:
            shown = [row for row in shown if job.recipe.is_shown(row.idx)]
        existing = [row for row in shown if (pictures_dir / row.file_name).is_file()]
        damaged = [row.idx for row in existing if must_check and read_picture(row, pictures_dir) is None]
        files = [
            PictureFile(index=row.idx, seed=row.seed, path=pictures_dir / row.file_name)
            for row in existing
            if row.idx not in damaged
        ]
        previews = [row for row in existing if row.form is PictureForm.PREVIEW]
        missing = len(shown) - len(existing)
        found[job.id] = SavedPictures(tuple(files), missing, tuple(damaged), len(previews))
    return found


def read_picture(picture: PictureRow, folder: Path) -> bytes | None:
    """Return the file of a picture; None, and a line in the log, if it is gone or damaged. Blocking."""
    facts = {"job_id": picture.job, "index": picture.idx}
    try:
        content = (folder / picture.file_name).read_bytes()
    except OSError as error:
        log.warning("picture missing", **facts, detail=str(error))
        return None
    if picture.sha256 and hashlib.sha256(content).hexdigest() != picture.sha256:
        log.error("picture damaged on the disk", **facts, file=picture.file_name)
        return None
    return content


def save_pictures(job_id: str, pictures: Sequence[Picture], folder: Path) -> tuple[PictureRow, ...]:
    """Write a job's pictures durably, before their rows; a later attempt replaces them. Blocking.

    Raises:
        OSError: The disk is full or read-only; the job's new pictures are deleted.
    """
    if not folder.is_dir():
        make_folder(folder)
    rows = []
    try:
        for picture in pictures:
            name = f"{job_id}-{picture.index}.png"
            write_file(folder / name, picture.png)
            sha256 = hashlib.sha256(picture.png).hexdigest()
            rows.append(PictureRow(job_id, picture.index, picture.seed, name, sha256))
    except OSError:
        for row in rows:
            (folder / row.file_name).unlink(missing_ok=True)
        raise
    return tuple(rows)


def delete_pictures(pictures: Sequence[PictureRow], folder: Path) -> None:
    """Delete the files of pictures that nobody may see. Blocking."""
    for picture in pictures:
        (folder / picture.file_name).unlink(missing_ok=True)
