"""Whether the bot draws and takes requests, and the answer to ``/status``."""

from dataclasses import dataclass, field
from enum import StrEnum

from engine.host.report import CardReport
from engine.request import TimeEstimate


class ServiceMode(StrEnum):
    """What a host decided. The values except OPEN equal the CHECK list of service.mode.

    OPEN      requests are accepted and drawn
    PAUSED    requests are accepted and wait
    DRAINING  what waits is drawn, and new requests are refused
    """

    OPEN = "open"
    PAUSED = "paused"
    DRAINING = "draining"


@dataclass(frozen=True, slots=True)
class Service:
    """Whether the bot draws and takes requests.

    Attributes:
        reason: What the host wrote; may be empty.
        since_ms: Unix milliseconds; 0 if no host decided anything.
    """

    mode: ServiceMode = ServiceMode.OPEN
    reason: str = ""
    since_ms: int = 0


@dataclass(frozen=True, slots=True)
class ServiceChanged:
    """A host changed it; ``waiting`` jobs wait. ``was`` the same mode: only the reason may be new."""

    service: Service
    was: ServiceMode
    waiting: int


@dataclass(frozen=True, slots=True)
class DrawingPaused:
    """A note: the job is accepted and waits until a host lets the drawing go on."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class UnfinishedJob:
    """A job of the person that has not ended.

    Attributes:
        typed: What the person typed; empty where others read it.
        position: How many jobs are before it; None while it is drawn.
        wait: Time until it starts; None if it is unknown.
    """

    job_id: str
    typed: str = field(repr=False)
    position: int | None
    wait: TimeEstimate | None = None


@dataclass(frozen=True, slots=True)
class StatusShown:
    """What the bot does now, for everybody.

    Attributes:
        is_drawing: A picture is being drawn.
        wait: Time until a new picture would start; None if it is unknown.
        jobs: The person's own, the next one first.
    """

    card: CardReport
    service: Service
    is_drawing: bool
    wait: TimeEstimate | None
    jobs: tuple[UnfinishedJob, ...]
