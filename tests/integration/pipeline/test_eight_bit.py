"""Products in fp8 and int8: rounding, outliers, merged LoRAs, and whole pictures, without a card.

int8 is exact on every device: whole numbers are added up. fp8 is emulated here.
"""

from typing import Any

import pytest
import torch
from structlog.testing import capture_logs
from torch import Tensor

from engine.bench.random_model import TINY, random_lora, random_transformer
from engine.config import WeightFormat
from engine.eight_bit import products
from engine.eight_bit.formats import (
    EIGHT_BIT,
    FP8,
    INT8,
    EightBitFormat,
    EightBitLayers,
    format_of,
    usable_format,
)
from engine.eight_bit.products import by_int_mm, choose_int8_way, multiply
from engine.eight_bit.quantise import EightBitMatrix, dequantise, quantise, rotate
from engine.lora.adapter import LoraStack
from engine.lora.merger import Merger
from engine.lora.patches import NO_PATCHES, MergedPatch, Patches
from engine.zimage.forward import forward as forward_module
from engine.zimage.forward.forward import Forward
from tests.integration.pipeline.reference import error_of, loaded_pipeline

FORMATS = pytest.mark.parametrize("eight_bit", [FP8, INT8], ids=["fp8", "int8"])
# Relative errors of a product of two matrices of normal numbers: fp8 has 3 bits of mantissa on each side; the
# largest of 3840 normal numbers is 3.7, so a step of int8 is 0.029 and its error 0.0084 on each side.
NORMAL = {FP8: 0.04, INT8: 0.014}
CPU = torch.device("cpu")


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def product(x: Tensor, weight: Tensor, eight_bit: EightBitFormat) -> Tensor:
    other = quantise(weight, eight_bit)
    return multiply(quantise(x, eight_bit), other.values, other.scales)


@pytest.mark.parametrize(("width", "group"), [(3840, 256), (10_240, 256), (96, 32), (682, 2), (15, 1)])
def test_a_rotation_keeps_products_and_a_second_one_undoes_it(width: int, group: int) -> None:
    assert INT8.group(width) == group
    assert FP8.group(width) == 1
    x, weight = numbers(3, width), numbers(5, width, seed=1)
    assert error_of(rotate(rotate(x, group), group), x) < 1e-6
    assert error_of(rotate(x, group) @ rotate(weight, group).T, x @ weight.T) < 1e-5
    assert group == 1 or error_of(rotate(x, group), x) > 0.1


@FORMATS
def test_a_product_is_as_close_as_its_format_allows(eight_bit: EightBitFormat) -> None:
    x, weight = numbers(40, 3840), numbers(64, 3840, seed=1)
    assert error_of(product(x, weight, eight_bit), x @ weight.T) <= NORMAL[eight_bit]


@FORMATS
@pytest.mark.parametrize("largest", [6.6e4, 9e5])
def test_outliers_as_large_as_the_models_do_not_hurt_other_tokens(
    eight_bit: EightBitFormat, largest: float
) -> None:
    """Z-Image has 6.6e4 between blocks and 9e5 before the feed-forward's last layer, in a few tokens."""
    x, weight = numbers(40, 3840), numbers(64, 3840, seed=1)
    x[3, 17] = x[21, 1000] = largest
    expected = x @ weight.T
    found = product(x, weight, eight_bit)
    errors = (found - expected).norm(dim=1) / expected.norm(dim=1)
    assert float(errors.max()) <= 2 * NORMAL[eight_bit]
    one_scale = x.abs().max() / eight_bit.largest
    values = x / one_scale
    values = values.round() if eight_bit is INT8 else values.to(eight_bit.dtype).float()
    of_one_scale = ((values * one_scale) @ weight.T - expected).norm(dim=1) / expected.norm(dim=1)
    assert float(of_one_scale.median()) > 2 * float(errors.median())


