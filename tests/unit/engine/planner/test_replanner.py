"""A worker starts again only for a plan that it cannot carry out by itself; readings are scripted."""

from dataclasses import dataclass, field, replace

import pytest
from structlog.testing import capture_logs

from engine.config import CONTEXT_BYTES, Plan, WeightFormat, WeightLocation
from engine.formatting import GIB
from engine.planner.placement.choose import choose_plan
from engine.planner.placement.values import Placed, Situation
from engine.planner.replanner import Replanner, WorkerMemory, adapts
from tests.unit.engine.planner.placement.situations import situation


@dataclass
class ScriptedPlanner:
    """A card with this much free; ``start`` is a new worker."""

    card: str
    free_gib: float
    placed: Placed | None = None
    worker_bytes: int | None = None  # what it uses of the card; None if ``free_gib`` has it already
    held: list[tuple[int, int]] = field(default_factory=list)

    def situation(self, held_bytes: int, held_ram_bytes: int) -> Situation:
        self.held.append((held_bytes, held_ram_bytes))
        if self.worker_bytes is None:
            return situation(self.card, self.free_gib)
        return situation(self.card, self.free_gib + (held_bytes - self.worker_bytes) / GIB)

    def start(self) -> Placed:
        placed = choose_plan(situation(self.card, self.free_gib))
        assert isinstance(placed, Placed)
        self.placed = placed
        return placed


@dataclass
class Review:
    planner: ScriptedPlanner
    now_s: float = 0.0

    def __post_init__(self) -> None:
        self.replanner = Replanner(self.planner, lambda: self.now_s)  # type: ignore[arg-type]

    def read(self, free_gib: float, after_s: float = 5.0) -> str:
        self.planner.free_gib = free_gib
        self.now_s += after_s
        return self.replanner.review(WorkerMemory(GIB, 2 * GIB))

    def read_while(self, used_gib: float, reported_gib: float, *, is_current: bool) -> str:
        """Read while the worker uses more of the card than it has reported."""
        self.planner.worker_bytes = round(used_gib * GIB)
        self.now_s += 5.0
        memory = WorkerMemory(round(reported_gib * GIB), 2 * GIB, is_current)
        return self.replanner.review(memory)

    def read_for(self, free_gib: float, seconds: float) -> list[str]:
        return [reason for _ in range(int(seconds / 5)) if (reason := self.read(free_gib))]


def started(card: str, free_gib: float) -> Review:
    planner = ScriptedPlanner(card, free_gib)
    planner.start()
    return Review(planner)


def test_memory_that_others_take_moves_a_model_with_two_copies_at_once() -> None:
    review = started("H200", 60)
    assert review.read(60) == ""
    reason = review.read(24)
    assert "no longer fits the 24.0 GiB" in reason
    assert "base pinned" in reason


def test_memory_that_comes_back_moves_it_back_after_a_calm_time() -> None:
    review = started("H200", 60)
    assert review.read(22)
    assert review.planner.start().plan.base is WeightLocation.PINNED
    review.now_s += 600
    assert review.read_for(60, 50) == []
    reasons = review.read_for(60, 60)
    assert len(reasons) == 1
    assert "have been free for a while" in reasons[0]


def test_memory_that_comes_back_restarts_no_worker_for_the_plan_that_it_has() -> None:
    """The plan with room to spare differs from it, but a start needs no room to spare."""
    review = started("H200", 11.5)
    assert review.read_for(11.5, 300) == []
    assert review.read_for(10.5, 60) == []  # the worker adapts by itself
    assert review.read_for(11.5, 900) == []


def test_a_program_that_comes_and_goes_moves_the_model_less_and_less() -> None:
    review, moves = started("H200", 60), []
    for _ in range(20):
        for free_gib in (22, 60):
            for _ in range(18):  # 90 seconds
                if review.read(free_gib):
                    moves.append(review.now_s)
                    review.planner.start()
    assert len([at for at in moves if at < 900]) >= 3
    assert len([at for at in moves if at > 2700]) <= 2


def test_a_worker_gives_up_blocks_by_itself() -> None:
    review = started("RTX 3060", 11)
    assert review.planner.placed is not None
    assert review.planner.placed.plan.resident_blocks is not None
    assert review.read_for(10, 60) == []


def test_what_the_worker_holds_counts_with_the_drivers_context() -> None:
    review = started("H200", 60)
    review.read(60)
    assert review.planner.held == [(GIB + CONTEXT_BYTES, 2 * GIB)]


