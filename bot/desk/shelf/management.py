"""What hosts do with the shelf from a chat: switch, add, remove, check, reload.

Each command has two parts. ``prepare`` does what takes long, outside the database: downloads, trial pictures,
files. ``finish`` changes the default, writes the record and makes the answer, in the transaction of the
event. Whatever ``prepare`` refuses is recorded too, and changes nothing.
"""

import asyncio
import contextlib
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, assert_never

import structlog

from bot.commands.reading import NO_LORA, is_default
from bot.commands.text import normalize
from bot.commands.values import (
    LoraAdd,
    LoraCheck,
    LoraReload,
    LoraRemove,
    LoraSwitch,
)
from bot.desk.asking.profiles import LoraDefaults
from bot.desk.files import PictureSpace
from bot.desk.loras.shelf import LoraShelf, Rule
from bot.desk.shelf.listing import problem_of
from bot.desk.shelf.trials import TRIAL_S
from bot.downloads import Download, Downloader, read_link
from bot.errors import (
    DownloadLeavesNoSpace,
    DownloadRunning,
    LoraBuiltIn,
    LoraNameTaken,
    LoraRefused,
    PersonError,
    ShelfNotWritable,
    TrialNotDrawn,
)
from bot.outcomes import (
    AddStage,
    CommandContext,
    LoraAdded,
    LoraAdding,
    LoraChecked,
    LoraProblem,
    LoraRemoved,
    LoraSwitched,
    ShelfReloaded,
)
from bot.store import Store
from bot.store.loras import ShelfAction, ShelfChange
from engine.durable import make_folder, sync_file
from engine.errors import EngineError, LoraRejected
from engine.shelf import LoraFile, Shelf
from engine.shelf.names import is_lora_file
from engine.shelf.sidecar import remove_file

log = structlog.get_logger("bot.desk")


ManagementCommand = LoraSwitch | LoraAdd | LoraRemove | LoraCheck | LoraReload
ManagementOutcome = LoraSwitched | LoraAdded | LoraRemoved | LoraChecked | ShelfReloaded

_ACTIONS: dict[type[ManagementCommand], ShelfAction] = {
    LoraSwitch: ShelfAction.SWITCH,
    LoraAdd: ShelfAction.ADD,
    LoraRemove: ShelfAction.REMOVE,
    LoraCheck: ShelfAction.CHECK,
    LoraReload: ShelfAction.RELOAD,
}


class LoraFolder(Protocol):
    """The folder of the LoRAs, and the shelf that is read from it."""

    folder: Path

    @property
    def shelf(self) -> Shelf:
        """The shelf as it is now."""

    async def reload(self, whole: Path | None = None) -> Shelf:
        """Read the folder now and return the new shelf; ``whole`` is a file that is known to be complete."""

    async def examine(self, path: Path) -> LoraFile:
        """Prove a file that is not in the folder yet.

        Raises:
            LoraRejected: Its class says why.
        """

    async def watch(self) -> None:
        """Notice changes and try new files out until cancelled."""

    async def try_out(self, file: LoraFile) -> None:
        """Draw the trial picture of a file of the shelf, unless its verdict is known.

        Raises:
            LoraRejected: The picture is blank, or equal to the one without the LoRA.
            EngineError: It cannot be drawn now.
        """


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


