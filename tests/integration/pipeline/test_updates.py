"""Every kind of update, in every way in which the worker draws, against the dense weights."""

from collections.abc import Callable
from functools import cache, lru_cache

import pytest
import torch
from torch import Tensor

from engine.config import WeightLocation
from tests.integration.pipeline.dense import DenseModel, Mix
from tests.integration.pipeline.every_kind import KINDS
from tests.integration.pipeline.placed import Placed, effect_error, new_model, noise

CARD = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA card"),
]
LIMIT = 1e-4  # relative error of the LoRA's effect in float32
STRENGTH = 0.7
SIZES = [((64, 96),) * 4, ((64, 96), (96, 64), (64, 64), (96, 96))]  # of the rows of a batch, in px
CASES = [*KINDS, "vectors", "all"]
# Where the base is, and how many blocks stay on the device.
WAYS: dict[str, tuple[WeightLocation, int | None]] = {
    "merged copy": (WeightLocation.CARD, None),
    "side path": (WeightLocation.CARD, None),
    "streamed": (WeightLocation.PINNED, 0),
    "partly streamed from disk": (WeightLocation.DISK, 2),
    "pinned base": (WeightLocation.PINNED, None),
}


@pytest.fixture(scope="module", params=["cpu", pytest.param("cuda", marks=CARD)])
def device(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def whole(device: str) -> Placed:
    """The model with its base on the device, of which the dense weights are made."""
    return new_model(device=device, dtype=torch.float32)


@pytest.fixture(scope="module")
def placed(device: str) -> dict[str, Placed]:
    """The model in every way; each is used by all tests, so what one leaves behind is seen by the next."""
    models = {way: new_model(*plan, device=device, dtype=torch.float32) for way, plan in WAYS.items()}
    models["side path"].bank._copy_fits = False
    return models


@pytest.fixture(scope="module")
def velocities(whole: Placed) -> Callable[[str], tuple[Tensor, Tensor]]:
    """What the dense model predicts without a LoRA, and with one of a kind; its ways follow each other."""
    latents = noise(1)
    base = DenseModel(whole.forward, []).velocity(latents)

    @lru_cache(maxsize=1)
    def of_kind(kind: str) -> tuple[Tensor, Tensor]:
        mix = [(whole.updates(kind), STRENGTH)]
        return base, DenseModel(whole.forward, mix).velocity(latents)

    return of_kind


@pytest.fixture(scope="module")
def unchanged(whole: Placed) -> Tensor:
    """What the resident model predicts without a LoRA."""
    return whole.velocities([()], [noise(1)])[0]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", CASES)
def test_every_kind_has_the_effect_of_its_dense_weights(
    kind: str,
    way: str,
    placed: dict[str, Placed],
    whole: Placed,
    velocities: Callable[[str], tuple[Tensor, Tensor]],
    unchanged: Tensor,
) -> None:
    updates, latents, model = whole.updates(kind), noise(1), placed[way]
    base, wanted = velocities(kind)
    assert float((wanted - base).norm() / base.norm()) > 0.1
    (found,) = model.velocities([model.stack((updates, STRENGTH))], [latents])
    assert effect_error(found, wanted, base) <= LIMIT
    assert torch.equal(model.velocities([()], [latents])[0], unchanged)


@pytest.fixture(scope="module")
def sum_of_loras(whole: Placed) -> tuple[Mix, Tensor, Tensor]:
    """A stack, and what the dense model predicts without it and with it."""
    mix = [
        (whole.updates("all", 3), 0.5),
        (whole.updates("DoRA", 4), -0.4),
        (whole.updates("low rank", 5, "attention"), 1.0),
    ]
    base, wanted = (DenseModel(whole.forward, each).velocity(noise(2)) for each in ([], mix))
    return mix, base, wanted


@pytest.mark.parametrize("way", WAYS)
def test_a_stack_is_the_sum_of_what_each_lora_does_to_the_base(
    way: str, placed: dict[str, Placed], sum_of_loras: tuple[Mix, Tensor, Tensor]
) -> None:
    (mix, base, wanted), model = sum_of_loras, placed[way]
    (found,) = model.velocities([model.stack(*mix)], [noise(2)])
    assert effect_error(found, wanted, base) <= LIMIT


@pytest.fixture(scope="module")
def mixes(whole: Placed) -> list[Mix]:
    """The stacks of a batch: one for each of its rows."""
    return [
        [(whole.updates("all", 6), 0.8)],
        [],
        [(whole.updates("vectors", 7), -0.6), (whole.updates("Kronecker", 8), 0.5)],
        [(whole.updates("low rank", 9), 1.0)],
    ]


@pytest.fixture(scope="module")
def alone(whole: Placed, mixes: list[Mix]) -> Callable[[int, tuple[int, int]], tuple[Tensor, Tensor]]:
    """What the dense model predicts for one row, without its stack and with it."""

    @cache
    def row(number: int, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        latents = noise(number, size)
        base, wanted = (DenseModel(whole.forward, mix).velocity(latents) for mix in ([], mixes[number]))
        return base, wanted

    return row


@pytest.mark.parametrize("sizes", SIZES, ids=["even", "not even"])
@pytest.mark.parametrize("way", ["merged copy", "streamed", "pinned base"])
def test_rows_with_different_loras_of_all_kinds_do_not_affect_each_other(
    way: str,
    sizes: tuple[tuple[int, int], ...],
    placed: dict[str, Placed],
    mixes: list[Mix],
    alone: Callable[[int, tuple[int, int]], tuple[Tensor, Tensor]],
) -> None:
    latents, model = [noise(seed, size) for seed, size in enumerate(sizes)], placed[way]
    found = model.velocities([model.stack(*mix) for mix in mixes], latents)
    for number, (mix, own, size) in enumerate(zip(mixes, found, sizes, strict=True)):
        base, wanted = alone(number, size)
        if mix:
            assert effect_error(own, wanted, base) <= LIMIT
        else:
            assert float((own - base).norm() / base.norm()) <= LIMIT
