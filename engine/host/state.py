"""The states of the worker, as its host sees it."""

from enum import StrEnum


class HostState(StrEnum):
    """The state of the worker.

    LOADING   it loads the model for the first time
    READY     it draws, or waits for a job
    MOVING    it ends, because the model gets another place on the card
    RELEASED  it gave the card back; the next job starts another worker
    LOST      it ended by itself or hung; another is being started
    """

    LOADING = "loading"
    READY = "ready"
    MOVING = "moving"
    RELEASED = "released"
    LOST = "lost"


CAN_DRAW = (HostState.READY, HostState.MOVING, HostState.RELEASED)
"""States in which a job that comes now will be drawn."""
