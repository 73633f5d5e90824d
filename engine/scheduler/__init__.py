"""Decides which job is drawn next. Pure: the reading of the card and the clock are passed in.

* ``order``      the waiting jobs in their order: fair in seconds, by weight, in bounded rounds
* ``scheduler``  the queue of one card: order, admission by memory, positions and waits

Nothing outlives the process: at a start the desk adds every stored job again, in the order of acceptance.

Tests: ``pytest tests/unit/engine/scheduler``.
"""

from engine.scheduler.order import MAX_SKIPPED_ROUNDS, Waiting
from engine.scheduler.scheduler import MAX_PASSES, PATIENCE_S, Decision, Scheduler

__all__ = ["MAX_PASSES", "MAX_SKIPPED_ROUNDS", "PATIENCE_S", "Decision", "Scheduler", "Waiting"]
