"""The planner's card has the link of its slot, the rates of its kind and what our worker may hold."""

import pytest

from engine.planner.machine import CardProbe
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
