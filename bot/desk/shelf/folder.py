"""The LoRA folder while the bot runs: notices changes, reads them, and tries every new file out.

A file is offered once its trial picture is good. The verdict on a content is remembered for the weights of
the model, so that a restart draws no trial picture again, and another checkpoint of the same name draws all.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from copy import copy
from pathlib import Path

import structlog

from bot.desk.loras.shelf import LoraShelf
from bot.desk.shelf.trials import TRIAL_S, TrialPictures
from bot.errors import CannotSave
from bot.store import Store
from engine.checkpoint.model import ModelInfo
from engine.errors import EngineError, LoraDrawsBlank, LoraMissing, LoraRejected, LoraWithoutEffect
from engine.formatting import normalize
from engine.shelf import FolderChanges, LoraFile, Rejected, Shelf, check_file_numbers, read_shelf
from engine.shelf.sidecar import sidecar_path

log = structlog.get_logger("bot.desk")

LOOK_EVERY_S = 0.25  # two looks, the reading and the trial picture take less than 3 s
LOOKING_SHARE = 0.05  # of the time, at most: a network mount with many files is looked at less often
TRY_AGAIN_S = 10.0  # after a trial picture that could not be drawn, or statements that could not be saved
MOST_TRIES = 3  # a file that ends the worker each time is left alone until the next start
_OF_PICTURES = {each.__name__: each for each in (LoraWithoutEffect, LoraDrawsBlank)}


class LiveFolder:
    """Implements ``bot.desk.shelf.lora_folder.LoraFolder``.

    Args:
        shelf: Gets every new shelf.
        trials: Draws trial pictures.
        folders: All folders of the shelf; the last one is the host's own, and only its files are tried out.
        model: What the files must fit.
        weights: Of the model, as ``weights_fingerprint`` returns them: a verdict counts for these alone.
        store: Remembers the verdicts of trial pictures.
        verdicts: Those of earlier runs, for these weights: sha256 → the class of a refusal, or empty.
    """

    def __init__(
        self,
        shelf: LoraShelf,
        trials: TrialPictures,
        *,
        folders: Sequence[Path],
        model: ModelInfo,
        weights: str,
        store: Store,
        verdicts: Mapping[str, str],
    ) -> None:
        self.folder = folders[-1]
        self._folders = folders
        self._model = model
        self._weights = weights
        self._store = store
        self._verdicts: dict[str, LoraRejected | None] = {
            sha256: _OF_PICTURES[refusal]() if refusal else None
            for sha256, refusal in verdicts.items()
            if not refusal or refusal in _OF_PICTURES
        }
        self._shelf = shelf
        self._trials = trials
        self._reading = asyncio.Lock()
        self._read = shelf.files
        self._changing: dict[str, LoraFile] = {}  # as they were before the change
        self._unsettled: frozenset[Path] = frozenset()
        self._refused: tuple[Rejected, ...] = ()  # has been logged
        self._has_new = asyncio.Event()
        self._changes = FolderChanges(folders)
        self._save_again_s = 0.0
        self._is_stale = False  # also after an error: whoever runs ``watch`` again reads again
        self._publish()

    @property
    def shelf(self) -> Shelf:
        """The shelf as it is now."""
        return self._shelf.files

    async def reload(self, whole: Path | None = None) -> Shelf:
        """Read the folders now and return the new shelf.

        A file that is being replaced is being checked until it has settled; one whose sidecar changes keeps
        the statements of before. Neither leaves the shelf: a chat's default would not be drawn.

        Args:
            whole: A file that is known to be complete.
        """
        async with self._reading:
            unsettled = self._changes.unsettled - {whole}
            read = await asyncio.to_thread(read_shelf, self._folders, self._model, unsettled, self._read)
            names = {normalize(name) for name in read.files}
            before = {**self._changing, **self._read.files}
            self._changing = {
                name: file
                for name, file in before.items()
                if normalize(name) not in names
                and not unsettled.isdisjoint((file.path, sidecar_path(file.path)))
            }
            self._unsettled = unsettled
            self._read = read
            self._publish()
            return self._shelf.files

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
        """Read all numbers of a file and draw its trial picture; offer or refuse the file from now on.

        A good file is tried once.

        Raises:
            LoraRejected: Its numbers or its picture are wrong, or it is missing.
            RenderError, WorkerLost, WorkerNotReady: Nothing is known: it cannot be drawn now.
        """
        if self._verdicts.get(file.sha256, file) is None:
            return
        try:
            await asyncio.to_thread(check_file_numbers, file.path, file.sha256, self._model)
            await self._trials.verify(file)
        except LoraMissing:
            raise
        except LoraRejected as error:
            await self._remember(file, error)
            raise
        await self._remember(file, None)

    async def watch(self) -> None:
        """Notice changes and try new files out until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._look(), name="look at the LoRA folder")
            group.create_task(self._try_new_files(), name="try new LoRAs out")

    async def _look(self) -> None:
        while True:
            began_s = time.monotonic()
            has_changed = await asyncio.to_thread(self._changes.look)
            took_s = time.monotonic() - began_s
            self._is_stale |= has_changed
            if self._is_stale:
                await self.reload()
                self._is_stale = False
            if self._shelf.statements.unsaved and began_s >= self._save_again_s:
                self._save_again_s = began_s + TRY_AGAIN_S
                await self._save_statements()
            await asyncio.sleep(max(LOOK_EVERY_S, took_s / LOOKING_SHARE))

    async def _try_new_files(self) -> None:
        tries: dict[str, int] = {}
        later_s: dict[str, float] = {}
        while True:
            self._has_new.clear()
            waiting = [
                file
                for file in self.shelf.checking.values()
                if file.path not in self._unsettled and tries.get(file.sha256, 0) < MOST_TRIES
            ]
            due = [file for file in waiting if later_s.get(file.sha256, 0.0) <= time.monotonic()]
            for file in due[:1]:
                if not await self._has_verdict(file):
                    tries[file.sha256] = tries.get(file.sha256, 0) + 1
                    later_s[file.sha256] = time.monotonic() + TRY_AGAIN_S
            if not due:
                try:
                    async with asyncio.timeout(TRY_AGAIN_S if waiting else None):
                        await self._has_new.wait()
                except TimeoutError:
                    continue

    async def _has_verdict(self, file: LoraFile) -> bool:
        """Try a file out; False if its trial picture cannot be drawn now."""
        try:
            async with asyncio.timeout(TRIAL_S):
                await self.try_out(file)
        except (EngineError, OSError) as error:
            if isinstance(error, LoraRejected) and not isinstance(error, LoraMissing):
                return True
            log.warning("trial picture not drawn", lora=file.name, error=type(error).__name__)
            return False
        return True

    async def _save_statements(self) -> None:
        """Store what the files state; what cannot be saved now is tried again."""
        statements = self._shelf.statements
        rows, statements.unsaved = statements.unsaved, []
        try:
            await self._store.consents.state(rows, time.time_ns() // 10**6)
        except CannotSave as error:
            statements.unsaved = [*rows, *statements.unsaved]
            log.warning("statements on LoRAs not saved yet", count=len(rows), detail=str(error))

    async def _remember(self, file: LoraFile, refusal: LoraRejected | None) -> None:
        """Offer or refuse a file; a verdict of the trial picture is stored, as numbers are read quickly."""
        verdict = type(refusal).__name__ if refusal else ""
        if refusal is None or verdict in _OF_PICTURES:
            now_ms = time.time_ns() // 10**6
            try:
                await self._store.verdicts.save(file.sha256, self._weights, verdict, now_ms)
            except CannotSave as error:
                log.warning("verdict not saved: the next start tries the LoRA again", detail=str(error))
        log.info("LoRA tried out", lora=file.name, sha256=file.sha256, refusal=verdict)
        self._verdicts[file.sha256] = refusal
        self._publish()

    def _publish(self) -> None:
        """Offer what has passed; everything else is being checked or refused."""
        usable, checking, rejected = {}, {}, list(self._read.rejected)
        for name, file in {**self._changing, **self._read.files}.items():
            if file.path in self._unsettled:
                checking[name] = file
            elif not file.path.is_relative_to(self.folder):
                usable[name] = file
            elif file.sha256 not in self._verdicts:
                checking[name] = file
            elif (refusal := self._verdicts[file.sha256]) is None:
                usable[name] = file
            else:
                error = copy(refusal)  # files with the same content have names of their own
                error.facts = {**refusal.facts, "name": name}
                rejected.append(Rejected(name, error, file.path))
        self._log_new(rejected)
        self._refused = tuple(rejected)
        self._shelf.replace(Shelf(usable, self._refused, checking))
        if checking:
            self._has_new.set()

    def _log_new(self, rejected: Sequence[Rejected]) -> None:
        """Log the refused files that were not refused before."""
        known = {(each.name, type(each.error)) for each in self._refused}
        for each in rejected:
            if (each.name, type(each.error)) not in known:
                error = each.error
                log.warning("lora rejected", lora=each.name, error=type(error).__name__, detail=str(error))
