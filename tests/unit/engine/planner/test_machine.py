"""The planner's card has the link of its slot, the rates of its kind and what our worker may hold."""

from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bot.messages import format_error
from engine.checkpoint.model import BUILT_IN_WEIGHTS, ModelInfo, read_model
from engine.config import EngineConfig, WeightFormat, WeightLocation
from engine.errors import NoPlanFits
from engine.planner.machine import CardProbe, WorkerPlanner, wanted_sizes
from engine.planner.placement.cards import find_card
from tests.fakes.nvml import GIB, FakeGpu, FakeNvml


def probe(gpu: FakeGpu, device: str = "auto", reserve_gib: float = 0.5) -> CardProbe:
    return CardProbe(device, round(reserve_gib * GIB), nvml=FakeNvml(gpu), environ={})


def test_a_known_card_has_the_rates_of_the_table_and_the_link_of_its_slot() -> None:
    answers = {"pcie_generation": 3, "pcie_width": 8}
    info = probe(FakeGpu(12, 11, name="NVIDIA GeForce RTX 3060", answers=answers)).read()
    known = find_card("RTX 3060")
    assert info is not None
    assert known is not None
    assert info.rates == known.rates()
    assert (info.pcie_generation, info.pcie_width) == (3, 8)
    assert info.free_bytes == 10.5 * GIB


def test_a_driver_that_tells_no_link_leaves_the_cards_own() -> None:
    info = probe(FakeGpu(8, 7, name="NVIDIA GeForce RTX 4060")).read()
    assert info is not None
    assert (info.pcie_generation, info.pcie_width) == (4, 8)


def test_an_unknown_card_gets_an_estimate() -> None:
    info = probe(FakeGpu(48, 47, name="NVIDIA Unheard", answers={"pcie_generation": 9})).read()
    assert info is not None
    assert info.link_bytes_s > 0
    assert "estimated" in info.rates.source


def test_what_the_worker_holds_counts_as_free_up_to_the_whole_card() -> None:
    card = probe(FakeGpu(24, 2, name="A10"))
    info, more = card.read(held_bytes=20 * GIB), card.read(held_bytes=30 * GIB)
    assert info is not None
    assert more is not None
    assert info.free_bytes == 21.5 * GIB
    assert more.free_bytes == 23.5 * GIB


@pytest.mark.parametrize("device", ["cpu", "cuda:1"])
def test_without_a_card_there_is_none(device: str) -> None:
    assert probe(FakeGpu(24, 23), device).read() is None


def test_a_driver_that_fails_shows_no_card() -> None:
    nvml = FakeNvml(FakeGpu(24, 23))
    nvml.fails_with = nvml.NVML_ERROR_LIBRARY_NOT_FOUND
    assert CardProbe("auto", 0, nvml=nvml, environ={}).read() is None


def planner(
    gpu: FakeGpu, *, ram_gib: float = 32.0, precision: str = "auto", model: ModelInfo | None = None
) -> WorkerPlanner:
    config = EngineConfig(Path("data"), Path("loras"), precision=precision)
    ram_bytes = round(ram_gib * GIB)
    return WorkerPlanner(
        model or read_model(BUILT_IN_WEIGHTS), config, probe(gpu), lambda: (2 * ram_bytes, ram_bytes)
    )


def test_the_worker_gets_the_plan_and_its_budget() -> None:
    config = EngineConfig(Path("data"), Path("loras"))
    with capture_logs() as logs:
        placed = planner(FakeGpu(24, 23, name="NVIDIA A10")).place(config)
    assert placed.plan is not None
    assert placed.plan.base is WeightLocation.CARD
    assert placed.plan.budget_bytes == 22.5 * GIB
    assert [(each["event"], each["layout"]) for each in logs] == [("plan", "two_copies")]


def test_without_a_card_there_is_no_plan() -> None:
    nvml = FakeNvml()
    config = EngineConfig(Path("data"), Path("loras"))
    none = WorkerPlanner(read_model(BUILT_IN_WEIGHTS), config, CardProbe("auto", 0, nvml=nvml, environ={}))
    assert none.place(config).plan is None
    assert none.choose() is None


def test_a_full_card_is_refused_before_a_worker_starts() -> None:
    with pytest.raises(NoPlanFits) as caught:
        planner(FakeGpu(24, 1, name="NVIDIA A10")).place(EngineConfig(Path("data"), Path("loras")))
    assert "GiB" in format_error(caught.value, "en")
    assert caught.value.facts["missing_bytes"] > 0  # type: ignore[operator]


def test_the_setting_steps_and_sizes_reach_the_planner() -> None:
    few = replace(read_model(BUILT_IN_WEIGHTS), steps=4)
    situation = planner(FakeGpu(24, 23, name="A10"), precision="int8", model=few, ram_gib=5).situation(
        held_bytes=GIB // 2, held_ram_bytes=GIB
    )
    assert situation is not None
    assert (situation.steps, situation.formats) == (4, {WeightFormat.INT8})
    assert situation.ram_free_bytes == 6 * GIB
    assert situation.card.free_bytes == 23 * GIB
    assert situation.sizes == ((128, 192),)


def test_z_image_turbo_is_planned_for_its_native_a_square_and_its_largest_size() -> None:
    turbo = ModelInfo(
        name="turbo", folder=Path("x"), native_width_px=512, native_height_px=768, min_side_px=256,
        max_side_px=1536, max_area_px=1024 * 1536,
    )  # fmt: skip
    assert wanted_sizes(turbo) == ((512, 768), (1024, 1024), (1024, 1536))
