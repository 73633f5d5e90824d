"""The figures agree with those measured on an H200, and each part of a plan costs what it should."""

from dataclasses import replace

import pytest

from engine.checkpoint.part_sizes import Z_IMAGE_TURBO
from engine.config import Plan, WeightFormat, WeightLocation
from engine.formatting import GIB
from engine.planner.placement.arithmetic import ENCODER_GAPS_BYTES, LORA_BYTES, evaluate, ram_bytes
from engine.planner.placement.values import PlacementOption
from tests.unit.engine.planner.placement.situations import EVERY, situation

RESIDENT = Plan(lora_cache_bytes=LORA_BYTES)
PINNED = replace(RESIDENT, base=WeightLocation.PINNED)
CONTEXT_GIB = 560 / 1024


def on(card: str, plan: Plan, size: tuple[int, int]) -> PlacementOption:
    return evaluate(situation(card, formats=EVERY, sizes=(size,)), plan)


@pytest.mark.parametrize(
    ("size", "weight_format", "seconds"),
    [
        ((512, 768), WeightFormat.BF16, 0.293),
        ((1024, 1024), WeightFormat.BF16, 0.765),
        ((512, 512), WeightFormat.BF16, 0.203),
        ((512, 768), WeightFormat.FP8, 0.19),
        ((1024, 1024), WeightFormat.FP8, 0.52),
    ],
)
def test_seconds_on_an_h200_are_those_that_were_measured(
    size: tuple[int, int], weight_format: WeightFormat, seconds: float
) -> None:
    usual = on("H200", replace(RESIDENT, weight_format=weight_format), size).predictions[0]
    assert usual.picture_s + usual.prompt_s == pytest.approx(seconds, rel=0.07)


@pytest.mark.parametrize(("size", "gib"), [((512, 512), 31.1), ((512, 768), 31.3), ((1024, 1024), 32.2)])
def test_the_peak_on_an_h200_is_the_measured_one(size: tuple[int, int], gib: float) -> None:
    """Torch counts neither the context nor gaps; the table of the text encoder was on the card then."""
    option = on("H200", RESIDENT, size)
    held = option.bytes + Z_IMAGE_TURBO.encoder_table_bytes - ENCODER_GAPS_BYTES
    assert held / GIB - CONTEXT_GIB == pytest.approx(gib, rel=0.02)


def test_switches_on_an_h200_take_what_was_measured() -> None:
    in_bf16 = on("H200", RESIDENT, (512, 768)).predictions[0]
    assert in_bf16.lora_s == pytest.approx(0.045 + 0.0095, rel=0.15)
    assert in_bf16.prompt_s == pytest.approx(0.0077, rel=0.15)


@pytest.mark.parametrize(
    ("card", "bf16_s", "int8_s"), [("RTX 3060", 6.1, 1.8), ("RTX 4070", 2.7, 0.8), ("RTX 4090", 0.94, 0.28)]
)
def test_no_card_is_faster_than_its_arithmetic(card: str, bf16_s: float, int8_s: float) -> None:
    """The floors of eight forwards at 512 x 768 with dense data-sheet rates."""
    for plan, floor_s in ((PINNED, bf16_s), (replace(PINNED, weight_format=WeightFormat.INT8), int8_s)):
        picture_s = on(card, plan, (512, 768)).predictions[0].picture_s
        assert floor_s < picture_s < 2.2 * floor_s


def test_streaming_hides_under_arithmetic_on_a_slow_card_and_not_on_a_fast_one() -> None:
    streamed = replace(PINNED, resident_blocks=0)
    slow, fast = (situation(card, sizes=((512, 768),)) for card in ("RTX 3060", "RTX 4090"))
    assert evaluate(slow, streamed).predictions[0].step_s == pytest.approx(
        evaluate(slow, PINNED).predictions[0].step_s, rel=0.07
    )
    option = evaluate(fast, streamed)
    assert option.streamed_bytes == 30 * Z_IMAGE_TURBO.block_matrix_bytes
    assert option.predictions[0].step_s == pytest.approx(
        option.streamed_bytes / fast.card.link_bytes_s, rel=0.05
    )


def test_a_streamed_block_costs_no_switch_and_a_resident_one_its_copy() -> None:
    resident = on("H200", PINNED, (512, 768)).predictions[0].lora_s
    streamed = on("H200", replace(PINNED, resident_blocks=0), (512, 768)).predictions[0].lora_s
    assert resident - streamed == pytest.approx(30 * 353_894_400 / 50.4e9, rel=0.02)


def test_the_pristine_base_in_main_memory_saves_a_copy_on_the_card() -> None:
    two, one = (on("H200", plan, (512, 768)).bytes for plan in (RESIDENT, PINNED))
    assert two - one == Z_IMAGE_TURBO.matrix_bytes


