"""Waiting jobs keep the LoRA files they were accepted with: each is copied before it can be replaced.

The copy begins when the job is accepted, and has the file open from then on: a file that is replaced by a
rename, or removed, is copied all the same. A job that is drawn before its copy is complete reads the shelf's
file; if that has gone meanwhile, it waits for the copy. What remains is a file that is overwritten in place,
before its copy is complete or after a change that the shelf has not noticed yet: there the accepted bytes
exist nowhere, and the job fails as LORA_MISSING, refunded in full.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import structlog

from bot.desk.drawing.loop import Renderer
from bot.desk.files import free_and_needed_bytes
from bot.desk.loras.shelf import LoraShelf
from bot.store.rows import JobRow
from engine.errors import LoraRejected
from engine.request import (
    Event,
    Failed,
    FailReason,
    Finished,
    LoraChoice,
    LoraSource,
    RenderRequest,
    Stopped,
)
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
LOOK_EVERY_S = 0.5  # unless a job is accepted


class LoraVersions:
    """Copies what waiting jobs need and deletes it after them.

    Args:
        folder: Private; the worker reads it, too.
        shelf: Where the files are now.
        jobs: The jobs that wait or are drawn; None while not all are known, so that no copy may go.
        reserve_bytes: What stays free on the disk now. Without room nothing is copied, and a job fails if its
            file goes before it is drawn.
    """

    def __init__(
        self,
        folder: Path,
        shelf: LoraShelf,
        jobs: Callable[[], Iterable[JobRow] | None],
        reserve_bytes: Callable[[], int],
    ) -> None:
        self._folder = folder
        self._shelf = shelf
        self._jobs = jobs
        self._reserve_bytes = reserve_bytes
        self._failed: set[str] = set()  # logged once
        self._settling = asyncio.Lock()
        self._is_asked = asyncio.Event()

    def sources(self, loras: Sequence[LoraChoice]) -> tuple[LoraSource, ...]:
        """Return where LoRAs are: on the shelf, and where their copies are or will be."""
        shelf = self._shelf.files
        copies = (LoraSource(lora.sha256, version_path(self._folder, lora.sha256)) for lora in loras)
        return (*sources_of((*shelf.files.values(), *shelf.checking.values()), loras), *copies)

    async def run(self) -> None:
        """Keep the copies right until cancelled."""
        before: tuple[frozenset[str] | None, Shelf] | None = None
        while True:
            self._is_asked.clear()
            if (now := (self._needed(), self._shelf.files)) != before:
                before = now if await self._settle_now() else None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._is_asked.wait()

    def look_soon(self) -> None:
        """Look now, because a job was accepted, rather than at the next time."""
        self._is_asked.set()

    async def ensure(self, loras: Sequence[LoraChoice]) -> bool:
        """Copy what jobs need, unless that is done; whether there is a copy of each of these LoRAs now."""
        await self._settle_now()
        return {lora.sha256 for lora in loras} <= (
            await asyncio.to_thread(kept_versions, self._folder)
        ).keys()

    def _needed(self) -> frozenset[str] | None:
        jobs = self._jobs()
        return None if jobs is None else frozenset(lora.sha256 for job in jobs for lora in job.recipe.loras)

    async def _settle_now(self) -> bool:
        async with self._settling:
            if (needed := self._needed()) is None:
                return False
            paths = {file.sha256: file.path for file in self._shelf.files.files.values()}
            return await asyncio.to_thread(self._settle, needed, paths)

    def _settle(self, needed: frozenset[str], paths: Mapping[str, Path]) -> bool:
        """Copy and delete; False if a copy is missing that may succeed later. Blocking."""
        missing = (needed & paths.keys()) - kept_versions(self._folder).keys()
        is_whole = True
        for sha256 in missing:
            try:
                free, needed_free = free_and_needed_bytes(self._folder, self._reserve_bytes())
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


class LocatedRenderer:
    """Implements ``bot.desk.drawing.loop.Renderer``: gives another renderer the places of LoRAs.

    Args:
        renderer: The other one.
        versions: Knows the files.
    """

    def __init__(self, renderer: Renderer, versions: LoraVersions) -> None:
        self._renderer = renderer
        self._versions = versions
        self.cancel = renderer.cancel
        self.withdraw = renderer.withdraw

    async def render(
        self, request: RenderRequest, listen: Callable[[Event], None]
    ) -> Finished | Stopped | Failed:
        """As the other; once again from the copies if a file has gone since the job was accepted."""
        end = await self._renderer.render(self._located(request), listen)
        has_gone = isinstance(end, Failed) and end.reason is FailReason.LORA_MISSING
        if has_gone and request.loras and await self._versions.ensure(request.loras):
            return await self._renderer.render(self._located(request), listen)
        return end

    def _located(self, request: RenderRequest) -> RenderRequest:
        return replace(request, lora_files=self._versions.sources(request.loras))

    def prefetch(self, loras: tuple[LoraChoice, ...], files: tuple[LoraSource, ...] = ()) -> None:
        """As the other; a job with LoRAs has just come near, perhaps by being accepted."""
        self._versions.look_soon()
        self._renderer.prefetch(loras, files or self._versions.sources(loras))
