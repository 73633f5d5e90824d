"""A LoRA file on its way to the shelf: it is received in a private folder, proved, named and tried out."""

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bot.commands.values import LoraAdd
from bot.desk.files import PictureSpace
from bot.desk.loras.shelf import LoraShelf
from bot.desk.shelf.lora_folder import LoraFolder, refusal_of, try_out
from bot.downloads import Download, Downloader, read_link
from bot.errors import DownloadLeavesNoSpace, DownloadRunning, LoraNameTaken, PersonError
from bot.outcomes import (
    AddStage,
    CommandContext,
    LoraAdded,
    LoraAdding,
    LoraChecked,
    LoraRemoved,
    ShelfReloaded,
)
from engine.durable import make_folder, sync_file
from engine.errors import LoraNameBuiltIn, LoraRejected
from engine.shelf import LoraFile


@dataclass(frozen=True, slots=True)
class Prepared:
    """What ``prepare`` has done.

    Attributes:
        seconds: How long it took.
        outcome: The answer, except of a switch.
        refusal: Why nothing happened.
        sha256: Of the file that it is about.
        source: Where the file came from.
    """

    seconds: float
    outcome: LoraAdded | LoraRemoved | LoraChecked | ShelfReloaded | None = None
    refusal: PersonError | None = None
    sha256: str = ""
    source: str = ""


class LoraAddition:
    """Carries out ``/lora add``.

    Args:
        incoming: A private folder for downloads.
    """

    def __init__(
        self,
        *,
        shelf: LoraShelf,
        files: LoraFolder,
        downloader: Downloader,
        incoming: Path,
        space: PictureSpace,
    ) -> None:
        self._shelf = shelf
        self._files = files
        self._downloader = downloader
        self._incoming = incoming
        self._space = space
        self._adding: dict[tuple[str, str], tuple[str, LoraAdding]] = {}  # (platform, user id) → event, stage

    def progress_of(self, context: CommandContext) -> LoraAdding | None:
        """Return how far the ``LoraAdd`` of this event is; None for another event."""
        event_id, progress = self._adding.get((context.platform, context.user_id), ("", None))
        return progress if event_id == context.event_id else None

    async def add(self, command: LoraAdd, context: CommandContext) -> Prepared:
        """Download a file or receive it from its chat, prove it and try it out.

        Raises:
            PersonError: It is not on the shelf; nothing is left of it.
            OSError: The folder cannot be changed.
        """
        wanted = command.file or read_link(command.link)
        person = (context.platform, context.user_id)
        if person in self._adding:
            raise DownloadRunning(name=self._adding[person][1].name)
        name = command.file.name if command.file else command.link

        def report(stage: AddStage, received: int = 0, total: int = 0) -> None:
            self._adding[person] = context.event_id, LoraAdding(name, stage, received, total)

        def receive(received: int, total: int) -> None:
            if max(received, total) > available_bytes:
                raise DownloadLeavesNoSpace(free_bytes=max(0, available_bytes))
            report(AddStage.DOWNLOAD, received, total)

        report(AddStage.DOWNLOAD)
        try:
            available_bytes = await self._space.available_bytes()
            receive(0, command.file.size if command.file else 0)
            await asyncio.to_thread(make_folder, self._incoming)
            folder = Path(await asyncio.to_thread(tempfile.mkdtemp, dir=self._incoming))  # mode 700
            try:
                download = await self._downloader.fetch(wanted, folder, receive)
                name = download.path.stem
                return await self._admit(download, report)
            finally:
                await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        finally:
            del self._adding[person]

    async def _admit(self, download: Download, report: Callable[[AddStage], None]) -> Prepared:
        """Check a downloaded file, move it into the folder and try it out; a refused file leaves no trace."""
        name = download.path.stem
        report(AddStage.CHECK)
        try:
            await self._files.examine(download.path)
        except LoraRejected as error:
            raise refusal_of(name, error) from error
        known = self._shelf.find(name)
        left = self._shelf.find_checking(name) if known is None else None  # by a crash, without its picture
        there = known or left
        if there is not None and there.sha256 != download.sha256:
            if not there.path.is_relative_to(self._files.folder):
                raise refusal_of(name, LoraNameBuiltIn(other=there.name))
            raise LoraNameTaken(name=there.name)
        path = self._files.folder / download.path.name
        if left is not None:
            report(AddStage.TRIAL)
            await try_out(self._files, left)
            known = left
        if known is None:
            await asyncio.to_thread(_move, download.path, path)
            report(AddStage.TRIAL)
            try:
                await self._files.reload(path)
                known = await self._admitted(path)
            except BaseException:
                await asyncio.to_thread(path.unlink, missing_ok=True)
                await self._files.reload()
                raise
        outcome = LoraAdded(known.name, download.bytes, download.sha256, download.source, 0.0)
        return Prepared(0.0, outcome, sha256=download.sha256, source=download.source)

    async def _admitted(self, path: Path) -> LoraFile:
        """Return the file that is now on the shelf, with its trial picture drawn."""
        shelf = self._files.shelf
        files = (*shelf.files.values(), *shelf.checking.values())
        if (file := next((each for each in files if each.path == path), None)) is None:
            errors = (each.error for each in shelf.rejected if each.path == path)
            raise refusal_of(path.stem, next(errors, LoraRejected()))
        await try_out(self._files, file)
        return file


def _move(draft: Path, path: Path) -> None:
    """Move the file durably; never over another one."""
    make_folder(path.parent)
    with contextlib.suppress(OSError):
        path.hardlink_to(draft)  # fails if the name exists, or on another disk
        sync_file(path.parent)
        return
    if path.exists():
        raise FileExistsError(17, "the name is taken")
    part = path.with_name(f".{path.name}.part")
    try:
        shutil.copyfile(draft, part)
        part.chmod(0o600)
        sync_file(part)
        part.rename(path)
    finally:
        part.unlink(missing_ok=True)
    sync_file(path.parent)
