"""The LoRA folder as the commands of hosts see it."""

import asyncio
from pathlib import Path
from typing import Protocol

import structlog

from bot.desk.shelf.listing import problem_of
from bot.desk.shelf.trials import TRIAL_S
from bot.errors import LoraRefused, TrialNotDrawn
from engine.errors import EngineError, LoraRejected
from engine.shelf import LoraFile, Shelf

log = structlog.get_logger("bot.desk")


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


async def try_out(files: LoraFolder, file: LoraFile) -> None:
    """Draw the trial picture of a file of the shelf, unless its verdict is known.

    Raises:
        LoraRefused, TrialNotDrawn: The LoRA must not be used, or nothing is known about it.
    """
    try:
        async with asyncio.timeout(TRIAL_S):
            await files.try_out(file)
    except LoraRejected as error:
        raise refusal_of(file.name, error) from error
    except (EngineError, TimeoutError) as error:
        log.warning("trial picture not drawn", lora=file.name, error=type(error).__name__)
        raise TrialNotDrawn(name=file.name) from error


def refusal_of(name: str, error: LoraRejected) -> LoraRefused:
    """Return what the person reads whose LoRA is rejected."""
    problem = problem_of(error)
    return LoraRefused(**{**problem.facts, "name": name, "reason": problem.reason})
