"""The console chat: sends one message, waits for the answer, saves the pictures."""

import asyncio
import errno
import os
import secrets
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

from rich.console import Console

from bot import messages
from bot.chats.console.progress import ProgressDisplay
from bot.chats.contract import Desk
from bot.checks.folders import require_writable
from bot.commands import grammar
from bot.commands.values import ReadSettings, SentFile
from bot.errors import OutFolderUnusable, PersonError
from bot.messages import N_
from bot.messages.details import system_error_text
from bot.outcomes import (
    Address,
    Alert,
    CommandContext,
    Deleted,
    ExportReady,
    JobResult,
    JobState,
    Originals,
    Outcome,
    OwnerReport,
    PickedPicture,
    PictureFile,
    PictureMessage,
    Platform,
    Receipt,
    StatisticsShown,
    Status,
    Undeliverable,
)
from bot.uploads import MAX_PICTURE_BYTES
from engine.formatting import printable
from engine.host.report import CardReport

CHAT_ID = "console"  # one chat for all calls, so that its default LoRA persists
PICTURE_NAMES: dict[type, str] = {CardReport: "card.png", StatisticsShown: "stats.png"}
HOST_ID = "host"  # bot.policy gives this user a host's rights


@dataclass(frozen=True, slots=True)
class ConsoleAnswer:
    """The answer to a message.

    Attributes:
        state: The job's state; None if the message made no job.
        refusal: One line; empty if the message was answered.
        paths: The saved pictures.
    """

    state: JobState | None = None
    refusal: str = ""
    paths: tuple[Path, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 if the message was answered, 1 if it was refused or its job failed."""
        return 1 if self.refusal else 0


_Delivery = tuple[JobResult, tuple[Path, ...]]


class ConsoleChat:
    """Implements ``bot.chats.contract.Chat`` on a terminal or in a script.

    Args:
        desk: Receives the commands.
        out_dir: The folder for pictures; the first picture creates it.
        locale: ``en`` or ``zh-CN``.
        answers: Receives answers and paths, one to a line; standard output by default.
        console: Shows progress and refusals; standard error by default.
    """

    platform = Platform.CONSOLE

    def __init__(
        self,
        desk: Desk,
        *,
        out_dir: Path = Path("out"),
        locale: str = "en",
        answers: TextIO | None = None,
        console: Console | None = None,
    ) -> None:
        self._desk = desk
        self._out_dir = out_dir
        self._locale = locale
        self._answers = answers or sys.stdout
        self._progress = ProgressDisplay(console or Console(stderr=True))
        self._waiting: dict[str, asyncio.Future[_Delivery]] = {}

    async def open(self) -> None:
        """Check that pictures can be saved, before a job is accepted and charged.

        Raises:
            OutFolderUnusable: The folder is not writable; the host must choose another one.
        """
        try:
            await asyncio.to_thread(require_writable, self._out_dir)
        except OSError as error:
            raise OutFolderUnusable(path=str(self._out_dir), detail=error.strerror or str(error)) from error

    @property
    def is_connected(self) -> bool:
        """Always: the terminal needs no platform."""
        return True

    async def serve(self) -> None:
        """Wait until cancelled; messages arrive through ``say``."""
        await asyncio.Event().wait()

    async def close(self) -> None:
        """Do nothing: there is no connection."""

    async def show(self, status: Status) -> None:
        """Show the progress of a job of this process."""
        if status.address.ref in self._waiting:
            self._progress.show(status)

    async def deliver(self, result: JobResult) -> None:
        """Save the pictures and wake the ``say`` that waits for them.

        For a job of an earlier process, print the paths on standard error: standard output belongs to the
        message of this process.

        Raises:
            Undeliverable: The pictures cannot be saved; the desk keeps them.
        """
        waiting = self._waiting.get(result.address.ref)
        try:
            paths = await asyncio.to_thread(_save, result.job_id, result.pictures, self._out_dir)
        except OSError as error:
            if waiting and not waiting.done():
                waiting.set_exception(error)
            raise Undeliverable(f"{self._out_dir}: {error.strerror}") from error
        if waiting is None:
            self._print_late_result(result, paths)
        elif not waiting.done():
            waiting.set_result((result, paths))

    async def delete_messages(
        self, messages: Sequence[PictureMessage], locale: str
    ) -> tuple[PictureMessage, ...]:
        """Do nothing: no messages are stored here."""
        return ()

    async def send_report(self, report: OwnerReport) -> None:
        """Print a report on standard error."""
        for line in messages.format_owner_report(report, self._locale).splitlines():
            self._progress.print_line(line)

    async def send_alert(self, alert: Alert) -> None:
        """Print an alert on standard error."""
        self._progress.print_line(messages.format_alert(alert, self._locale))

    async def say(self, text: str, *, user_name: str = "", is_host: bool = False) -> ConsoleAnswer:
        """Send one message and wait for its answer without a time limit.

        Args:
            text: A prompt, or a command with its slash.
            user_name: The sender; each name is a person with separate credits.
            is_host: Whether the message has a host's rights.
        """
        event_id = secrets.token_hex(12)
        context = CommandContext(
            platform=Platform.CONSOLE,
            event_id=event_id,
            user_id=HOST_ID if is_host else f"member-{user_name}",
            address=Address(Platform.CONSOLE, CHAT_ID, event_id),
            locale=self._locale,
            user_name=user_name,
        )
        context = replace(context, locale=self._desk.locale_of(context))
        self._waiting[event_id] = asyncio.get_running_loop().create_future()
        try:
            return await self._answer(text, context)
        except PersonError as error:
            return self._refuse(messages.format_error(error, context.locale, times="local"))
        finally:
            del self._waiting[event_id]

    async def _answer(self, text: str, context: CommandContext) -> ConsoleAnswer:
        command = grammar.parse(text)
        if isinstance(command, ReadSettings) and command.path:
            try:
                command = replace(command, file=await asyncio.to_thread(_local_file, Path(command.path)))
            except OSError as error:
                return self._refuse(f"{command.path}: {system_error_text(error, context.locale)}")
        outcome = await self._desk.handle(command, context)
        if isinstance(outcome, Deleted):
            outcome = replace(outcome, left=await self._desk.delete_messages(outcome.job_id))
        if not isinstance(outcome, Receipt):
            return await self._show_outcome(outcome, context.locale)
        self._progress.show_receipt(outcome, context.locale)
        try:
            with self._progress:
                result, paths = await self._waiting[context.event_id]
        except OSError as error:
            return self._refuse(f"{self._out_dir}: {error.strerror}")
        except asyncio.CancelledError:
            kept = N_("Job {job_id} is kept; the next `sugarbot say` that draws brings its pictures, too.")
            self._progress.print_line(messages.text(kept, context.locale, job_id=outcome.job_id))
            raise
        caption = messages.format_caption(result, context.locale)
        self._progress.print_line(caption)
        for path in paths:
            self._write(str(path))
        return ConsoleAnswer(
            result.state, "" if result.state is JobState.DONE else join_lines(caption), paths
        )

    async def _show_outcome(self, outcome: Outcome, locale: str) -> ConsoleAnswer:
        """Print an answer, and save the files that it has."""
        self._write(messages.format_outcome(outcome, locale, times="local"))
        if isinstance(outcome, ExportReady):
            return await self._save_export(outcome)
        if isinstance(outcome, Originals | PickedPicture):
            return await self._save_pictures(outcome)
        png, _ = messages.picture_of(outcome, locale)
        if not png:
            return ConsoleAnswer()
        name = PICTURE_NAMES.get(type(outcome), "lora.png")
        try:
            path = await asyncio.to_thread(_save_answer, png, self._out_dir / name)
        except OSError as error:
            return self._refuse(f"{self._out_dir}: {error.strerror}")
        self._write(str(path))
        return ConsoleAnswer(paths=(path,))

    async def _save_export(self, export: ExportReady) -> ConsoleAnswer:
        """Save the files of an export, and print where they are."""
        try:
            paths = await asyncio.to_thread(_copy, export.parts, self._out_dir)
        except OSError as error:
            return self._refuse(f"{self._out_dir}: {error.strerror}")
        for path in paths:
            self._write(str(path))
        return ConsoleAnswer(paths=paths)

    async def _save_pictures(self, outcome: Originals | PickedPicture) -> ConsoleAnswer:
        """Save the pictures of an earlier job, and print where they are."""
        pictures = (outcome.picture,) if isinstance(outcome, PickedPicture) else outcome.pictures
        try:
            paths = await asyncio.to_thread(_save, outcome.job_id, pictures, self._out_dir)
        except OSError as error:
            return self._refuse(f"{self._out_dir}: {error.strerror}")
        for path in paths:
            self._write(str(path))
        return ConsoleAnswer(paths=paths)

    def _print_late_result(self, result: JobResult, paths: tuple[Path, ...]) -> None:
        earlier = N_("From an earlier message, job {job_id}:")
        self._progress.print_line(messages.text(earlier, self._locale, job_id=result.job_id))
        for line in (messages.format_caption(result, self._locale), *map(str, paths)):
            self._progress.print_line(line)

    def _refuse(self, reason: str) -> ConsoleAnswer:
        refusal = join_lines(reason)
        self._progress.print_line(refusal)
        return ConsoleAnswer(refusal=refusal)

    def _write(self, line: str) -> None:
        self._answers.write(printable(line, is_one_line=False) + "\n")
        self._answers.flush()


def join_lines(text: str) -> str:
    """The same text on one line."""
    return " ".join(text.split())


def _local_file(path: Path) -> SentFile:
    """Return a file of this machine for the desk. Blocking.

    Raises:
        OSError: It cannot be read, or is no plain file.
    """
    if path.exists() and not path.is_file():  # a device or a pipe may have no end
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))

    def read() -> bytes:
        with path.open("rb") as file:
            return file.read(MAX_PICTURE_BYTES + 1)

    return SentFile(path.name, path.stat().st_size, read=lambda: asyncio.to_thread(read))


def _copy(files: Sequence[Path], out_dir: Path) -> tuple[Path, ...]:
    """Copy files under their own names. Blocking."""
    out_dir.mkdir(parents=True, exist_ok=True)
    return tuple(Path(shutil.copyfile(file, out_dir / file.name)) for file in files)


def _save_answer(png: bytes, path: Path) -> Path:
    """Write the picture of an answer over the last one of its kind."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png)
    return path


def _save(job_id: str, pictures: Sequence[PictureFile], out_dir: Path) -> tuple[Path, ...]:
    """Copy the pictures as ``<job>-<number>.png``, with numbers from 1."""
    if pictures:
        out_dir.mkdir(parents=True, exist_ok=True)
    paths = []
    for picture in pictures:
        path = out_dir / f"{job_id}-{picture.index + 1}.png"
        shutil.copyfile(picture.path, path)
        paths.append(path)
    return tuple(paths)
