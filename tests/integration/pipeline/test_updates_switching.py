"""Switching between LoRAs of all kinds changes nothing for good: neither weights nor memory."""

import gc
import itertools
import tracemalloc
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from engine.config import WeightFormat, WeightLocation
from engine.lora.adapter import LoraStack
from engine.lora.bank import AdapterCache
from engine.lora.merger import group_of
from engine.zimage.forward.forward import RefinedCaption
from engine.zimage.forward.step_graphs import GraphKey
from tests.integration.pipeline.every_kind import KINDS
from tests.integration.pipeline.placed import Placed, new_model, noise

SWITCHES = {"cpu": 120, "cuda": 500}
MEASURED = 12  # every so many switches; a multiple of the LoRAs, so the same one is in use each time
SETTLED = 3  # measurements before which caches and copies still fill
PYTHON_BYTES = 2**18  # what the interpreter keeps of freed tuples, up to 2,000 of each size
FLAT = 0.01  # part by which the memory may grow from the first half of the switches to the second
CARD = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA card"),
]
PLANS: dict[str, tuple[WeightLocation, int | None, WeightFormat]] = {
    "merged copy": (WeightLocation.CARD, None, WeightFormat.BF16),
    "pinned base": (WeightLocation.PINNED, None, WeightFormat.BF16),
    "partly streamed": (WeightLocation.PINNED, 2, WeightFormat.BF16),
    "int8": (WeightLocation.CARD, None, WeightFormat.INT8),
}


def stacks_of(model: Placed, whole: Placed) -> list[LoraStack]:
    """One LoRA of each kind, one of all, one of norms, two stacks of two, and none."""
    kinds = [*KINDS, "vectors", "all"]
    alone = [model.stack((whole.updates(kind, seed, "layers.1"), 0.7)) for seed, kind in enumerate(kinds)]
    return [*alone, (*alone[0], *alone[3]), (*alone[5], *alone[-1]), ()]


def weights_of(model: Placed, stack: LoraStack) -> dict[str, Tensor]:
    """Everything that a step with these LoRAs computes with; views, valid until the next call."""
    patches = model.bank.patches([stack])
    found: dict[str, Tensor] = {}
    weights = model.forward.weights.with_loras(patches)
    for name, layer in weights.layers.items():
        if not name.startswith("layers.1."):
            continue
        patches.ensure_merged(group_of(name))
        found |= {f"{name} {place}": each for place, each in layer._asdict().items() if torch.is_tensor(each)}
    return found | {name: each for name, each in weights.tensors.items() if name.startswith("layers.1.")}


def every_switch(count: int) -> Iterator[int]:
    """Yield numbers below ``count`` so that each follows each other one exactly once, itself included."""
    for one in range(count):
        yield one
        for other in range(one + 1, count):
            yield one
            yield other
    yield 0


def test_every_switch_comes_once() -> None:
    order = list(every_switch(5))
    switches = list(itertools.pairwise(order))
    assert sorted(switches) == sorted(itertools.product(range(5), repeat=2))


@pytest.mark.slow
@pytest.mark.parametrize("plan", PLANS)
def test_a_then_b_is_bit_equal_to_b_alone_for_every_a_and_b(plan: str) -> None:
    whole, model = new_model(), new_model(*PLANS[plan])
    stacks = stacks_of(model, whole)
    alone = [{name: each.clone() for name, each in weights_of(model, stack).items()} for stack in stacks]
    base = {name: layer.weight.clone() for name, layer in whole.forward.weights.layers.items()}
    for number in every_switch(len(stacks)):
        found = weights_of(model, stacks[number])
        assert found.keys() == alone[number].keys()
        assert all(torch.equal(each, alone[number][name]) for name, each in found.items())
    if model.store is None:
        assert all(
            torch.equal(each.weight, base[name]) for name, each in model.forward.weights.layers.items()
        )


def test_a_recorded_step_serves_all_loras_that_change_the_same_norms_and_no_others() -> None:
    """The key of a recorded step holds the addresses of what it reads."""
    model = new_model()
    caption = RefinedCaption(torch.zeros(32, 256))

    def key(kind: str, seed: int) -> GraphKey:
        stack = model.stack((model.updates(kind, seed, "layers.1"), 1.0)) if kind else ()
        return model.forward.batch([caption], [(8, 8)], model.bank.patches([stack]))._key()

    base, norms, others, biases = key("", 0), key("vectors", 1), key("vectors", 2), key("bias", 3)
    assert norms == others
    assert len({base, norms, biases}) == 3
    assert key("", 0) == base


@pytest.mark.slow
@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=CARD)])
@pytest.mark.parametrize("plan", ["merged copy", "partly streamed"])
def test_memory_is_flat_over_switches(plan: str, device: str) -> None:
    """Each switch converts its LoRAs again, as after their cache was full; now and then a step is drawn."""
    whole, model = new_model(), new_model(*PLANS[plan], device=device)
    kinds = enumerate(["all", "DoRA", "low rank", "sum"])
    mixes = [[(whole.updates(kind, seed, "layers.1"), 0.7)] for seed, kind in kinds]
    cache = AdapterCache(limit_bytes=2**22)
    tensors, traced, cached = [], [], []
    tracemalloc.start()
    switches = SWITCHES[device]
    for switch in range(switches):
        stack = model.stack(*mixes[switch % len(mixes)])
        cache.put(str(switch), stack[0][0])
        assert weights_of(model, stack)
        if switch % MEASURED == 0:
            model.velocities([stack], [noise(0, (32, 32))])
            del stack
            gc.collect()
            tensors.append(tensor_bytes())
            traced.append(tracemalloc.get_traced_memory()[0])
            cached.append(cache.held_bytes)
    tracemalloc.stop()
    half = switches // MEASURED // 2
    for each in (tensors, cached):
        assert max(each[half:]) <= max(each[SETTLED:half]) * (1 + FLAT)
    assert max(traced[half:]) - max(traced[SETTLED:half]) <= PYTHON_BYTES


def tensor_bytes() -> int:
    """Memory of all tensors that are alive; on a card, what torch has allocated there."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
        return torch.cuda.memory_allocated()
    storages = {
        each.untyped_storage().data_ptr(): each.untyped_storage().nbytes()
        for each in gc.get_objects()
        if type(each) is Tensor
    }
    return sum(storages.values())