class ShelfManagement:
    """Carries out the commands.

    Args:
        incoming: A private folder for downloads.
        clock: UTC milliseconds.
    """

    def __init__(
        self,
        *,
        store: Store,
        shelf: LoraShelf,
        defaults: LoraDefaults,
        files: LoraFolder,
        downloader: Downloader,
        incoming: Path,
        space: PictureSpace,
        clock: Callable[[], int],
    ) -> None:
        self._store = store
        self._shelf = shelf
        self._defaults = defaults
        self._files = files
        self._downloader = downloader
        self._incoming = incoming
        self._space = space
        self._clock = clock
        self._adding: dict[tuple[str, str], tuple[str, LoraAdding]] = {}  # (platform, user id) → event, stage

    async def prepare(self, command: ManagementCommand, context: CommandContext, may_use: Rule) -> Prepared:
        """Do what takes long. A refusal is a value, because ``finish`` records it."""
        began_s = time.monotonic()
        try:
            done = await self._prepare(command, context, may_use)
        except PersonError as refusal:
            done = Prepared(0.0, refusal=refusal)
        except OSError as error:
            log.warning("shelf not changed", detail=str(error))
            done = Prepared(0.0, refusal=ShelfNotWritable(detail=error.strerror or type(error).__name__))
        seconds = time.monotonic() - began_s
        match done.outcome:
            case LoraAdded() | LoraChecked() | ShelfReloaded():
                return replace(done, seconds=seconds, outcome=replace(done.outcome, seconds=seconds))
        return replace(done, seconds=seconds)

    def progress_of(self, context: CommandContext) -> LoraAdding | None:
        """Return how far the ``LoraAdd`` of this event is; None for another event."""
        event_id, progress = self._adding.get((context.platform, context.user_id), ("", None))
        return progress if event_id == context.event_id else None

    async def finish(
        self, command: ManagementCommand, context: CommandContext, prepared: Prepared, may_use: Rule
    ) -> ManagementOutcome | PersonError:
        """Change the default, record what happened, and return the answer; call it in a transaction."""
        answer: ManagementOutcome | PersonError | None = prepared.refusal or prepared.outcome
        if isinstance(command, LoraSwitch) and prepared.refusal is None:
            try:
                switched = await self._defaults.switch(command, context, may_use)
                answer = replace(switched, seconds=prepared.seconds)
            except PersonError as refusal:  # the LoRA left the shelf after its trial picture
                answer = refusal
        assert answer is not None  # noqa: S101 - every command but a switch has an outcome or a refusal
        change = ShelfChange(
            at_ms=self._clock(),
            platform=context.platform,
            user_id=context.user_id,
            chat_id=context.address.chat_id,
            action=_ACTIONS[type(command)],
            scope=command.scope if isinstance(command, LoraSwitch) else "",
            sha256=prepared.sha256,
            source=prepared.source,
            duration_ms=round(1000 * prepared.seconds),
        )
        await self._store.shelf_changes.add(_with_names(change, command, answer))
        log.info("shelf command", action=change.action, scope=change.scope, answer=type(answer).__name__)
        return answer

    async def _prepare(self, command: ManagementCommand, context: CommandContext, may_use: Rule) -> Prepared:
        match command:
            case LoraSwitch(lora=wish):
                if is_default(wish.name) or normalize(wish.name) == NO_LORA:
                    return Prepared(0.0)
                if (found := self._shelf.find_wish(wish, may_use)) is None:
                    raise self._shelf.unknown(wish.name, may_use)
                file = found[0]
                await self._try_out(file)
                return Prepared(0.0, sha256=file.sha256)
            case LoraAdd():
                return await self._add(command, context)
            case LoraRemove(name=name):
                return await self._remove(name)
            case LoraCheck(name=name):
                return await self._check(name)
            case LoraReload():
                return Prepared(0.0, await self._reload())
        assert_never(command)

    async def _try_out(self, file: LoraFile) -> None:
        """Draw the trial picture.

        Raises:
            LoraRefused, TrialNotDrawn: The LoRA must not be used, or nothing is known about it.
        """
        try:
            async with asyncio.timeout(TRIAL_S):
                await self._files.try_out(file)
        except LoraRejected as error:
            raise _refused(file.name, error) from error
        except (EngineError, TimeoutError) as error:
            log.warning("trial picture not drawn", lora=file.name, error=type(error).__name__)
            raise TrialNotDrawn(name=file.name) from error

    async def _add(self, command: LoraAdd, context: CommandContext) -> Prepared:
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
            raise _refused(name, error) from error
        known = self._shelf.find(name)
        if known is not None and known.sha256 != download.sha256:
            raise LoraNameTaken(name=known.name)
        path = self._files.folder / download.path.name
        if known is None:
            await asyncio.to_thread(_move, download.path, path)
            report(AddStage.TRIAL)
            try:
                await self._files.reload(path)
                known = await self._admitted(name)
            except BaseException:
                await asyncio.to_thread(path.unlink, missing_ok=True)
                await self._files.reload()
                raise
        outcome = LoraAdded(known.name, download.bytes, download.sha256, download.source, 0.0)
        return Prepared(0.0, outcome, sha256=download.sha256, source=download.source)

    async def _admitted(self, name: str) -> LoraFile:
        """Return the file that is now on the shelf, with its trial picture drawn."""
        if (file := self._shelf.find(name) or self._shelf.find_checking(name)) is None:
            rejected = {each.name: each.error for each in self._files.shelf.rejected}
            raise _refused(name, rejected.get(name, LoraRejected()))
        await self._try_out(file)
        return file

    async def _remove(self, name: str) -> Prepared:
        file = self._shelf.find(name) or self._shelf.find_checking(name)
        path = file.path if file else self._refused_path(name)
        if path is None:
            raise self._shelf.unknown(name)
        if not path.is_relative_to(self._files.folder):
            raise LoraBuiltIn(name=name)
        await asyncio.to_thread(remove_file, path)
        await self._files.reload()
        return Prepared(0.0, LoraRemoved(file.name if file else name), sha256=file.sha256 if file else "")

    async def _check(self, name: str) -> Prepared:
        shelf = await self._files.reload()
        file = self._shelf.find(name) or self._shelf.find_checking(name)
        if file is None:
            wanted = normalize(name)
            for each in shelf.rejected:
                if normalize(each.name) == wanted:
                    return Prepared(0.0, LoraChecked(each.name, 0.0, problem_of(each.error)))
            raise self._shelf.unknown(name)
        problem: LoraProblem | None = None
        try:
            async with asyncio.timeout(TRIAL_S):
                await self._files.try_out(file)
        except LoraRejected as error:
            problem = problem_of(error)
        except (EngineError, TimeoutError) as error:
            raise TrialNotDrawn(name=file.name) from error
        return Prepared(0.0, LoraChecked(file.name, 0.0, problem), sha256=file.sha256)

    async def _reload(self) -> ShelfReloaded:
        before = {name: file.sha256 for name, file in self._files.shelf.files.items()}
        shelf = await self._files.reload()
        new = tuple(name for name, file in shelf.files.items() if before.get(name) != file.sha256)
        gone = tuple(name for name in before if name not in shelf.files)
        refused = tuple(each.name for each in shelf.rejected)
        return ShelfReloaded(len(shelf.files), new, gone, refused, 0.0)

    def _refused_path(self, name: str) -> Path | None:
        """Return the file of a refused LoRA, which only its exact name finds."""
        for each in self._files.shelf.rejected:
            if each.name == name and each.path is not None and is_lora_file(each.path.name):
                return each.path
        return None


def _refused(name: str, error: LoraRejected) -> LoraRefused:
    problem = problem_of(error)
    return LoraRefused(**{**problem.facts, "name": name, "reason": problem.reason})


def _with_names(
    change: ShelfChange, command: ManagementCommand, answer: ManagementOutcome | PersonError
) -> ShelfChange:
    """Complete the row with the names before and after, or with the refusal."""
    match answer:
        case PersonError():
            wanted = ""
            if isinstance(command, LoraSwitch):
                wanted = command.lora.name
            elif isinstance(command, LoraRemove | LoraCheck):
                wanted = command.name
            return replace(change, refusal=type(answer).__name__, lora_after=wanted)
        case LoraSwitched(lora=name, before=before):
            return replace(change, lora_before=before, lora_after=name)
        case LoraRemoved(lora=name):
            return replace(change, lora_before=name)
        case LoraChecked(lora=name, problem=problem):
            return replace(change, lora_after=name, refusal=problem.reason if problem else "")
        case LoraAdded(lora=name):
            return replace(change, lora_after=name)
    return change


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