@pytest.mark.parametrize(("card", "free_gib"), [("H200", 12), ("H200", 60), ("RTX 3060", 11), ("L4", 22)])
def test_what_a_picture_takes_beyond_the_last_report_is_no_pressure(card: str, free_gib: float) -> None:
    review = started(card, free_gib)
    assert review.planner.placed is not None
    used_gib = review.planner.placed.option.bytes / GIB
    reported_gib = used_gib / 2  # the weights: no picture was drawn, or one is drawn now
    reasons = [review.read_while(used_gib, reported_gib, is_current=False) for _ in range(100)]
    assert set(reasons) == {""}


def test_others_that_take_what_the_worker_may_hold_are_pressure_while_it_draws() -> None:
    review = started("H200", 60)
    assert review.planner.placed is not None
    used_gib = review.planner.placed.option.bytes / GIB
    review.planner.free_gib = used_gib - 2  # they hold two GiB of it
    assert "no longer fits" in review.read_while(used_gib, used_gib / 2, is_current=False)


@pytest.mark.parametrize("is_current", [True, False])
def test_a_context_larger_than_estimated_is_no_pressure(is_current: bool) -> None:
    review = started("H200", 12)
    assert review.planner.placed is not None
    review.planner.free_gib = used_gib = review.planner.placed.option.bytes / GIB
    reported_gib = used_gib - CONTEXT_BYTES / GIB if is_current else used_gib / 2
    with capture_logs() as logs:
        assert review.read_while(used_gib + 0.2, reported_gib, is_current=is_current) == ""
    assert logs == []


def test_a_worker_that_uses_its_whole_budget_is_no_pressure() -> None:
    """It may hold more than its plan needs, and then the slack for the context counts as well."""
    review = started("H200", 14.5)
    assert review.planner.placed is not None
    needed_gib = review.planner.placed.option.bytes / GIB
    review.planner.free_gib = needed_gib
    held_gib = needed_gib + 0.3
    with capture_logs() as logs:
        reason = review.read_while(held_gib + 0.07, held_gib - CONTEXT_BYTES / GIB, is_current=False)
    assert (reason, logs) == ("", [])


@pytest.mark.parametrize("plan", [Plan(), Plan(budget_bytes=50 * GIB)])
def test_a_worker_never_starts_again_with_an_equal_plan(plan: Plan) -> None:
    assert adapts(plan, replace(plan, budget_bytes=40 * GIB))


def test_without_a_plan_there_is_nothing_to_review() -> None:
    assert Review(ScriptedPlanner("H200", 60)).read(60) == ""


STREAMED = Plan(base=WeightLocation.PINNED, resident_blocks=10, budget_bytes=8 * GIB)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (replace(STREAMED, resident_blocks=5, budget_bytes=6 * GIB), True),
        (replace(STREAMED, resident_blocks=20, budget_bytes=8 * GIB), True),
        (replace(STREAMED, resident_blocks=None, budget_bytes=8 * GIB), True),
        (
            replace(STREAMED, resident_blocks=20, budget_bytes=12 * GIB),
            False,
        ),  # its limit was set when it started
        (replace(STREAMED, vae_in_parts=True), False),
        (replace(STREAMED, lora_cache_bytes=1), True),  # fewer blocks make room for the LoRAs that it has
        (replace(STREAMED, weight_format=WeightFormat.INT8), False),
        (Plan(budget_bytes=8 * GIB), False),
    ],
)
def test_a_worker_changes_its_resident_blocks_within_its_budget_and_nothing_else(
    wanted: Plan, *, expected: bool
) -> None:
    assert adapts(STREAMED, wanted) is expected


def test_a_model_with_two_copies_does_not_become_another_by_itself() -> None:
    assert not adapts(Plan(), STREAMED)


def test_no_worker_starts_again_with_a_plan_of_the_same_kind() -> None:
    """A card with 12 GiB free moved to an equal plan in eight bits, because of a reading during a picture."""
    one_copy = Plan(weight_format=WeightFormat.FP8, base=WeightLocation.PINNED, budget_bytes=11 * GIB)
    assert adapts(one_copy, replace(one_copy, budget_bytes=10 * GIB, lora_cache_bytes=GIB // 2))
    assert adapts(Plan(budget_bytes=60 * GIB), Plan(budget_bytes=50 * GIB))
