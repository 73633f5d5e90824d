"""Every kind of update, in every way in which the worker draws, against the dense weights."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from engine.config import WeightLocation
from engine.demo.networks import WEIGHTS
from engine.lora.adapter import LoraStack, convert
from engine.lora.updates import FileUpdates
from engine.zimage.denoise import draw_noise
from engine.zimage.device import choose_placement
from engine.zimage.model_loader import load_pipeline
from tests.integration.pipeline.dense import TIMES, DenseModel, Mix
from tests.integration.pipeline.every_kind import KINDS, updates_of
from tests.integration.pipeline.placed import EMBEDDING, Placed

CPU = choose_placement("cpu")
LIMIT = 1e-4  # relative error of the LoRA's effect in float32
STRENGTH = 0.7
SIZES = [((64, 96),) * 4, ((64, 96), (96, 64), (64, 64), (96, 96))]  # of the rows of a batch, in px


def new_model(base: WeightLocation = WeightLocation.CARD, *options: Any) -> Placed:
    return Placed(load_pipeline(WEIGHTS, CPU, base), *options)


@pytest.fixture(scope="module")
def whole() -> Placed:
    """The model with its base on the device."""
    torch.set_num_threads(1)
    return new_model()


@pytest.fixture(scope="module")
def bases(whole: Placed) -> dict[str, Tensor]:
    return {
        part: matrix.weight[rows]
        for matrix in whole.forward.weights.matrices.values()
        for part, rows in matrix.parts.items()
    }


def norm_shapes(whole: Placed) -> dict[str, tuple[int, ...]]:
    return {
        part: tuple(vector.base[rows].shape) if "norm_qk" not in name else (vector.base.shape[1],)
        for name, vector in whole.forward.weights.vectors.items()
        for part, rows in vector.parts.items()
        if not part.endswith(".bias")
    }


@pytest.fixture(scope="module")
def make(whole: Placed, bases: dict[str, Tensor]) -> Callable[..., FileUpdates]:
    return lambda kind, *options, **more: updates_of(kind, bases, norm_shapes(whole), *options, **more)


def noise(seed: int, size: tuple[int, int] = (64, 96)) -> Tensor:
    return draw_noise(seed, 16, *size)[0]


def velocities(placed: Placed, stacks: Sequence[LoraStack], latents: Sequence[Tensor]) -> list[Tensor]:
    """What a model predicts for pictures of one batch."""
    captions = [placed.forward.refine_caption(EMBEDDING, placed.bank.patches([stack])) for stack in stacks]
    sizes = [(each.shape[1], each.shape[2]) for each in latents]
    batch = placed.forward.batch(captions, sizes, placed.bank.patches(stacks))
    return [each.clone() for each in batch(list(latents), TIMES.expand(len(latents)))]


def effect_error(found: Tensor, wanted: Tensor, base: Tensor) -> float:
    """The error of a picture in parts of what the LoRA changes in it."""
    return float((found - wanted).norm() / (wanted - base).norm())


CASES = [*KINDS, "vectors", "all"]
# Where the base is, and how many blocks stay on the device.
WAYS: dict[str, tuple[WeightLocation, int | None]] = {
    "merged copy": (WeightLocation.CARD, None),
    "side path": (WeightLocation.CARD, None),
    "streamed": (WeightLocation.PINNED, 0),
    "partly streamed from disk": (WeightLocation.DISK, 2),
    "pinned base": (WeightLocation.PINNED, None),
}


@pytest.fixture(scope="module")
def placed() -> dict[str, Placed]:
    """The model in every way; each is used by all tests, so what one leaves behind is seen by the next."""
    models = {way: new_model(*plan) for way, plan in WAYS.items()}
    models["side path"].bank._copy_fits = False
    return models


def stack_for(model: Placed, *mix: tuple[FileUpdates, float]) -> LoraStack:
    """The LoRAs as this model's bank converts them."""
    return tuple(
        (convert(updates, torch.float32, model.bank._base_of, is_pinned=False), strength)
        for updates, strength in mix
    )


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", CASES)
def test_every_kind_has_the_effect_of_its_dense_weights(
    kind: str, way: str, placed: dict[str, Placed], whole: Placed, make: Callable[..., FileUpdates]
) -> None:
    updates, latents, model = make(kind), noise(1), placed[way]
    base = DenseModel(whole.forward, []).velocity(latents)
    wanted = DenseModel(whole.forward, [(updates, STRENGTH)]).velocity(latents)
    assert float((wanted - base).norm() / base.norm()) > 0.1
    (found,) = velocities(model, [stack_for(model, (updates, STRENGTH))], [latents])
    assert effect_error(found, wanted, base) <= LIMIT
    assert torch.equal(*(velocities(each, [()], [latents])[0] for each in (model, whole)))


@pytest.mark.parametrize("way", WAYS)
def test_a_stack_is_the_sum_of_what_each_lora_does_to_the_base(
    way: str, placed: dict[str, Placed], whole: Placed, make: Callable[..., FileUpdates]
) -> None:
    mix = [(make("all", 3), 0.5), (make("DoRA", 4), -0.4), (make("low rank", 5, "attention"), 1.0)]
    latents, model = noise(2), placed[way]
    base = DenseModel(whole.forward, []).velocity(latents)
    wanted = DenseModel(whole.forward, mix).velocity(latents)
    (found,) = velocities(model, [stack_for(model, *mix)], [latents])
    assert effect_error(found, wanted, base) <= LIMIT


@pytest.mark.parametrize("sizes", SIZES, ids=["even", "not even"])
@pytest.mark.parametrize("way", ["merged copy", "streamed", "pinned base"])
def test_rows_with_different_loras_of_all_kinds_do_not_affect_each_other(
    way: str, sizes: tuple[tuple[int, int], ...], placed: dict[str, Placed], whole: Placed,
    make: Callable[..., FileUpdates],
) -> None:  # fmt: skip
    mixes: list[Mix] = [
        [(make("all", 6), 0.8)],
        [],
        [(make("vectors", 7), -0.6), (make("Kronecker", 8), 0.5)],
        [(make("low rank", 9), 1.0)],
    ]
    latents, model = [noise(seed, size) for seed, size in enumerate(sizes)], placed[way]
    found = velocities(model, [stack_for(model, *mix) for mix in mixes], latents)
    for mix, own, one in zip(mixes, found, latents, strict=True):
        base, wanted = (DenseModel(whole.forward, each).velocity(one) for each in ([], mix))
        if mix:
            assert effect_error(own, wanted, base) <= LIMIT
        else:
            assert float((own - base).norm() / base.norm()) <= LIMIT
