"""``/mine export``: ZIP files of one's own pictures and settings, the newest first.

The files are made in a thread, for their person alone. Those of a person's last two exports stay a day, for a
delivery that fails. The event of the command is stored until its answer was sent, so after a crash the files
are made again.
"""

import asyncio
import contextlib
import csv
import io
import json
import secrets
import stat
import time
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bot.commands.finding.codes import format_recipe_code
from bot.commands.values import Export
from bot.desk.files import PictureSpace, file_name, read_picture
from bot.errors import ExportRunning, NoDiskSpace, NoPicturesYet
from bot.outcomes import CommandContext, ExportReady, Platform
from bot.policy.rules import require_private_chat
from bot.store import Store
from bot.store.finding.queries import JobPage
from bot.store.rows import JobRow, PictureRow
from engine.durable import FILE_MODE, make_folder, replacing

MOST_JOBS = 10_000  # of one person; a bot of two people who draw all day makes them in a year
PAGE_JOBS = 500
MOST_KEPT = 2  # of one person: the newest, and the one that may still be on its way
ROOM_BYTES = 8 * 2**20  # for the tables of MOST_JOBS and the directory of a ZIP
FIRST_S = 315_619_200.0  # 1980-01-02 in UTC: a ZIP knows no earlier time
TABLE_NAMES = ("settings.csv", "settings.json")
_FORMULA = ("=", "+", "-", "@")  # spreadsheets run a cell that begins so


@dataclass(frozen=True, slots=True)
class ExportLimits:
    """What a platform takes: so many files, each of so many bytes."""

    part_bytes: int
    parts: int


LIMITS = {
    Platform.DISCORD: ExportLimits(9 * 2**20, 2),  # 10 MiB a file, 25 MiB a message
    Platform.TELEGRAM: ExportLimits(45 * 2**20, 4),  # 50 MB a file
    Platform.WEB: ExportLimits(2 * 2**30, 1),
    Platform.CONSOLE: ExportLimits(2 * 2**30, 1),
}


class PictureExport:
    """Answers ``Export``; one at a time for all people, because it uses the disk.

    Args:
        folder: Holds the files for a day; created when the first one is made.
        clock: UTC milliseconds.
    """

    def __init__(
        self,
        *,
        store: Store,
        space: PictureSpace,
        pictures_dir: Path,
        folder: Path,
        clock: Callable[[], int],
        limits: dict[Platform, ExportLimits] | None = None,
    ) -> None:
        self._store = store
        self._space = space
        self._pictures_dir = pictures_dir
        self._folder = folder
        self._clock = clock
        self._limits = limits or LIMITS
        self._turn = asyncio.Lock()
        self._people: set[int] = set()
        self._made: defaultdict[int, list[tuple[Path, ...]]] = defaultdict(list)  # person → files, by age

    async def export(self, command: Export, context: CommandContext) -> ExportReady:
        """Make the files of the person's jobs.

        Raises:
            NotAllowed: NotInPublic.
            NotPossible: NoPicturesYet, ExportRunning, NoDiskSpace.
        """
        require_private_chat(command, context)
        async with self._store.atomic():
            person = await self._store.people.find_or_create(context, self._clock())
        if person in self._people:
            raise ExportRunning
        self._people.add(person)
        try:
            async with self._turn:
                return await self._make(person, self._limits[context.platform])
        finally:
            self._people.discard(person)

    async def _make(self, person: int, limits: ExportLimits) -> ExportReady:
        jobs, pictures = await self._read(person)
        if not jobs:
            raise NoPicturesYet
        made = self._made[person]
        while len(made) >= MOST_KEPT:
            await asyncio.to_thread(_delete, made.pop(0))
        available_bytes = await self._space.available_bytes() - ROOM_BYTES
        if available_bytes < 0:
            raise NoDiskSpace(free_bytes=available_bytes, needed_bytes=ROOM_BYTES)
        stem = f"sugarbot-{secrets.token_hex(8)}"
        ready = await asyncio.to_thread(self._write, stem, jobs, pictures, limits, available_bytes)
        made.append(ready.parts)
        return ready

    async def _read(self, person: int) -> tuple[list[JobRow], list[PictureRow]]:
        """Return the person's jobs, the newest first, and their pictures in the same order."""
        jobs: dict[str, JobRow] = {}  # a job accepted meanwhile moves one to the next page
        pictures: list[PictureRow] = []
        for offset in range(0, MOST_JOBS, PAGE_JOBS):
            page = await self._store.finding.page(JobPage(person, PAGE_JOBS, offset, most=MOST_JOBS))
            rows = await self._store.jobs.pictures_of([job.id for job in page])
            of_job: dict[str, list[PictureRow]] = {job.id: [] for job in page if job.id not in jobs}
            for row in rows:
                of_job.get(row.job, []).append(row)
            jobs |= {job.id: job for job in page}
            pictures += [row for found in of_job.values() for row in found]
            if len(page) < PAGE_JOBS:
                break
        return list(jobs.values()), pictures

    def _write(
        self,
        stem: str,
        jobs: Sequence[JobRow],
        pictures: Sequence[PictureRow],
        limits: ExportLimits,
        available_bytes: int,
    ) -> ExportReady:
        """Write the parts; of more pictures than fit, the newest. Blocking.

        Raises:
            OSError: The disk refused; no part is left.
        """
        make_folder(self._folder)
        files = list(self._existing(pictures))
        drawn_ms = {job.id: job.ended_ms or job.created_ms for job in jobs}
        paths: list[Path] = []
        considered = packed = 0
        try:
            for number in range(limits.parts):
                tables = _tables(jobs) if number == 0 else {}
                room = min(limits.part_bytes, available_bytes) - sum(map(len, tables.values())) - 2**12
                taken = _fitting(files[considered:], room)
                if not taken and not tables:
                    break
                path = self._folder / f"{stem}-{number + 1}.zip"
                packed += self._pack(path, tables, taken, drawn_ms)
                available_bytes -= path.stat().st_size
                paths.append(path)
                considered += len(taken)
        except OSError:
            _delete(paths)
            raise
        left_out = len(files) - considered
        return ExportReady(tuple(paths), packed, left_out, len(pictures) - packed - left_out)

    def _existing(self, pictures: Sequence[PictureRow]) -> Iterator[tuple[PictureRow, int]]:
        """Yield each picture that is still on the disk, with the bytes of its file."""
        for picture in pictures:
            with contextlib.suppress(FileNotFoundError):
                if file_name(picture):  # not expired
                    yield picture, (self._pictures_dir / file_name(picture)).stat().st_size

    def _pack(
        self,
        path: Path,
        tables: dict[str, bytes],
        pictures: Sequence[PictureRow],
        drawn_ms: Mapping[str, int],
    ) -> int:
        """Write one ZIP, whole or not at all, for its owner alone.

        Returns:
            How many pictures are in it: damaged ones are left out.
        """
        count = 0
        with replacing(path) as draft:  # PNG files are compressed already
            with zipfile.ZipFile(draft, "w", zipfile.ZIP_STORED, strict_timestamps=False) as packed:
                for name, table in tables.items():
                    packed.writestr(name, table, zipfile.ZIP_DEFLATED)
                for picture in pictures:
                    if (content := read_picture(picture, self._pictures_dir)) is not None:
                        packed.writestr(_entry(picture, drawn_ms[picture.job]), content)
                        count += 1
            draft.chmod(FILE_MODE)
        return count


