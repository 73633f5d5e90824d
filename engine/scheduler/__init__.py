"""Whose turn is it, and does the job fit: pure order and admission; the clock is passed in.

* ``order``      who comes before whom: fair in seconds, by weight, in bounded rounds
* ``scheduler``  the queue of one card: order, memory, and what is told of places and waits

Nothing here outlives the process: the desk adds every stored job again, in the order of acceptance.
Tests of this room alone: ``pytest tests/unit/engine/scheduler``.
"""

from engine.scheduler.order import MOST_ROUNDS, Waiting
from engine.scheduler.scheduler import MAX_PASSES, PATIENCE_S, Decision, Scheduler

__all__ = ["MAX_PASSES", "MOST_ROUNDS", "PATIENCE_S", "Decision", "Scheduler", "Waiting"]
