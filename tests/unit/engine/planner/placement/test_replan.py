"""A plan falls at once when memory goes and returns when it comes back, and never flaps."""

import random
from dataclasses import dataclass, field, replace

import pytest

from engine.config import WeightFormat
from engine.formatting import GIB
from engine.planner.placement.choose import choose_plan
from engine.planner.placement.replan import (
    CALM_S,
    GAIN,
    MOST_CALM_S,
    ROOM_BYTES,
    SOON_S,
    TIGHT_COUNT,
    PlanChange,
    PlanState,
    Replanned,
    replan,
)
from engine.planner.placement.values import NoPlan, Placed, Situation
from tests.unit.engine.planner.placement.situations import EVERY, situation

TRACES = 10_000


@dataclass
class Watched:
    """Follows one card through its readings."""

    situation: Situation
    now_s: float = 0.0
    state: PlanState = field(default_factory=lambda: PlanState(placed=None))

    def __post_init__(self) -> None:
        placed = choose_plan(self.situation)
        self.state = PlanState(placed=placed if isinstance(placed, Placed) else None)

    def read(self, free_gib: float, after_s: float = 5.0) -> Replanned:
        self.now_s += after_s
        self.situation = with_free(self.situation, round(free_gib * GIB))
        answer = replan(self.state, self.situation, self.now_s)
        self.state = answer.state
        return answer

    def read_for(self, free_gib: float, seconds: float) -> list[Replanned]:
        return [self.read(free_gib) for _ in range(int(seconds / 5))]


def with_free(given: Situation, free_bytes: int) -> Situation:
    return replace(given, card=replace(given.card, free_bytes=free_bytes))


def test_a_plan_that_fits_is_kept_and_its_budget_follows_what_is_free() -> None:
    watched = Watched(situation("H200", 60))
    answer = watched.read(50)
    assert answer.change is PlanChange.KEPT
    assert not answer.moves
    assert answer.plan is not None
    assert answer.plan.budget_bytes == 50 * GIB


@pytest.mark.parametrize("card", ["RTX 3060", "RTX 4080", "H200"])
def test_a_plan_that_fits_exactly_is_kept(card: str) -> None:
    placed = choose_plan(situation(card, formats=EVERY))
    assert isinstance(placed, Placed)
    exact = with_free(situation(card, formats=EVERY), placed.option.bytes)
    watched = Watched(exact)
    assert watched.state.placed is not None
    assert watched.state.placed.option.bytes == exact.card.free_bytes
    assert watched.read(exact.card.free_bytes / GIB).change is PlanChange.KEPT


@pytest.mark.parametrize(
    ("card", "free_gib", "ram_gib"),
    [("RTX 4080", 14.5, 32), ("RTX 4090", 21, 8), ("A10", 6.75, 16), ("H200", 33, 8)],
)
def test_a_start_in_bf16_is_kept_where_less_memory_would_mean_faster_eight_bits(
    card: str, free_gib: float, ram_gib: float
) -> None:
    watched = Watched(situation(card, free_gib, ram_gib, EVERY))
    assert watched.state.placed is not None
    assert watched.state.placed.plan.weight_format is WeightFormat.BF16
    assert {each.change for each in watched.read_for(free_gib, 2 * CALM_S)} == {PlanChange.KEPT}


def test_a_plan_that_no_longer_fits_falls_at_once_and_leaves_room() -> None:
    watched = Watched(situation("H200", 60))
    answer = watched.read(20)
    assert answer.change is PlanChange.PRESSURE
    assert answer.moves
    assert answer.state.placed is not None
    assert answer.state.placed.option.bytes <= 20 * GIB - ROOM_BYTES


def test_it_returns_after_the_calm_time_and_not_before() -> None:
    watched = Watched(situation("H200", 60))
    first = watched.state.placed
    watched.read(20)
    answers = watched.read_for(60, CALM_S + 5)
    assert [each.change for each in answers[:-1]] == [PlanChange.WAITING] * (len(answers) - 1)
    assert answers[-1].change is PlanChange.RETURNED
    assert first is not None
    assert watched.state.placed is not None
    assert watched.state.placed.option.expected_s == pytest.approx(first.option.expected_s)


@pytest.mark.parametrize("card", ["RTX 4080", "A10", "L40S", "H200"])
def test_full_precision_returns_with_the_memory_also_where_eight_bits_are_faster(card: str) -> None:
    watched = Watched(situation(card, formats=EVERY))
    first, whole_gib = watched.state.placed, watched.situation.card.free_bytes / GIB
    assert first is not None
    assert first.plan.weight_format is WeightFormat.BF16
    watched.read(10)
    assert watched.state.placed is not None
    assert watched.state.placed.plan.weight_format is not WeightFormat.BF16
    watched.read_for(whole_gib, TIGHT_COUNT * CALM_S + 5)
    assert watched.state.placed.plan.weight_format is WeightFormat.BF16
    assert watched.read_for(whole_gib, CALM_S)[-1].change is PlanChange.KEPT


