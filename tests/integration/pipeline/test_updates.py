"""Every kind of update, in every way in which the worker draws, against the dense weights."""

import pytest
import torch

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


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", CASES)
def test_every_kind_has_the_effect_of_its_dense_weights(
    kind: str, way: str, placed: dict[str, Placed], whole: Placed
) -> None:
    updates, latents, model = whole.updates(kind), noise(1), placed[way]
    base = DenseModel(whole.forward, []).velocity(latents)
    wanted = DenseModel(whole.forward, [(updates, STRENGTH)]).velocity(latents)
    assert float((wanted - base).norm() / base.norm()) > 0.1
    (found,) = model.velocities([model.stack((updates, STRENGTH))], [latents])
    assert effect_error(found, wanted, base) <= LIMIT
    assert torch.equal(*(each.velocities([()], [latents])[0] for each in (model, whole)))


@pytest.mark.parametrize("way", WAYS)
def test_a_stack_is_the_sum_of_what_each_lora_does_to_the_base(
    way: str, placed: dict[str, Placed], whole: Placed
) -> None:
    mix = [
        (whole.updates("all", 3), 0.5),
        (whole.updates("DoRA", 4), -0.4),
        (whole.updates("low rank", 5, "attention"), 1.0),
    ]
    latents, model = noise(2), placed[way]
    base = DenseModel(whole.forward, []).velocity(latents)
    wanted = DenseModel(whole.forward, mix).velocity(latents)
    (found,) = model.velocities([model.stack(*mix)], [latents])
    assert effect_error(found, wanted, base) <= LIMIT


@pytest.mark.parametrize("sizes", SIZES, ids=["even", "not even"])
@pytest.mark.parametrize("way", ["merged copy", "streamed", "pinned base"])
def test_rows_with_different_loras_of_all_kinds_do_not_affect_each_other(
    way: str, sizes: tuple[tuple[int, int], ...], placed: dict[str, Placed], whole: Placed,
) -> None:  # fmt: skip
    mixes: list[Mix] = [
        [(whole.updates("all", 6), 0.8)],
        [],
        [(whole.updates("vectors", 7), -0.6), (whole.updates("Kronecker", 8), 0.5)],
        [(whole.updates("low rank", 9), 1.0)],
    ]
    latents, model = [noise(seed, size) for seed, size in enumerate(sizes)], placed[way]
    found = model.velocities([model.stack(*mix) for mix in mixes], latents)
    for mix, own, one in zip(mixes, found, latents, strict=True):
        base, wanted = (DenseModel(whole.forward, each).velocity(one) for each in ([], mix))
        if mix:
            assert effect_error(own, wanted, base) <= LIMIT
        else:
            assert float((own - base).norm() / base.norm()) <= LIMIT
