"""What may befall a job in a life: the kinds of messages, and the renderer and chat that treat them so.

A prompt begins with its kind, so every process treats a job alike, however often it is drawn or told.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable
from enum import StrEnum
from pathlib import Path
from typing import ClassVar

from bot.outcomes import JobResult, Status, Undeliverable
from engine.errors import JobNotStarted, WorkerNotReady
from engine.request import Event, Failed, Finished, RenderRequest, Stopped
from tests.fakes.chat import FakeChat
from tests.fakes.renderer import Act, FakeRenderer
from tests.fakes.room import until

NEIGHBOUR_S = 0.05  # in which a job that waits is claimed and lies ready, also on a busy machine


class Kind(StrEnum):
    """What befalls a message and its job; as many as make an odd number, so each comes in every way."""

    PLAIN = "plain"
    DOUBTED = "doubted"  # arrives, and the platform says that it did not
    REGRETTED = "regretted"  # cancelled while it is drawn, a moment before the worker is lost
    WITHDRAWN = "withdrawn"  # cancelled at once, by its id
    TOO_LARGE = "too-large"  # never fits the card
    CURSED = "cursed"  # ends the worker that draws it, each time
    RECALLED = "recalled"  # cancelled at once, without its id
    ENDLESS = "endless"  # drawn until somebody stops it
    FAILING = "failing"  # the worker says why it cannot
    NAMELESS = "nameless"  # refused: it names a LoRA that nobody has
    AGAIN = "again"  # drawn again by a friend; its chat is gone, it is fetched
    UNLUCKY = "unlucky"  # loses the worker the first time
    UNREADY = "unready"  # no worker has started yet
    BROKEN = "broken"  # an error nobody planned for
    TORN = "torn"  # a picture is missing
    SILENT = "silent"  # its chat never answers, it is fetched in the end
    LAST = "last"  # plain, drawn slowly
    POISON = "poison"  # ends the whole process that draws it; not in the round


ROUND = tuple(kind for kind in Kind if kind is not Kind.POISON)


def kind_of(prompt: str) -> Kind:
    """The kind of a job; a LoRA's trigger may stand before it."""
    return next(kind for kind in Kind if f"{kind} " in f"{prompt} ")


class LifeRenderer(FakeRenderer):
    """Draws, fails, or takes the worker or the whole process with it."""

    _not_begun: ClassVar[dict[str, int]] = {}  # of the whole life: job that lay ready at a loss → its try

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._unready: set[str] = set()
        self.regret: Callable[[str], Awaitable[None]]

    async def render(
        self, request: RenderRequest, listen: Callable[[Event], None]
    ) -> Finished | Stopped | Failed:
        if self._not_begun.pop(request.job_id, request.attempt) != request.attempt:
            append(self._folder / "wrong.log", f"a try of {request.job_id} was lost to another job")
        try:
            return await super().render(request, listen)
        except JobNotStarted:
            self._not_begun[request.job_id] = request.attempt
            raise

    async def _render(
        self, request: RenderRequest, listen: Callable[[Event], None], act: Act
    ) -> Finished | Stopped | Failed:
        kind = kind_of(request.prompt)
        if kind is Kind.POISON:
            append(self._folder / "poison.log", request.job_id)
            os.kill(os.getpid(), signal.SIGKILL)
        if kind is Kind.UNREADY and request.job_id not in self._unready:
            self._unready.add(request.job_id)
            raise WorkerNotReady
        if kind is Kind.REGRETTED:
            await self.regret(request.job_id)
        is_lost = kind in (Kind.CURSED, Kind.REGRETTED) or (kind is Kind.UNLUCKY and request.attempt == 1)
        acts = {Kind.ENDLESS: Act.HANG, Kind.FAILING: Act.FAIL, Kind.BROKEN: Act.BREAK}
        act = Act.LOSE if is_lost else acts.get(kind, Act.DRAW)
        if is_lost:  # with a neighbour, where there is one: what becomes of it is worth a law
            with contextlib.suppress(TimeoutError):  # perhaps nobody waits
                await until(self._has_neighbour, NEIGHBOUR_S)
        self.step_s = 0.001 if kind in (Kind.LAST, Kind.ENDLESS) else 0
        return await super()._render(request, listen if kind is not Kind.TORN else lambda event: None, act)

    def _has_neighbour(self) -> bool:
        """Whether a job lies ready behind the one that is drawn."""
        return len(self._turns) > 1


class LifeChat(FakeChat):
    """Writes down what people saw before it says so."""

    def __init__(self, folder: Path) -> None:
        super().__init__(deliver_s=0.001)
        self._folder = folder
        self._doubted: set[str] = set()

    async def show(self, status: Status) -> None:
        await asyncio.sleep(0.002)
        await super().show(status)

    async def deliver(self, result: JobResult) -> None:
        kind, is_edit = kind_of(result.recipe.prompt), bool(result.address.ref)
        if is_edit and kind is Kind.AGAIN:
            raise Undeliverable("the placeholder is gone")
        if is_edit and kind is Kind.SILENT:
            raise ConnectionError("this channel never answers")
        await super().deliver(result)
        place = result.address.ref if is_edit else "a-new-message"
        story = f"{result.state}-{len(result.pictures)}-{result.refund}"
        append(self._folder / "shown.log", f"{result.job_id} {place} {story}")
        await asyncio.sleep(0.001)  # seen, and not yet marked
        if is_edit and kind is Kind.DOUBTED and result.job_id not in self._doubted:
            self._doubted.add(result.job_id)
            raise ConnectionError("it arrived, but the answer did not")


def append(log: Path, line: str) -> None:
    """One short line in one write."""
    with log.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
