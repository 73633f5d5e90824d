"""The console chat: says one message, waits for its answer, saves the pictures."""

import asyncio
import secrets
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from rich.console import Console

from bot import messages
from bot.chats.console.ticker import Ticker
from bot.chats.contract import Desk
from bot.commands import grammar
from bot.errors import OutFolderUnusable, PersonError
from bot.messages import N_
from bot.outcomes import (
    Address,
    CommandContext,
    JobResult,
    JobState,
    Platform,
    Receipt,
    Status,
    Undeliverable,
)
from engine.printable import printable

CHAT_ID = "console"  # one chat, so that its default LoRA lasts from one call to the next
HOST_ID = "host"  # what bot.policy takes for the host at the console


@dataclass(frozen=True, slots=True)
class ConsoleAnswer:
    """How a message ended.

    Attributes:
        state: Of the job; None when the message made none.
        refusal: One line; empty when the message was answered.
        paths: The pictures as saved.
    """

    state: JobState | None = None
    refusal: str = ""
    paths: tuple[Path, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 when the message was answered, 1 when it was refused or its job failed."""
        return 1 if self.refusal else 0


_Arrival = tuple[JobResult, tuple[Path, ...]]


class ConsoleChat:
    """Implements ``bot.chats.contract.Chat`` on a terminal or in a script.

    Args:
        desk: Takes the messages.
        out_dir: Where pictures are saved; made when there is one to save.
        locale: ``en`` or ``zh-CN``.
        answers: Where answers and paths are written, one to a line; standard output by default.
        console: Where progress and refusals are shown; standard error by default.
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
        self._ticker = Ticker(console or Console(stderr=True))
        self._waiting: dict[str, asyncio.Future[_Arrival]] = {}

    async def open(self) -> None:
        """Prove that pictures can be saved, before any is accepted and charged.

        Raises:
            OutFolderUnusable: They cannot; the host chooses another folder.
        """
        try:
            await asyncio.to_thread(_prove_writable, self._out_dir)
        except OSError as error:
            raise OutFolderUnusable(path=str(self._out_dir), detail=error.strerror or str(error)) from error

    async def serve(self) -> None:
        """Wait until cancelled; messages come through ``say``."""
        await asyncio.Event().wait()

    async def close(self) -> None:
        """Nothing to disconnect."""

    async def show(self, status: Status) -> None:
        """Show progress of a job that this process asked for."""
        if status.address.ref in self._waiting:
            self._ticker.show(status)

    async def deliver(self, result: JobResult) -> None:
        """Save the pictures and hand them to the ``say`` that waits for them.

        Where its process was ended meanwhile, they are told on standard error: standard output belongs to the
        message of this process.

        Raises:
            Undeliverable: They cannot be saved there; the desk keeps them.
        """
        arrival = self._waiting.get(result.address.ref)
        try:
            paths = await asyncio.to_thread(_save, result, self._out_dir)
        except OSError as error:
            if arrival and not arrival.done():
                arrival.set_exception(error)
            raise Undeliverable(f"{self._out_dir}: {error.strerror}") from error
        if arrival is None:
            self._tell_late(result, paths)
        elif not arrival.done():
            arrival.set_result((result, paths))

    async def say(self, text: str, *, user_name: str = "", is_host: bool = False) -> ConsoleAnswer:
        """Put one message through the application and wait for its answer, however long that takes.

        Args:
            text: A prompt, or a command with its slash.
            user_name: Who says it; each name is a person with credits of its own.
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
        self._waiting[event_id] = asyncio.get_running_loop().create_future()
        try:
            return await self._answer(text, context)
        except PersonError as error:
            return self._refused(messages.explain(error, self._locale, times="local"))
        finally:
            del self._waiting[event_id]

    async def _answer(self, text: str, context: CommandContext) -> ConsoleAnswer:
        outcome = await self._desk.handle(grammar.parse(text), context)
        if not isinstance(outcome, Receipt):
            self._write(messages.say(outcome, self._locale, times="local"))
            return ConsoleAnswer()
        self._ticker.receipt(outcome, self._locale)
        try:
            with self._ticker:
                result, paths = await self._waiting[context.event_id]
        except OSError as error:
            return self._refused(f"{self._out_dir}: {error.strerror}")
        caption = messages.caption_of(result, self._locale)
        self._ticker.tell(caption)
        for path in paths:
            self._write(str(path))
        return ConsoleAnswer(result.state, "" if result.state is JobState.DONE else one_line(caption), paths)

    def _tell_late(self, result: JobResult, paths: tuple[Path, ...]) -> None:
        earlier = N_("Of an earlier message, job {job_id}:")
        self._ticker.tell(messages.text(earlier, self._locale, job_id=result.job_id))
        for line in (messages.caption_of(result, self._locale), *map(str, paths)):
            self._ticker.tell(line)

    def _refused(self, reason: str) -> ConsoleAnswer:
        refusal = one_line(reason)
        self._ticker.tell(refusal)
        return ConsoleAnswer(refusal=refusal)

    def _write(self, line: str) -> None:
        self._answers.write(printable(line, is_one_line=False) + "\n")
        self._answers.flush()


def one_line(said: str) -> str:
    """The same on one line."""
    return " ".join(said.split())


def _prove_writable(folder: Path) -> None:
    """Try to write into the folder, or where it will be made; leave nothing behind."""
    nearest = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    with tempfile.TemporaryFile(dir=nearest):
        pass


def _save(result: JobResult, out_dir: Path) -> tuple[Path, ...]:
    """Copy the pictures as ``<job>-<number>.png``, numbers from 1."""
    if result.pictures:
        out_dir.mkdir(parents=True, exist_ok=True)
    paths = []
    for picture in result.pictures:
        path = out_dir / f"{result.job_id}-{picture.index + 1}.png"
        shutil.copyfile(picture.path, path)
        paths.append(path)
    return tuple(paths)
