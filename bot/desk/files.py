"""Pictures on the disk: writing, finding and deleting them, their space, and retries while the disk is full.

The database lists loose files: those that perhaps no picture names. Whoever writes a file, or lets a picture
name it, holds it until the picture's row is stored. So a file that another picture names is never deleted,
and a file that a crash left without a picture is deleted by the next start.
"""

import asyncio
import contextlib
import hashlib
import os
import re
import shutil
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import structlog

from bot.errors import CannotSave
from bot.outcomes import PictureFile
from bot.store import Store
from bot.store.database import run_to_completion
from bot.store.rows import JobRow, PictureForm, PictureRow
from engine.durable import make_folder, read_whole, sync_file, write_file
from engine.request import Picture

log = structlog.get_logger("bot.desk")

PICTURE_NAMES = re.compile(r"[0-9a-f]{64}\.png")  # the hash of its content
FOLDER_NAMES = re.compile(r"[0-9a-f]{2}")  # the first two characters of the hashes in it
EARLIER_NAMES = re.compile(r"[0-9a-zA-Z_-]{1,22}-\d{1,3}\.png")  # <job>-<index>.png
SAVE_AGAIN_S = 2.0  # a host frees space within minutes; a retry costs nothing
LOG_AGAIN_S = 60.0
SPACE_AGE_S = 1.0
DELETED_AT_ONCE = 50
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
        existing = [row for row in shown if (pictures_dir / file_name(row)).is_file()]
        damaged = [row.idx for row in existing if must_check and read_picture(row, pictures_dir) is None]
        files = [
            PictureFile(row.idx, row.seed, pictures_dir / file_name(row), row.sha256)
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
        content = read_whole(folder / file_name(picture), picture.sha256)
    except OSError as error:
        log.warning("picture missing", **facts, detail=str(error))
        return None
    if content is None:
        log.error("picture damaged on the disk", **facts, file=file_name(picture))
    return content


def file_name(picture: PictureRow) -> str:
    """Return the name of a picture's file, within the folder of the pictures; empty if it has expired."""
    return picture.earlier_name or (f"{picture.sha256[:2]}/{picture.sha256}.png" if picture.sha256 else "")


def name_pictures(job_id: str, pictures: Sequence[Picture]) -> tuple[PictureRow, ...]:
    """Return the rows of a job's pictures, which name their files. Blocking."""
    rows = [
        PictureRow(job_id, each.index, each.seed, hashlib.sha256(each.png).hexdigest()) for each in pictures
    ]
    return tuple(rows)


def save_pictures(rows: Sequence[PictureRow], contents: Sequence[bytes], folder: Path) -> None:
    """Write pictures durably, before their rows are stored; their files are held meanwhile. Blocking.

    A file that exists is written again: that repairs a damaged one, and takes the same time as a new one, so
    that nobody learns whether somebody has the same picture.

    Raises:
        OSError: The disk is full or read-only; what was written is loose.
    """
    for row, content in zip(rows, contents, strict=True):
        path = folder / file_name(row)
        if not path.parent.is_dir():
            make_subfolder(path.parent)
        write_file(path, content)


def make_subfolder(folder: Path) -> None:
    """Create a folder of picture files durably, unless it exists. Blocking."""
    make_folder(folder)
    sync_file(folder.parent)


def picture_folders(folder: Path) -> dict[Path, re.Pattern[str]]:
    """Return the folders that hold picture files, with the names that our files have there. Blocking."""
    found = {folder: EARLIER_NAMES}
    if folder.is_dir():
        with os.scandir(folder) as entries:
            subfolders = [each.name for each in entries if each.is_dir(follow_symlinks=False)]
        found |= {folder / name: PICTURE_NAMES for name in sorted(subfolders) if FOLDER_NAMES.fullmatch(name)}
    return found


class LooseFiles:
    """The only place where picture files are deleted.

    Attributes:
        folder: The folder of the pictures; created when the first one is saved.
        changed: Set when there may be files to delete.
    """

    def __init__(self, store: Store, folder: Path) -> None:
        self._store = store
        self.folder = folder
        self._held: Counter[str] = Counter()
        self._passed_over: set[str] = set()  # because they were held
        self._lock = asyncio.Lock()  # nobody adds a hold between its check and its deletion
        self.changed = asyncio.Event()

    @contextlib.asynccontextmanager
    async def holding(self, names: Collection[str]) -> AsyncIterator[None]:
        """Keep these files while the block writes them and lets pictures name them.

        Enter it outside a transaction. Files that no picture names afterwards are loose.

        Raises:
            CannotSave: The database cannot be written now; nothing is held.
        """
        async with self._lock:
            self._held.update(names)
        try:
            await self._store.pictures.loosen(names)
            yield
        except BaseException:
            self._passed_over.update(names)  # perhaps it wrote some of them
            raise
        finally:
            self._held.subtract(names)
            self._held += Counter()  # without zeros
            if not self._passed_over.isdisjoint(names):
                self._passed_over.difference_update(names)
                self.changed.set()

    async def delete(self) -> int:
        """Delete the loose files that no picture names and nobody holds; return the freed bytes.

        Raises:
            OSError: The system refuses some of them; the others are gone.
            CannotSave: The database cannot be written now.
        """
        names = await self._store.pictures.loose()
        freed_bytes = 0
        refused: list[OSError] = []
        for start in range(0, len(names), DELETED_AT_ONCE):
            freed, errors = await self._delete_unnamed(names[start : start + DELETED_AT_ONCE])
            freed_bytes += freed
            refused += errors
        if refused:
            raise refused[0]
        return freed_bytes

    async def _delete_unnamed(self, names: Sequence[str]) -> tuple[int, list[OSError]]:
        """Delete those of these files that no picture names; return the freed bytes, and what was refused."""
        async with self._lock:
            self._passed_over.update([name for name in names if name in self._held])
            free = [name for name in names if name not in self._held]
            async with self._store.atomic():  # no picture may stop naming a file in between
                named = await self._store.pictures.named(free)
                await self._store.pictures.settle(named)
            unnamed = [name for name in free if name not in named]
            gone, freed, errors = await run_to_completion(asyncio.to_thread(_unlink, self.folder, unnamed))
            await self._store.pictures.settle(gone)
        if gone:
            log.info("picture files deleted", count=len(gone))
        return freed, errors


def _unlink(folder: Path, names: Sequence[str]) -> tuple[list[str], int, list[OSError]]:
    """Delete files; return those that are gone, the bytes that they had, and what the system refused."""
    gone, freed, errors = [], 0, []
    for name in names:
        path = folder / name
        try:
            size = path.lstat().st_size
            path.unlink()
        except FileNotFoundError:
            size = 0
        except OSError as error:
            errors.append(error)
            continue
        freed += size
        gone.append(name)
    return gone, freed, errors
