"""Kinds of messages that fail in different ways, and the renderer and chat that act accordingly.

A prompt starts with its kind, so every process treats a job in the same way.
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
from tests.fakes.desk_harness import until
from tests.fakes.renderer import Act, FakeRenderer

NEIGHBOUR_S = 0.05  # time in which a waiting job is taken and ready, also on a busy machine


class Kind(StrEnum):
    """What happens to a message and its job; with an odd number of kinds, each is sent in every way."""

    PLAIN = "plain"
    UNCONFIRMED = "unconfirmed"  # its delivery arrives, but the platform reports an error
    CANCELLED_LATE = "cancelled-late"  # cancelled while it is drawn, just before the worker is lost
    CANCELLED_BY_ID = "cancelled-by-id"  # cancelled at once
    TOO_LARGE = "too-large"  # never fits the card
    ENDS_WORKER = "ends-worker"  # ends the worker at each attempt
    CANCELLED_NEWEST = "cancelled-newest"  # cancelled at once, without its id
    ENDLESS = "endless"  # drawn until it is stopped
    FAILING = "failing"  # the worker reports a failure
    UNKNOWN_LORA = "unknown-lora"  # refused
    REROLLED = "rerolled"  # drawn again by a friend; its placeholder is gone, so it is fetched with /mine
    ENDS_FIRST_WORKER = "ends-first-worker"  # ends the worker at the first attempt
    UNREADY = "unready"  # no worker has started yet
    BROKEN = "broken"  # an unexpected error
    INCOMPLETE = "incomplete"  # a picture is missing
    SILENT = "silent"  # its chat never answers, so it is fetched with /mine
    SLOW = "slow"  # plain, drawn slowly
    POISON = "poison"  # ends the whole process that draws it; not in the round


ROUND = tuple(kind for kind in Kind if kind is not Kind.POISON)


def kind_of(prompt: str) -> Kind:
    """Return the kind of a job; a LoRA's trigger may come before it."""
    return next(kind for kind in Kind if f"{kind} " in f"{prompt} ")


class KindRenderer(FakeRenderer):
    """Draws, fails, or ends the worker or the whole process."""

    # Job that was ready when a worker was lost → its attempt; shared by the whole process.
    _not_started: ClassVar[dict[str, int]] = {}

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._unready: set[str] = set()
        self.cancel_late: Callable[[str], Awaitable[None]]

    async def render(
        self, request: RenderRequest, listen: Callable[[Event], None]
    ) -> Finished | Stopped | Failed:
        if self._not_started.pop(request.job_id, request.attempt) != request.attempt:
            append(self._folder / "wrong.log", f"an attempt of {request.job_id} was lost to another job")
        try:
            return await super().render(request, listen)
        except JobNotStarted:
            self._not_started[request.job_id] = request.attempt
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
        if kind is Kind.CANCELLED_LATE:
            await self.cancel_late(request.job_id)
        is_lost = kind in (Kind.ENDS_WORKER, Kind.CANCELLED_LATE) or (
            kind is Kind.ENDS_FIRST_WORKER and request.attempt == 1
        )
        acts = {Kind.ENDLESS: Act.HANG, Kind.FAILING: Act.FAIL, Kind.BROKEN: Act.BREAK}
        act = Act.LOSE if is_lost else acts.get(kind, Act.DRAW)
        if is_lost:  # wait until another job is ready behind it: a law checks that job
            with contextlib.suppress(TimeoutError):  # no other job waits
                await until(self._has_neighbour, NEIGHBOUR_S)
        self.step_s = 0.001 if kind in (Kind.SLOW, Kind.ENDLESS) else 0
        return await super()._render(
            request, listen if kind is not Kind.INCOMPLETE else lambda event: None, act
        )

    def _has_neighbour(self) -> bool:
        """Whether a job is ready behind the one that is drawn."""
        return len(self._turns) > 1


class KindChat(FakeChat):
    """Logs what people saw before it reports the delivery."""

    def __init__(self, folder: Path) -> None:
        super().__init__(deliver_s=0.001)
        self._folder = folder
        self._unconfirmed: set[str] = set()

    async def show(self, status: Status) -> None:
        await asyncio.sleep(0.002)
        await super().show(status)

    async def deliver(self, result: JobResult) -> None:
        kind, is_edit = kind_of(result.recipe.prompt), bool(result.address.ref)
        if is_edit and kind is Kind.REROLLED:
            raise Undeliverable("the placeholder is gone")
        if is_edit and kind is Kind.SILENT:
            raise ConnectionError("this channel never answers")
        await super().deliver(result)
        message = result.address.ref if is_edit else "a-new-message"
        content = f"{result.state}-{len(result.pictures)}-{result.refund}"
        append(self._folder / "shown.log", f"{result.job_id} {message} {content}")
        await asyncio.sleep(0.001)  # the result is shown, and not yet marked as sent
        if is_edit and kind is Kind.UNCONFIRMED and result.job_id not in self._unconfirmed:
            self._unconfirmed.add(result.job_id)
            raise ConnectionError("it arrived, but the answer did not")


def append(log: Path, line: str) -> None:
    """Append one short line in one write."""
    with log.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
