"""Reviews the plan of a running worker: does it have to start again with another one?"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from engine.config import CONTEXT_BYTES, Plan
from engine.formatting import format_gib
from engine.planner.cost import kind_of
from engine.planner.machine import WorkerPlanner
from engine.planner.placement.replan import PlanChange, PlanState, Replanned, replan
from engine.planner.placement.values import Placed, Situation

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class WorkerMemory:
    """What the worker holds and would use again: on the card as torch counts it, and in main memory."""

    held_bytes: int
    host_bytes: int = 0


class Replanner:
    """Remembers between two readings what ``replan`` needs.

    Args:
        planner: Made the worker's plan.
        clock: Seconds; monotonic.
    """

    def __init__(self, planner: WorkerPlanner, clock: Callable[[], float] = time.monotonic) -> None:
        self._planner = planner
        self._clock = clock
        self._placed: Placed | None = None  # with which the present worker started
        self._state: PlanState | None = None

    def review(self, memory: WorkerMemory) -> str:
        """Read the machine, and say why the worker must start again; empty if it must not. Blocking."""
        placed = self._planner.placed
        if placed is None:
            return ""
        if self._state is None:
            self._state = PlanState(placed=placed, quiet_since_s=self._clock())
        elif placed is not self._placed:  # a new worker; how often memory comes and goes is remembered
            self._state = replace(self._state, placed=placed)
        self._placed = placed
        # The driver counts its context as used, and torch does not count it as held.
        situation = self._planner.situation(memory.held_bytes + CONTEXT_BYTES, memory.host_bytes)
        if situation is None:
            return ""
        answer = replan(self._state, situation, self._clock())
        self._state = answer.state
        if not answer.moves or answer.plan is None:
            return ""
        moves = not adapts(placed.plan, answer.plan)
        reason = _reason(answer, situation)
        log.info("plan changed", change=answer.change.value, restarts=moves, reason=reason)
        return reason if moves else ""


def adapts(present: Plan, wanted: Plan) -> bool:
    """Whether a worker with the present plan carries out the wanted one without a new start.

    Within the budget that it started with, it changes the number of its resident blocks, and gives up or
    makes its second copy, by itself. A start with a plan of the same kind would change nothing else.
    """
    is_same = kind_of(replace(present, resident_blocks=0)) == kind_of(replace(wanted, resident_blocks=0))
    is_within = present.budget_bytes is None or (wanted.budget_bytes or 0) <= present.budget_bytes
    return is_same and is_within


def _reason(answer: Replanned, situation: Situation) -> str:
    free = format_gib(situation.card.free_bytes)
    if answer.change is PlanChange.PRESSURE:
        return f"the plan no longer fits the {free} that are free; now {kind_of(answer.plan)}"
    return f"{free} have been free for a while; now {kind_of(answer.plan)}"
