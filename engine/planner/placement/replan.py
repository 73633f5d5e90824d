"""Whether a new reading changes the plan: down at once, up only after a calm time. Pure.

A plan that no longer fits is replaced at once by one that leaves some room. A faster plan must fit, with that
room, in every reading of the calm time; without that room, four times as long. With that room, bf16 returns
after eight bits although it is slower. Every fall soon after a rise doubles the calm time, up to a limit, so
a program that comes and goes cannot make the model move in and out.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from engine.config import Plan, WeightFormat
from engine.formatting import MIB
from engine.planner.placement.choose import choose_plan
from engine.planner.placement.values import NoPlan, Placed, Situation

GRAIN_BYTES = 64 * MIB  # of a budget: a worker does not start again for less
ROOM_BYTES = 384 * MIB  # a changed plan leaves so much for the program that has grown
GAIN = 0.9  # a faster plan must take at most this part of the present seconds
CALM_S = 60.0  # for so long the faster plan must fit
MOST_CALM_S = 960.0
TIGHT_COUNT = 4  # a faster plan that leaves no room must fit so many calm times
SOON_S = 300.0  # a fall so soon after a rise doubles the calm time; so long without one halves it


class PlanChange(StrEnum):
    """Why a plan was kept or changed.

    KEPT      it fits, and none is much faster
    WAITING   a faster one fits, but not yet for the calm time
    PRESSURE  it no longer fits
    RETURNED  a faster one has fitted for the calm time
    REFUSED   none fits
    """

    KEPT = "kept"
    WAITING = "waiting"
    PRESSURE = "pressure"
    RETURNED = "returned"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanState:
    """What is remembered between two readings.

    Attributes:
        placed: The present plan; None while none fits.
        calm_s: How long a faster plan must fit now.
        better_since_s: Since when each reading has allowed a faster plan; None if the last did not.
        risen_s: When the plan last became faster; None if never.
        quiet_since_s: Since when no memory has come and gone, and the calm time is unchanged.
    """

    placed: Placed | None
    calm_s: float = CALM_S
    better_since_s: float | None = None
    risen_s: float | None = None
    quiet_since_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Replanned:
    """The answer to one reading.

    Attributes:
        change: What happens and why.
        state: Pass it to the next call.
        plan: The plan from now on, its budget within what is free; None if none fits.
        refusal: What is missing if none fits.
    """

    change: PlanChange
    state: PlanState
    plan: Plan | None
    refusal: NoPlan | None = None

    @property
    def moves(self) -> bool:
        """Whether the model has to move on the card."""
        return self.change in (PlanChange.PRESSURE, PlanChange.RETURNED)


def replan(state: PlanState, situation: Situation, now_s: float) -> Replanned:
    """Decide by one reading.

    Args:
        state: From the last call; at the start ``PlanState(placed=…)`` with the plan of ``choose_plan``.
        situation: With the present free bytes, those that the worker holds included.
        now_s: Seconds of any monotonic clock.
    """
    free = situation.card.free_bytes
    answer, with_room = choose_plan(situation), choose_plan(_with_free(situation, free - ROOM_BYTES))
    if isinstance(answer, NoPlan):
        state = replace(state if state.placed is None else _fallen(state, now_s), better_since_s=None)
        return Replanned(change=PlanChange.REFUSED, state=state, plan=None, refusal=answer)
    roomy = None
    if isinstance(with_room, Placed) and _is_exact(with_room) == _is_exact(answer):
        roomy = with_room  # in another format a new worker would take ``answer`` again
    if state.placed is not None and state.placed.option.bytes > free:
        return _answer(PlanChange.PRESSURE, replace(_fallen(state, now_s), placed=roomy or answer), situation)
    state = _calmer(state, now_s)
    if roomy is not None and (_is_better(roomy, state.placed) or _restores(roomy, state.placed)):
        return _rise(state, situation, roomy, state.calm_s, now_s)
    if _is_better(answer, state.placed):
        return _rise(state, situation, answer, TIGHT_COUNT * state.calm_s, now_s)
    if state.better_since_s is not None:  # the memory that came back has gone again
        state = replace(state, better_since_s=None, quiet_since_s=now_s)
    return _answer(PlanChange.KEPT, state, situation)


def _rise(state: PlanState, situation: Situation, better: Placed, calm_s: float, now_s: float) -> Replanned:
    """Take a faster plan if one has fitted long enough."""
    since_s = now_s if state.better_since_s is None else state.better_since_s
    if now_s - since_s < calm_s:
        return _answer(PlanChange.WAITING, replace(state, better_since_s=since_s), situation)
    state = replace(state, placed=better, better_since_s=None, risen_s=now_s)
    return _answer(PlanChange.RETURNED, state, situation)


def _is_better(candidate: Placed, present: Placed | None) -> bool:
    if present is None or len(candidate.sizes) > len(present.sizes):
        return True
    is_faster = candidate.option.expected_s <= GAIN * present.option.expected_s
    return is_faster and len(candidate.sizes) == len(present.sizes)


def _restores(candidate: Placed, present: Placed | None) -> bool:
    """Whether a plan serves the sizes in bf16 again; eight bits were a need of another moment."""
    if present is None or len(candidate.sizes) < len(present.sizes):
        return False
    return _is_exact(candidate) and not _is_exact(present)


def _is_exact(placed: Placed) -> bool:
    """Whether its numbers have their full format; eight bits change the picture."""
    return placed.plan.weight_format is WeightFormat.BF16


def _fallen(state: PlanState, now_s: float) -> PlanState:
    """Forget a plan that no longer fits; soon after a rise, double the calm time."""
    calm_s = state.calm_s
    if state.risen_s is not None and now_s - state.risen_s < SOON_S:
        calm_s = min(MOST_CALM_S, 2 * calm_s)
    return PlanState(placed=None, calm_s=calm_s, risen_s=state.risen_s, quiet_since_s=now_s)


def _calmer(state: PlanState, now_s: float) -> PlanState:
    """Halve the calm time after a long time without a fall."""
    if state.calm_s > CALM_S and now_s - state.quiet_since_s >= SOON_S + state.calm_s:
        return replace(state, calm_s=state.calm_s / 2, quiet_since_s=now_s)
    return state


def _answer(change: PlanChange, state: PlanState, situation: Situation) -> Replanned:
    """Answer with the present plan; its budget is what is free now."""
    if state.placed is None:  # one fits again, but not yet for the calm time
        return Replanned(change=change, state=state, plan=None)
    budget = situation.card.free_bytes // GRAIN_BYTES * GRAIN_BYTES
    plan = replace(state.placed.plan, budget_bytes=budget)
    return Replanned(change=change, state=state, plan=plan)


def _with_free(situation: Situation, free_bytes: int) -> Situation:
    return replace(situation, card=situation.card.with_free(free_bytes))
