"""Reviews the plan of a running worker: does it have to start again with another one?"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from engine.config import CONTEXT_BYTES, Plan
from engine.formatting import MIB, format_gib
from engine.planner.machine import WorkerPlanner
from engine.planner.placement.choose import choose_plan
from engine.planner.placement.replan import PlanChange, PlanState, replan
from engine.planner.placement.values import Placed, Situation

SLACK_BYTES = 256 * MIB  # the driver's context is an estimate; the reserve for others covers the difference

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class WorkerMemory:
    """What the worker holds and would use again.

    Attributes:
        held_bytes: On the card, as torch counts it.
        host_bytes: In main memory.
        is_current: Whether the first figure is of now. A worker reports it after each job alone, and may hold
            more meanwhile.
    """

    held_bytes: int
    host_bytes: int = 0
    is_current: bool = True


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
        if _may_be_ours(self._state, situation, memory):
            self._state = replace(self._state, better_since_s=None)
            return ""
        answer = replan(self._state, situation, self._clock())
        self._state = answer.state
        if not answer.moves or answer.plan is None:
            return ""
        moves = not adapts(placed.plan, answer.plan)
        if moves and answer.change is PlanChange.RETURNED:
            started = choose_plan(situation)  # by a new worker, which needs no room beside its plan
            moves = not (isinstance(started, Placed) and adapts(placed.plan, started.plan))
        reason = _reason(answer.change, answer.plan, situation)
        log.info("plan changed", change=answer.change.value, restarts=moves, reason=reason)
        return reason if moves else ""


def _may_be_ours(state: PlanState, situation: Situation, memory: WorkerMemory) -> bool:
    """Whether the worker itself may hold all that its plan lacks."""
    if state.placed is None:
        return False
    needed, free = state.placed.option.bytes, situation.card.free_bytes
    unreported = 0 if memory.is_current else max(0, needed - memory.held_bytes - CONTEXT_BYTES)
    return free < needed <= free + SLACK_BYTES + unreported


def adapts(present: Plan, wanted: Plan) -> bool:
    """Whether a worker with the present plan carries out the wanted one without a new start.

    Within the budget that it started with, it changes the number of its resident blocks, and gives up or
    makes its second copy, by itself. A start with a plan of the same kind would change nothing else.
    """
    if replace(wanted, budget_bytes=present.budget_bytes) == present:
        return True
    is_same = replace(present, resident_blocks=0).kind == replace(wanted, resident_blocks=0).kind
    is_within = present.budget_bytes is None or (wanted.budget_bytes or 0) <= present.budget_bytes
    return is_same and is_within


def _reason(change: PlanChange, plan: Plan, situation: Situation) -> str:
    free = format_gib(situation.card.free_bytes)
    now = f"now {plan.kind}, {format_gib(plan.lora_cache_bytes)} of LoRAs"
    if change is PlanChange.PRESSURE:
        return f"the plan no longer fits the {free} that are free; {now}"
    return f"{free} have been free for a while; {now}"
