"""Two pictures tell what all others take; once for each card and plan, and never at the cost of a start."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from engine.checkpoint.model import ModelInfo
from engine.config import Plan, WeightLocation
from engine.errors import WorkerLost
from engine.planner.calibration import Calibration
from engine.planner.costs.book import CostBook
from engine.planner.costs.file import read_costs, write_costs
from engine.request import (
    Event,
    Failed,
    FailReason,
    Finished,
    LoraChoice,
    LoraSource,
    RenderRequest,
    Timings,
    WorkerInfo,
)
from tests.unit.engine.host.clock import jumping_clock

GIB = 2**30
WORKER = WorkerInfo(1, "cuda:0", "a card", "bfloat16", "", "turbo", 1, 8 * GIB)
TURBO = ModelInfo(
    name="turbo",
    folder=Path("nowhere"),
    native_width_px=512,
    native_height_px=768,
    min_side_px=256,
    max_side_px=2048,
    max_area_px=1024 * 1536,
)
SUGAR = LoraChoice("sugar", "ab" * 32)


class FakeDraw:
    """Draws at once; ``peak_bytes`` by size, or an answer of the test."""

    def __init__(self, answer: Failed | Exception | None = None, takes_s: float = 0) -> None:
        self.requests: list[RenderRequest] = []
        self.answer = answer
        self.takes_s = takes_s

    async def __call__(self, request: RenderRequest, listen: Callable[[Event], None]) -> Finished | Failed:
        self.requests.append(request)
        if self.takes_s:
            await asyncio.sleep(self.takes_s)
        if isinstance(self.answer, Exception):
            raise self.answer
        peak = 8 * GIB + request.width_px * request.height_px * 1000
        return self.answer or Finished(request.job_id, 1, Timings(denoise_s=0.2), peak, peak, 8 * GIB)


FILE = LoraSource(SUGAR.sha256, Path("/loras/sugar.safetensors"))


async def find_sugar() -> tuple[tuple[LoraChoice, ...], tuple[LoraSource, ...]]:
    return (SUGAR,), (FILE,)


def make(costs: CostBook, model: ModelInfo = TURBO) -> Calibration:
    return Calibration(costs, model, find_sugar, lambda: "580.1")


async def test_the_first_worker_on_a_card_draws_a_small_and_a_large_picture() -> None:
    costs, draw = CostBook(), FakeDraw()
    await make(costs).run(WORKER, Plan(), draw)
    small, large = draw.requests
    assert (small.width_px, small.height_px, small.loras, small.steps) == (256, 256, (), 2)
    assert (large.width_px, large.height_px, large.loras, large.steps) == (1024, 1024, (SUGAR,), 2)
    assert large.lora_files == (FILE,)
    assert costs.is_calibrated
    assert costs.predict(1024, 1024, 1, 0).bytes == pytest.approx(8 * GIB + 2**20 * 1000, rel=0.02)


async def test_a_card_and_plan_that_the_book_knows_are_not_measured_again(tmp_path: Path) -> None:
    costs = CostBook()
    await make(costs).run(WORKER, Plan(), FakeDraw())
    write_costs(costs, tmp_path / "cost.json")
    again, draw = read_costs(tmp_path / "cost.json", ""), FakeDraw()
    calibration = make(again)
    await calibration.run(WORKER, Plan(), draw)
    assert draw.requests == []
    await calibration.run(WORKER, Plan(base=WeightLocation.PINNED), draw)
    assert len(draw.requests) == 2


async def test_a_worker_without_a_card_is_not_calibrated() -> None:
    costs, draw = CostBook(), FakeDraw()
    await make(costs).run(replace(WORKER, device="cpu"), None, draw)
    assert draw.requests == []
    assert costs.knows_weights


async def test_a_model_that_draws_no_such_sizes_is_measured_at_its_own() -> None:
    draw = FakeDraw()
    tiny = replace(TURBO, native_width_px=128, native_height_px=192, min_side_px=64, max_side_px=192)
    await make(CostBook(), tiny).run(WORKER, None, draw)
    assert [(each.width_px, each.height_px) for each in draw.requests] == [(128, 192), (128, 192)]


async def test_a_failed_picture_leaves_the_priors() -> None:
    costs = CostBook()
    before = CostBook()
    before.started(WORKER, Plan(), "580.1")
    await make(costs).run(WORKER, Plan(), FakeDraw(Failed("c", 1, FailReason.OUT_OF_MEMORY)))
    assert costs.predict(1024, 1024, 1, 0) == before.predict(1024, 1024, 1, 0)


async def test_a_worker_that_dies_of_it_is_not_asked_again() -> None:
    draw = FakeDraw(WorkerLost())
    calibration = make(CostBook())
    with pytest.raises(WorkerLost):
        await calibration.run(WORKER, Plan(), draw)
    await calibration.run(WORKER, Plan(), draw)
    assert len(draw.requests) == 1


async def test_a_slow_card_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    async def now(call: Callable[[], str]) -> str:
        return call()

    monkeypatch.setattr("engine.planner.calibration.asyncio.to_thread", now)
    async with jumping_clock() as clock:
        await make(CostBook()).run(WORKER, Plan(), FakeDraw(takes_s=1000))
        assert clock() == pytest.approx(30)
