"""Waiting jobs keep the LoRA files they were accepted with: each is copied before it can be replaced."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import structlog

from bot.desk.files import free_and_needed_bytes
from bot.desk.loras.shelf import LoraShelf
from bot.store.rows import JobRow
from engine.errors import LoraRejected
from engine.request import LoraChoice, LoraSource
from engine.shelf import (
    Shelf,
    drop_versions,
    keep_version,
    kept_versions,
    sources_of,
    version_path,
)

log = structlog.get_logger("bot.desk")

LIMIT_BYTES = 4 * 2**30  # 25 LoRAs of rank 32; copies that jobs need may exceed it
LOOK_EVERY_S = 0.5  # a job that waits less long reads the shelf's own file


class LoraVersions:
    """Copies what waiting jobs need and deletes it after them.

    Args:
        folder: Private; the worker reads it, too.
        shelf: Where the files are now.
        jobs: The jobs that wait or are drawn.
        reserve_bytes: What stays free on the disk. Without room nothing is copied, and a job fails if its
            file goes before it is drawn.
    """

    def __init__(
        self, folder: Path, shelf: LoraShelf, jobs: Callable[[], Iterable[JobRow]], reserve_bytes: int
    ) -> None:
        self._folder = folder
        self._shelf = shelf
        self._jobs = jobs
        self._reserve_bytes = reserve_bytes
        self._failed: set[str] = set()  # logged once

    def sources(self, loras: Sequence[LoraChoice]) -> tuple[LoraSource, ...]:
        """Return where LoRAs are: on the shelf, and where their copies are or will be."""
        shelf = self._shelf.files
        copies = (LoraSource(lora.sha256, version_path(self._folder, lora.sha256)) for lora in loras)
        return (*sources_of((*shelf.files.values(), *shelf.checking.values()), loras), *copies)

    async def run(self) -> None:
        """Keep the copies right until cancelled."""
        before: tuple[frozenset[str], Shelf] | None = None
        while True:
            needed = frozenset(lora.sha256 for job in self._jobs() for lora in job.recipe.loras)
            if (now := (needed, self._shelf.files)) != before:
                paths = {file.sha256: file.path for file in self._shelf.files.files.values()}
                before = now if await asyncio.to_thread(self._settle, needed, paths) else None
            await asyncio.sleep(LOOK_EVERY_S)

    def _settle(self, needed: frozenset[str], paths: Mapping[str, Path]) -> bool:
        """Copy and delete; False if a copy is missing that may succeed later. Blocking."""
        missing = (needed & paths.keys()) - kept_versions(self._folder).keys()
        is_whole = True
        for sha256 in missing:
            try:
                free, needed_free = free_and_needed_bytes(self._folder, self._reserve_bytes)
                if free - paths[sha256].stat().st_size < needed_free:
                    raise OSError("the disk is nearly full")
                keep_version(self._folder, sha256, paths[sha256])
            except (LoraRejected, OSError) as error:
                is_whole = False
                if sha256 not in self._failed:
                    self._failed.add(sha256)
                    log.warning(
                        "LoRA not copied for waiting jobs", path=str(paths[sha256]), detail=str(error)
                    )
        drop_versions(self._folder, needed, frozenset(paths), LIMIT_BYTES)
        return is_whole
