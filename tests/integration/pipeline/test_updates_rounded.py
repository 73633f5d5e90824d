"""Every kind of update in bfloat16, fp8 and int8: one rounding, to the nearest number of the format.

A step of the model in eight bits is no measure of that: its inputs are rounded, too, so a difference of 1e-7
moves some of them by a whole step of the format, and the result differs by as much as the format itself does.
So the weights are compared one by one, and steps of the model only with what the format allows.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import pytest
import torch
from torch import Tensor

from engine.config import WeightFormat, WeightLocation
from engine.eight_bit.formats import EIGHT_BIT, INT8
from engine.eight_bit.quantise import EightBitMatrix, quantise
from engine.lora.merger import group_of
from engine.lora.patches import MergedPatch
from engine.lora.updates import LowRank, Update
from tests.integration.pipeline.dense import DenseModel, Mix, dense_weight
from tests.integration.pipeline.every_kind import KINDS
from tests.integration.pipeline.placed import Placed, effect_error, new_model, noise

STRENGTH = 0.7
# Part of the numbers that lie in the middle between two of the format, within the error of float32: sums and
# quotients of bfloat16 numbers often do. Each may be off by one step, to the other of the two.
TIES = 1e-2
# Errors of one step in parts of the LoRA's effect, with inputs in eight bits. fp8 has 3 bits of mantissa.
EFFECTS = {WeightFormat.FP8: 0.25, WeightFormat.INT8: 0.08}
WAYS: dict[str, tuple[WeightLocation, int | None]] = {
    "merged copy": (WeightLocation.CARD, None),
    "streamed": (WeightLocation.PINNED, 0),
    "partly streamed from disk": (WeightLocation.DISK, 2),
}
CASES = [*KINDS, "all"]
MARKS = (pytest.mark.slow, ())  # of one kind in all layers, and of all kinds in turn
# Each kind in each way, in one format after the other: that each weight is right in both, another test shows.
STEPS = [
    pytest.param(kind, way, list(EFFECTS)[(number + place) % len(EFFECTS)], marks=MARKS[kind == "all"])
    for number, kind in enumerate([*CASES, "vectors"])
    for place, way in enumerate(WAYS)
]
PAIRS = ("low rank", "two pairs", "bias")  # kinds that the kernel merges
FORMATS = pytest.mark.parametrize("weight_format", EFFECTS)


@pytest.fixture(scope="module")
def whole() -> Placed:
    return new_model()


@pytest.fixture(scope="module")
def dense(whole: Placed) -> Callable[[str], dict[str, Tensor]]:
    """The dense weights with a LoRA of a kind, by layer; the ways of one kind follow each other."""
    base = whole.forward.weights

    @lru_cache(maxsize=1)
    def weights(kind: str) -> dict[str, Tensor]:
        mix = [(whole.updates(kind), STRENGTH)]
        return {
            name: dense_weight(layer.weight, base.parts[name], mix).float()
            for name, layer in base.layers.items()
        }

    return weights


@pytest.fixture(scope="module")
def nearest(dense: Callable[[str], dict[str, Tensor]], whole: Placed) -> Any:
    """The dense weights of the large layers in eight bits."""

    @lru_cache(maxsize=len(EFFECTS))
    def weights(kind: str, weight_format: WeightFormat) -> dict[str, EightBitMatrix]:
        large = whole.forward.weights.large_layers
        return {name: quantise(dense(kind)[name], EIGHT_BIT[weight_format]) for name in large}

    return weights


@pytest.fixture(scope="module")
def velocities(whole: Placed) -> Callable[[str], tuple[Tensor, Tensor]]:
    """What the dense model predicts without a LoRA, and with one of a kind."""
    latents = noise(1)
    base = DenseModel(whole.forward, []).velocity(latents)

    @lru_cache(maxsize=1)
    def of_kind(kind: str) -> tuple[Tensor, Tensor]:
        mix = [(whole.updates(kind), STRENGTH)]
        return base, DenseModel(whole.forward, mix).velocity(latents)

    return of_kind


@pytest.fixture(scope="module")
def placed() -> dict[tuple[str, WeightFormat], Placed]:
    return {(way, each): new_model(*plan, each) for way, plan in WAYS.items() for each in EFFECTS}


@pytest.fixture(scope="module")
def bfloat16() -> dict[str, Placed]:
    return {way: new_model(*plan, dtype=torch.bfloat16) for way, plan in WAYS.items()}


def merged(model: Placed, mix: Mix) -> dict[str, MergedPatch]:
    """All weights of a model as they are multiplied with, by layer; the caption's blocks are left out."""
    stack = model.stack(*mix)
    patches = model.bank.patches([stack])
    weights: dict[str, MergedPatch] = {}
    for name in model.forward.weights.layers:
        if name.startswith("context_refiner"):
            continue
        patches.ensure_merged(group_of(name))
        layer = model.forward.weights.with_loras(patches).layers[name]
        weights[name] = MergedPatch(
            layer.weight.clone(), None if layer.scales is None else layer.scales.clone()
        )
    return weights