def _entry(picture: PictureRow, drawn_ms: int) -> zipfile.ZipInfo:
    """Return the entry of a picture: its name, and when it was drawn.

    Its file may be older or newer: somebody else may have the same picture, which nobody may learn here.
    """
    entry = zipfile.ZipInfo(_entry_name(picture), time.localtime(max(drawn_ms / 1_000, FIRST_S))[:6])
    entry.external_attr = (stat.S_IFREG | FILE_MODE) << 16
    return entry


def _entry_name(picture: PictureRow) -> str:
    return f"{picture.job}-{picture.idx}.png"


def _delete(paths: Sequence[Path]) -> None:
    for path in paths:
        with contextlib.suppress(OSError):
            path.unlink()


def _fitting(files: Sequence[tuple[PictureRow, int]], room: int) -> list[PictureRow]:
    """Return the first pictures whose files fit together into ``room`` bytes."""
    taken: list[PictureRow] = []
    for picture, size in files:
        room -= size + 2 * (30 + 46 + len(_entry_name(picture)))  # the headers of a ZIP's entry
        if room < 0:
            break
        taken.append(picture)
    return taken


def _tables(jobs: Sequence[JobRow]) -> dict[str, bytes]:
    """Return the settings of all jobs as CSV and as JSON."""
    rows = [_settings_of(job) for job in jobs]
    table = io.StringIO()
    writer = csv.DictWriter(table, list(rows[0]))
    writer.writeheader()
    writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)
    as_json = json.dumps(rows, ensure_ascii=False, indent=1)
    return dict(zip(TABLE_NAMES, (table.getvalue().encode("utf-8-sig"), as_json.encode()), strict=True))


def _settings_of(job: JobRow) -> dict[str, object]:
    recipe = job.recipe
    return {
        "job": job.id,
        "recipe": format_recipe_code(recipe.code),
        "created": datetime.fromtimestamp(job.created_ms / 1_000, UTC).isoformat(timespec="seconds"),
        "state": job.state,
        "prompt": recipe.typed,
        "trigger_words": ", ".join(recipe.triggers),
        "loras": ", ".join(f"{lora.name}:{lora.weight:g}" for lora in recipe.loras),
        "width": recipe.width_px,
        "height": recipe.height_px,
        "seed": recipe.seed,
        "pictures": recipe.count,
        "steps": recipe.steps,
        "private": job.private,
    }


def _cell(value: object) -> object:
    """Keep a spreadsheet from reading text as a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
