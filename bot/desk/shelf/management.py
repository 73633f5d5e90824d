"""What hosts do with the shelf from a chat: switch, add, remove, check, reload.

Each command has two parts. ``prepare`` does what takes long, outside the database: downloads, trial pictures,
files. ``finish`` changes the default, writes the record and makes the answer, in the transaction of the
event. Whatever ``prepare`` refuses is recorded too, and changes nothing.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import assert_never

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
from bot.desk.asking.requests import LoraDefaults
from bot.desk.loras.shelf import LoraShelf, Rule
from bot.desk.shelf.adding import LoraAddition, Prepared
from bot.desk.shelf.listing import problem_of
from bot.desk.shelf.lora_folder import LoraFolder, try_out
from bot.desk.shelf.trials import TRIAL_S
from bot.errors import (
    LoraBuiltIn,
    PersonError,
    ShelfNotWritable,
    TrialNotDrawn,
)
from bot.outcomes import (
    CommandContext,
    LoraAdded,
    LoraChecked,
    LoraProblem,
    LoraRemoved,
    LoraSwitched,
    ShelfReloaded,
)
from bot.store import Store
from bot.store.loras import ShelfAction, ShelfChange
from engine.errors import EngineError, LoraRejected
from engine.shelf import LoraFile, Rejected
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


class ShelfManagement:
    """Carries out the commands.

    Args:
        clock: UTC milliseconds.
    """

    def __init__(
        self,
        *,
        store: Store,
        shelf: LoraShelf,
        defaults: LoraDefaults,
        files: LoraFolder,
        addition: LoraAddition,
        clock: Callable[[], int],
    ) -> None:
        self._store = store
        self._shelf = shelf
        self._defaults = defaults
        self._files = files
        self._addition = addition
        self._clock = clock

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
        change = _with_names(_change(self._clock(), command, context, prepared), command, answer)
        await self._store.shelf_changes.add(change)
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
                await try_out(self._files, file)
                return Prepared(0.0, sha256=file.sha256)
            case LoraAdd():
                return await self._addition.add(command, context)
            case LoraRemove(name=name):
                return await self._remove(name)
            case LoraCheck(name=name):
                return await self._check(name)
            case LoraReload():
                return Prepared(0.0, await self._reload())
        assert_never(command)

    async def _remove(self, name: str) -> Prepared:
        file = self._files.shelf.file_named(name, self._files.folder) or self._find(name)
        if file is None:
            raise self._shelf.unknown(name)
        if file.path is None or not file.path.is_relative_to(self._files.folder):
            raise LoraBuiltIn(name=name)
        await asyncio.to_thread(remove_file, file.path)
        await self._files.reload()
        sha256 = file.sha256 if isinstance(file, LoraFile) else ""
        return Prepared(0.0, LoraRemoved(file.name), sha256=sha256)

    async def _check(self, name: str) -> Prepared:
        shelf = await self._files.reload()
        exact = shelf.files.get(name) or shelf.file_named(name, self._files.folder)
        if (file := exact or self._find(name)) is None:
            wanted = normalize(name)
            file = next((each for each in shelf.rejected if normalize(each.name) == wanted), None)
        if file is None:
            raise self._shelf.unknown(name)
        if isinstance(file, Rejected):
            return Prepared(0.0, LoraChecked(file.name, 0.0, problem_of(file.error)))
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

    def _find(self, name: str) -> LoraFile | None:
        return self._shelf.find(name) or self._shelf.find_checking(name)


def _change(
    at_ms: int, command: ManagementCommand, context: CommandContext, prepared: Prepared
) -> ShelfChange:
    return ShelfChange(
        at_ms=at_ms,
        platform=context.platform,
        user_id=context.user_id,
        chat_id=context.address.chat_id,
        action=_ACTIONS[type(command)],
        scope=command.scope if isinstance(command, LoraSwitch) else "",
        sha256=prepared.sha256,
        source=prepared.source,
        duration_ms=round(1000 * prepared.seconds),
    )


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