def test_a_reading_without_room_starts_the_calm_time_again() -> None:
    watched = Watched(situation("H200", 60))
    watched.read(20)
    watched.read_for(60, CALM_S - 5)
    assert watched.read(20).change is PlanChange.KEPT
    assert watched.read(60).change is PlanChange.WAITING


def test_a_program_that_comes_and_goes_makes_the_calm_time_longer() -> None:
    watched = Watched(situation("H200", 60))
    rises = 0
    for _ in range(40):
        watched.read(20)
        rises += sum(each.change is PlanChange.RETURNED for each in watched.read_for(60, CALM_S + 15))
    assert rises == 1
    assert watched.state.calm_s > CALM_S
    assert watched.read_for(60, 2 * watched.state.calm_s)[-1].state.placed == choose_plan(
        situation("H200", 60 - ROOM_BYTES / GIB)
    )


def test_nothing_fits_then_something_does() -> None:
    watched = Watched(situation("RTX 3060", 11, ram_gib=32, formats=EVERY))
    answer = watched.read(2)
    assert answer.change is PlanChange.REFUSED
    assert answer.plan is None
    assert answer.refusal is not None
    assert answer.refusal.missing_bytes > 0
    answers = watched.read_for(11, CALM_S + 5)
    assert answers[0].plan is None
    assert answers[0].change is PlanChange.WAITING
    assert answers[-1].change is PlanChange.RETURNED
    assert answers[-1].plan is not None


def random_trace(rng: random.Random, total_gib: float) -> list[tuple[float, float]]:
    """Free memory in GiB and the seconds before each reading: programs start, grow and end."""
    trace, others = [], 0.0
    for _ in range(rng.randint(4, 16)):
        match rng.randrange(4):
            case 0:
                others = rng.uniform(0, total_gib)
            case 1:
                others = max(0.0, others + rng.uniform(-1, 1))
            case 2:
                others = 0.0
        free = max(0.0, round((total_gib - others) * 8) / 8)
        trace.append((free, rng.choice((2.0, 10.0, 45.0))))
    return trace


@pytest.mark.slow
def test_10_000_random_traces_fit_or_refuse_never_flap_and_return() -> None:
    rng = random.Random(13)
    machines = [
        (situation("H200", 60, formats=EVERY), 60.0),
        (situation("A10", 22, ram_gib=32), 22.0),
        (situation("RTX 3060", 11.5, ram_gib=32, formats=EVERY), 11.5),
        (situation("RTX 4060", 7.5, ram_gib=13, formats=EVERY), 7.5),
    ]
    for _ in range(TRACES):
        start, total_gib = rng.choice(machines)
        watched, risen_s = Watched(start), None
        for free_gib, after_s in random_trace(rng, total_gib):
            before = watched.state.placed
            answer = watched.read(free_gib, after_s)
            free = round(free_gib * GIB)
            if answer.plan is None:
                assert answer.change in (PlanChange.REFUSED, PlanChange.WAITING)
            else:  # it never plans over what is free
                assert answer.state.placed is not None
                assert answer.state.placed.option.bytes <= free
                assert answer.plan.budget_bytes is not None
                assert answer.plan.budget_bytes <= free
            if answer.change is PlanChange.REFUSED:  # only if nothing fits
                assert isinstance(choose_plan(with_free(start, free)), NoPlan)
            if answer.change is PlanChange.PRESSURE:  # only if it has to
                assert before is not None
                assert before.option.bytes > free
            if answer.change is PlanChange.RETURNED:  # at most once per calm time
                assert risen_s is None or watched.now_s - risen_s >= CALM_S
                risen_s = watched.now_s


def test_after_any_trace_it_returns_to_the_fastest_plan() -> None:
    rng = random.Random(31)
    for _ in range(300):
        start = situation("A10", 22, ram_gib=32)
        watched = Watched(start)
        for free_gib, after_s in random_trace(rng, 22.0):
            watched.read(free_gib, after_s)
        for _ in range(4):
            watched.read(22.0, SOON_S)
            watched.read(22.0, TIGHT_COUNT * MOST_CALM_S)
        best = choose_plan(start)
        assert isinstance(best, Placed)
        assert watched.state.placed is not None
        assert watched.state.placed.option.expected_s <= best.option.expected_s / GAIN
