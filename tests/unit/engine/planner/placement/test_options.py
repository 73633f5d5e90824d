"""Every plan that is tried fits, and keeps as many blocks on the card as it can."""

from dataclasses import replace

import pytest

from engine.config import WeightLocation
from engine.formatting import GIB
from engine.planner.placement.arithmetic import block_bytes
from engine.planner.placement.options import fitting_options, smallest_option
from tests.unit.engine.planner.placement.situations import EVERY, situation


@pytest.mark.parametrize("free_gib", [6, 8, 10, 12, 16, 24])
def test_one_more_block_on_the_card_would_not_fit(free_gib: float) -> None:
    given = situation("H200", free_gib, formats=EVERY)
    for option in fitting_options(given):
        assert option.bytes <= given.card.free_bytes
        resident = option.plan.resident_blocks
        if resident is not None and resident < given.model.blocks - 1:
            assert option.bytes + block_bytes(given.model, option.plan.weight_format) > given.card.free_bytes


def test_little_main_memory_allows_nothing_pinned() -> None:
    plans = [option.plan for option in fitting_options(situation("H200", 60, ram_gib=6))]
    assert plans
    assert {plan.base for plan in plans} == {WeightLocation.CARD, WeightLocation.DISK}
    assert {plan.encoder for plan in plans} == {WeightLocation.CARD, WeightLocation.DISK}


def test_a_machine_with_hardly_any_main_memory_still_has_plans() -> None:
    assert fitting_options(situation("RTX 3060", 11, ram_gib=1))


def test_the_smallest_plan_streams_everything() -> None:
    given = situation("H200", 60, formats=EVERY)
    smallest = smallest_option(given)
    assert smallest.plan.resident_blocks == 0
    assert smallest.plan.vae_in_parts
    assert smallest.bytes < 5 * GIB
    assert not fitting_options(
        replace(given, card=replace(given.card, free_bytes=smallest.bytes - 64 * 2**20))
    )