def test_rotation_saves_the_token_with_a_large_channel_in_every_row() -> None:
    """One large channel in all tokens: without the rotation, int8 loses the other 3,839."""
    x, weight = numbers(40, 3840), numbers(64, 3840, seed=1)
    x[:, 17] *= 300
    weight[:, 17] /= 300  # the channel counts as much as the others
    expected = x @ weight.T
    plain = INT8._replace(is_rotated=False)
    one, other = quantise(x, plain), quantise(weight, plain)
    without = by_int_mm(one, other.values, other.scales)
    assert error_of(product(x, weight, INT8), expected) < 0.25 * error_of(without, expected)


@FORMATS
def test_rows_of_zeros_stay_zero(eight_bit: EightBitFormat) -> None:
    x, weight = numbers(4, 256), numbers(6, 256, seed=1)
    x[1], weight[2] = 0, 0
    found = product(x, weight, eight_bit)
    assert torch.isfinite(found).all()
    assert not found[1].any()
    assert not found[:, 2].any()
    assert float(quantise(x, eight_bit).scales[1]) > 0


def test_int8_sums_are_exact_up_to_the_widest_layer() -> None:
    x = EightBitMatrix(torch.full((2, 10_240), -127, dtype=torch.int8), torch.ones(2, 1), torch.float64)
    weight = torch.full((3, 10_240), 127, dtype=torch.int8)
    assert multiply(x, weight, torch.ones(3, 1)).unique().tolist() == [-127 * 127 * 10_240]


@FORMATS
def test_a_merge_writes_base_and_loras_rounded_once(eight_bit: EightBitFormat) -> None:
    forward = Forward(random_transformer(TINY, CPU, torch.bfloat16))
    matrices, names = forward.weights.matrices, forward.weights.large_layers
    before = {name: matrix.weight.clone() for name, matrix in matrices.items()}
    stack: LoraStack = ((random_lora(matrices, 1, 4), 0.7), (random_lora(matrices, 2, 3), -0.4))
    merger = Merger(matrices, EightBitLayers(eight_bit, names))
    merged = all_of(merger.merge(stack))
    name = "layers.1.feed_forward.w13"
    expected = []
    for part, rows in matrices[name].parts.items():
        change = sum(
            strength * adapter.pairs[part].up.float() @ adapter.pairs[part].down.float()
            for adapter, strength in stack
        )
        expected.append(matrices[name].weight[rows].float() + change)
    wanted, patch = quantise(torch.cat(expected), eight_bit), merged.layers[name]
    assert isinstance(patch, MergedPatch)
    assert patch.scales is not None
    assert format_of(patch.weight.dtype) is eight_bit
    assert error_of(patch.scales, wanted.scales) < 1e-5
    assert error_of(dequantise(patch.weight, patch.scales), torch.cat(expected)) <= NORMAL[eight_bit]
    assert (patch.weight != wanted.values).float().mean() < 0.01  # only halves that fell to the other side
    outside = merged.layers["context_refiner.0.feed_forward.w2"]
    assert isinstance(outside, MergedPatch)
    assert outside.scales is None
    assert all(torch.equal(matrix.weight, before[name]) for name, matrix in matrices.items())


def all_of(patches: Patches) -> Patches:
    for group in list(patches.pending):
        patches.ensure_merged(group)
    return patches


@pytest.fixture(scope="module")
def transformer() -> Any:
    return loaded_pipeline().transformer


def latents_of(forward: Forward, merger: Merger | None, stack: LoraStack) -> Tensor:
    patches = merger.merge(stack) if merger else NO_PATCHES
    caption = forward.refine_caption(numbers(20, 160), patches)
    batch = forward.batch([caption], [(24, 16)], patches)
    return batch([numbers(16, 24, 16, seed=1)], torch.tensor([0.3]))[0].clone()