@FORMATS
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", [pytest.param(each, marks=MARKS[each == "all"]) for each in CASES])
def test_a_weight_in_eight_bits_is_the_nearest_to_the_dense_one(
    kind: str,
    way: str,
    weight_format: WeightFormat,
    placed: Any,
    whole: Placed,
    dense: Callable[[str], dict[str, Tensor]],
    nearest: Callable[[str, WeightFormat], dict[str, EightBitMatrix]],
) -> None:
    model, eight_bit = placed[way, weight_format], EIGHT_BIT[weight_format]
    found = merged(model, [(whole.updates(kind), STRENGTH)])
    assert sum(each.scales is not None for each in found.values()) == len(whole.forward.weights.large_layers)
    for name, each in found.items():
        if each.scales is None:
            torch.testing.assert_close(each.weight, dense(kind)[name], rtol=1e-5, atol=1e-6)
            continue
        wanted = nearest(kind, weight_format)[name]
        torch.testing.assert_close(each.scales, wanted.scales, rtol=1e-5, atol=0)
        own, other = each.weight.float(), wanted.values.float()
        assert float((own != other).float().mean()) <= TIES
        step = 1.0 if eight_bit is INT8 else (other.abs() / 8).clamp_min(2**-9)
        assert bool(((own - other).abs() <= step).all())


@pytest.mark.parametrize(("kind", "way", "weight_format"), STEPS)
def test_a_step_in_eight_bits_has_the_effect_that_the_format_allows(
    kind: str,
    way: str,
    weight_format: WeightFormat,
    placed: Any,
    whole: Placed,
    velocities: Callable[[str], tuple[Tensor, Tensor]],
) -> None:
    updates, latents, model = whole.updates(kind), noise(1), placed[way, weight_format]
    base, wanted = velocities(kind)
    stack = model.stack((updates, STRENGTH))
    (alone,) = model.velocities([stack], [latents])
    beside, without = model.velocities([stack, ()], [latents, latents])
    for found in (alone, beside):
        assert effect_error(found, wanted, base) <= EFFECTS[weight_format]
    assert float((without - base).norm() / base.norm()) <= EFFECTS[weight_format] / 2


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "kind", ["Kronecker", "dense", "sum", "DoRA", "DoRA of dense", "magnitude alone", "all"]
)
def test_in_bfloat16_a_layer_that_changes_by_more_than_pairs_is_rounded_once(
    kind: str, way: str, bfloat16: dict[str, Placed]
) -> None:
    model, base = bfloat16[way], bfloat16["merged copy"]
    mix = [(base.updates(kind, dtype=torch.bfloat16), STRENGTH)]
    linears = mix[0][0].linears
    checked = 0
    for name, each in merged(model, mix).items():
        parts = base.forward.weights.parts[name]
        if all(is_pair_or_none(linears[part]) for part in parts):
            continue  # without a card, torch rounds the strength of a pair, too
        dense = dense_weight(base.forward.weights.layers[name].weight, parts, mix).bfloat16()
        differ = each.weight != dense
        assert float(differ.float().mean()) <= TIES
        torch.testing.assert_close(each.weight.float(), dense.float(), rtol=1 / 128, atol=1e-7)
        checked += 1
    assert checked >= 20


def is_pair_or_none(update: Update) -> bool:
    return update.magnitude is None and all(isinstance(term, LowRank) for term in update.terms)