def test_eight_bits_halve_the_matrices() -> None:
    wide = on("H200", PINNED, (512, 768)).bytes
    narrow = on("H200", replace(PINNED, weight_format=WeightFormat.INT8), (512, 768)).bytes
    layers = Z_IMAGE_TURBO.encoder_bytes - Z_IMAGE_TURBO.encoder_table_bytes
    landings = 2 * Z_IMAGE_TURBO.block_bytes  # where a LoRA is merged in bf16 and rounded
    assert wide - narrow == pytest.approx((Z_IMAGE_TURBO.matrix_bytes + layers) / 2 - landings, rel=0.02)


@pytest.mark.parametrize(
    ("weight_format", "encoder", "peak_gib"),
    [
        (WeightFormat.BF16, WeightLocation.CARD, 23.72),
        (WeightFormat.BF16, WeightLocation.PINNED, 15.15),
        (WeightFormat.FP8, WeightLocation.PINNED, 10.61),
    ],
)
def test_the_peak_of_500_pictures_beside_a_ballast_is_the_measured_one(
    weight_format: WeightFormat, encoder: WeightLocation, peak_gib: float
) -> None:
    """Of the whole worker, by NVML, with 24, 16 and 12 GiB free and one copy of the weights."""
    plan = replace(PINNED, weight_format=weight_format, encoder=encoder, lora_cache_bytes=GIB)
    assert on("H200", plan, (1024, 1024)).bytes / GIB == pytest.approx(peak_gib, rel=0.05)


def test_a_small_picture_has_more_blocks_on_the_card_than_a_large_one() -> None:
    given = situation("H200", 7.75, formats=EVERY, sizes=((512, 768), (1024, 1536)))
    plan = replace(
        PINNED,
        weight_format=WeightFormat.FP8,
        encoder=WeightLocation.PINNED,
        vae_in_parts=True,
        resident_blocks=18,
        budget_bytes=given.card.free_bytes,
    )
    small, large = evaluate(given, plan).predictions
    assert max(small.bytes, large.bytes) <= given.card.free_bytes
    assert large.bytes - small.bytes < Z_IMAGE_TURBO.block_bytes  # a block's memory is not used for less
    fixed = evaluate(given, replace(plan, budget_bytes=None)).predictions[0]
    assert small.step_s < fixed.step_s


def test_an_encoder_that_passes_through_costs_the_link_or_the_disk() -> None:
    layers = 36 * Z_IMAGE_TURBO.encoder_layer_bytes
    pinned, disk = (
        on("H200", replace(PINNED, encoder=place), (512, 768)).predictions[0].prompt_s
        for place in (WeightLocation.PINNED, WeightLocation.DISK)
    )
    assert pinned == pytest.approx(layers / 50.4e9, rel=0.01)
    assert disk == pytest.approx(layers / 2e9)


def test_a_picture_in_parts_needs_half_of_the_decoders_memory() -> None:
    whole, tiled = (
        on("RTX 4060", replace(PINNED, vae_in_parts=tiles), (1024, 1024)) for tiles in (False, True)
    )
    assert whole.bytes - tiled.bytes == pytest.approx(0.8 * GIB, rel=0.05)  # half of the decoder's
    assert tiled.predictions[0].picture_s > whole.predictions[0].picture_s


def test_main_memory_holds_what_is_pinned() -> None:
    transformer, encoder = Z_IMAGE_TURBO.transformer_bytes, Z_IMAGE_TURBO.encoder_bytes
    both = ram_bytes(Z_IMAGE_TURBO, replace(PINNED, encoder=WeightLocation.PINNED))
    assert both == transformer + encoder + 3 * GIB
    table = Z_IMAGE_TURBO.encoder_table_bytes
    assert ram_bytes(Z_IMAGE_TURBO, PINNED) == transformer + table + 3 * GIB
    assert ram_bytes(Z_IMAGE_TURBO, RESIDENT) == table + 3 * GIB
    narrow = replace(PINNED, weight_format=WeightFormat.INT8, encoder=WeightLocation.PINNED)
    assert both - ram_bytes(Z_IMAGE_TURBO, narrow) == pytest.approx((encoder - table) / 2, rel=0.02)


def test_an_encoder_in_eight_bits_has_half_the_way_but_from_the_disk() -> None:
    for place, part in ((WeightLocation.PINNED, 0.505), (WeightLocation.DISK, 1.0)):
        wide, narrow = (
            on("RTX 3060", replace(PINNED, weight_format=each, encoder=place), (512, 768)).predictions[0]
            for each in (WeightFormat.BF16, WeightFormat.INT8)
        )
        assert narrow.prompt_s == pytest.approx(wide.prompt_s * part, rel=0.01)
        assert narrow.bytes < wide.bytes
