"""A job that the drawing loop has taken: its states, and what each error of the renderer means for it.

``TRANSITIONS`` lists the states, ``ERROR_RULES`` the errors.
"""

from dataclasses import dataclass, field
from enum import Enum, auto

from bot.store.rows import JobRow
from engine.errors import JobNotStarted, WorkerLost, WorkerNotReady
from engine.request import Picture, Progress


class TakenState(Enum):
    """The states of a taken job. It is over when its task ends."""

    READY = auto()  # the renderer has it and has not started it
    DRAWING = auto()  # the renderer has reported its start
    RETURNING = auto()  # the renderer failed; what this means for the job is being saved
    SAVING = auto()  # the renderer has answered; the job's end is being saved


HOLDS_A_SLOT = (TakenState.READY, TakenState.DRAWING, TakenState.RETURNING)
"""States in which a job takes one of the renderer's ``MAX_IN_FLIGHT`` slots. A returning job keeps its slot,
so that it is back in the queue before another is taken. While an end is saved, the next job is taken."""


class TakenEvent(Enum):
    """What happens to a taken job."""

    STARTED = auto()  # the renderer draws it
    ANSWERED = auto()  # it ends by the renderer's answer; after our own stop it waits again
    RETURNED = auto()  # it waits again, with its attempt and its position
    LOST = auto()  # it waits behind other jobs with one attempt less, or fails after its last one
    FAILED = auto()  # it ends and is refunded


TRANSITIONS: dict[tuple[TakenState, TakenEvent], tuple[TakenState, bool]] = {
    (TakenState.READY, TakenEvent.STARTED): (TakenState.DRAWING, False),
    (TakenState.READY, TakenEvent.ANSWERED): (TakenState.SAVING, True),  # stopped before its start
    (TakenState.READY, TakenEvent.RETURNED): (TakenState.RETURNING, False),
    (TakenState.READY, TakenEvent.LOST): (TakenState.RETURNING, True),
    (TakenState.READY, TakenEvent.FAILED): (TakenState.RETURNING, True),
    (TakenState.DRAWING, TakenEvent.ANSWERED): (TakenState.SAVING, True),
    (TakenState.DRAWING, TakenEvent.RETURNED): (TakenState.RETURNING, False),
    (TakenState.DRAWING, TakenEvent.LOST): (TakenState.RETURNING, True),
    (TakenState.DRAWING, TakenEvent.FAILED): (TakenState.RETURNING, True),
    (TakenState.SAVING, TakenEvent.FAILED): (TakenState.SAVING, False),  # its end could not be saved
}
"""State and event → the next state, and whether the person is charged now for the time that it was drawn. A
charged job loses its position; one that returns uncharged keeps it."""


@dataclass(frozen=True, slots=True)
class ErrorRule:
    """What one kind of error means for a job.

    Attributes:
        level: The log level of ``message``.
        pauses: The job keeps its slot for ``NOT_READY_WAIT_S``.
    """

    error: type[Exception]
    event: TakenEvent
    level: str
    message: str
    pauses: bool = False


ERROR_RULES: tuple[ErrorRule, ...] = (  # the first that matches applies
    ErrorRule(JobNotStarted, TakenEvent.RETURNED, "info", "worker lost before the job started"),
    ErrorRule(WorkerLost, TakenEvent.LOST, "warning", "worker lost"),
    ErrorRule(WorkerNotReady, TakenEvent.RETURNED, "error", "worker not ready", pauses=True),
    ErrorRule(Exception, TakenEvent.FAILED, "exception", "job failed"),
)


@dataclass(eq=False, slots=True)
class TakenJob:
    """A taken job until its end is saved.

    Attributes:
        drawn: Its pictures so far.
        progress: The renderer's last report; None before the first one.
        started_ms: When the renderer started it, for the record.
        started_s: The same on the clock that measures how long it was drawn.
    """

    job: JobRow
    state: TakenState = TakenState.READY
    drawn: list[Picture] = field(default_factory=list)
    progress: Progress | None = None
    started_ms: int | None = None
    started_s: float | None = None