@FORMATS
def test_a_step_of_the_built_in_model_is_close_with_and_without_a_lora(
    transformer: Any, eight_bit: EightBitFormat
) -> None:
    exact, forward = Forward(transformer), Forward(transformer, eight_bit.name)
    matrices = forward.weights.matrices
    exact_merger, merger = Merger(matrices), Merger(matrices, forward.eight_bit_layers)
    stack: LoraStack = ((random_lora(matrices, 1, 8), 4.0),)
    base = latents_of(exact, None, ())
    changed = latents_of(exact, exact_merger, stack)
    assert 0 < error_of(latents_of(forward, merger, ()), base) <= 0.06
    assert 0 < error_of(latents_of(forward, merger, stack), changed) <= 0.06
    assert error_of(changed, base) > 0.1


@FORMATS
def test_a_picture_without_a_lora_is_the_same_after_one_with_it(
    transformer: Any, eight_bit: EightBitFormat
) -> None:
    forward = Forward(transformer, eight_bit.name)
    merger = Merger(forward.weights.matrices, forward.eight_bit_layers)
    stack: LoraStack = ((random_lora(forward.weights.matrices, 1, 8), 1.0),)
    first = latents_of(forward, merger, ())
    assert not torch.equal(latents_of(forward, merger, stack), first)
    assert torch.equal(latents_of(forward, merger, ()), first)


def test_a_model_whose_sides_a_card_cannot_multiply_is_refused_with_the_reason(
    transformer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The built-in model's blocks open to 682, which is a multiple of neither 8 nor 16."""
    forward = Forward(transformer)
    monkeypatch.setattr(forward, "device", torch.device("cuda"))
    for eight_bit in EIGHT_BIT.values():
        with capture_logs() as logs:
            assert not forward._choose_layers(eight_bit.name)
        assert [line["event"] for line in logs] == [
            f"layer sizes are not multiples of {eight_bit.side_multiple}:"
            " pictures are drawn in full precision"
        ]
    assert not forward._choose_layers(WeightFormat.BF16)


def test_on_a_card_int8_layers_are_timed_with_the_models_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    forward, seen = Forward(random_transformer(TINY, CPU, torch.float32)), []
    monkeypatch.setattr(forward, "device", torch.device("cuda"))
    monkeypatch.setattr(
        forward_module, "choose_int8_way", lambda device, shapes, dtype: seen.extend(set(shapes))
    )
    assert forward._choose_layers(WeightFormat.INT8).names == forward.weights.large_layers
    assert set(seen) == {(576, 192), (192, 192), (1024, 192), (192, 512)}
    assert forward._choose_layers(WeightFormat.FP8).format is FP8
    assert len(seen) == 4


def test_a_device_without_the_format_draws_in_full_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    with capture_logs() as logs:
        assert usable_format(WeightFormat.INT8, CPU) is WeightFormat.BF16
        assert usable_format(WeightFormat.BF16, CPU) is WeightFormat.BF16
    assert [line["event"] for line in logs] == [
        "this device cannot multiply in int8: pictures are drawn in full precision"
    ]
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (8, 6))
    card = torch.device("cuda")
    assert usable_format(WeightFormat.INT8, card) is WeightFormat.INT8
    assert usable_format(WeightFormat.FP8, card) is WeightFormat.BF16


def test_the_fastest_product_is_used_and_a_broken_one_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s, calls = 0.0, []

    def way(name: str, seconds: float) -> products.Int8Way:
        def multiplied(x: EightBitMatrix, weight: Tensor, scales: Tensor) -> Tensor:
            nonlocal now_s
            now_s += seconds
            calls.append(name)
            if name == "broken":
                raise RuntimeError("no kernel image")
            return by_int_mm(x, weight, scales)

        return multiplied

    ways = {name: way(name, s) for name, s in (("slow", 2.0), ("broken", 0.1), ("fast", 1.0))}
    monkeypatch.setattr(products, "int8_ways", lambda device: ways)
    monkeypatch.setattr(products, "_int8_ways", {})
    monkeypatch.setattr(products.time, "perf_counter", lambda: now_s)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: None)
    assert choose_int8_way(CPU, [(32, 64), (64, 32)], torch.float32) == "fast"
    calls.clear()
    product(numbers(20, 64), numbers(32, 64), INT8)
    assert calls == ["fast"]
