"""Decides which job is drawn next. Pure: the reading of the card and the clock are passed in.

Nothing outlives the process: at a start the desk adds every stored job again, in the order of acceptance.

Tests: ``pytest tests/unit/engine/scheduler``.
"""

from engine.scheduler.jobs import Ahead, Decision, Waiting, WorkBefore
from engine.scheduler.scheduler import MAX_PASSES, MAX_SKIPPED_ROUNDS, PATIENCE_S, Scheduler

__all__ = [
    "MAX_PASSES",
    "MAX_SKIPPED_ROUNDS",
    "PATIENCE_S",
    "Ahead",
    "Decision",
    "Scheduler",
    "Waiting",
    "WorkBefore",
]
