"""What hosts decide and see of people and the queue, and what everybody sees of it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ShowStatus:
    """Show what the bot does now, and the person's own jobs."""


@dataclass(frozen=True, slots=True)
class PauseDrawing:
    """Draw nothing until ``ResumeDrawing``; requests are accepted and wait. Hosts only."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class DrainQueue:
    """Draw what waits, and refuse new requests until ``ResumeDrawing``. Hosts only."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class ResumeDrawing:
    """Draw and take requests again; hosts only."""


HostingCommand = ShowStatus | PauseDrawing | DrainQueue | ResumeDrawing
