"""E9: our forward equals diffusers' forward, for any rows in a batch and any LoRAs."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from engine.lora.adapter import LoraStack
from engine.lora.merger import Merger
from engine.lora.patches import NO_PATCHES, Patches
from engine.lora.side_path import side_patches
from engine.zimage.forward import fusions
from engine.zimage.forward.forward import Forward
from tests.integration.pipeline.reference import (
    LIMIT,
    adapter_of,
    error_of,
    loaded_pipeline,
    random_lora,
    shapes_of,
    stock_velocity,
)

WIDTH = 160  # of the built-in model's text encoder


@dataclass(frozen=True)
class RowInput:
    """A row to draw: size of its latents, caption length, time; these seed all random numbers."""

    size: tuple[int, int]
    words: int
    time: float

    @property
    def latents(self) -> Tensor:
        return torch.randn(16, *self.size, generator=torch.Generator().manual_seed(self.words))

    @property
    def embedding(self) -> Tensor:
        return torch.randn(self.words, WIDTH, generator=torch.Generator().manual_seed(self.size[0]))


TALL, WIDE, SMALL = RowInput((12, 8), 20, 0.0), RowInput((8, 14), 45, 0.5), RowInput((6, 10), 32, 0.875)
ALIKE = [RowInput((12, 8), 20, 0.0), RowInput((8, 12), 9, 0.5), RowInput((12, 8), 32, 0.75)]
MIXED = [TALL, WIDE, SMALL, RowInput((12, 8), 100, 0.3)]


def ours(
    forward: Forward, rows: Sequence[RowInput], patches: Callable[[Sequence[int]], Patches]
) -> list[Tensor]:
    """Our result; ``patches`` returns the patches for rows of these numbers."""
    captions = [forward.refine_caption(row.embedding, patches([number])) for number, row in enumerate(rows)]
    batch = forward.batch(captions, [row.size for row in rows], patches(range(len(rows))))
    return batch([row.latents for row in rows], torch.tensor([row.time for row in rows]))


def no_lora(_: Sequence[int]) -> Patches:
    return NO_PATCHES


@pytest.mark.parametrize(
    "row",
    [TALL, WIDE, SMALL, RowInput((2, 2), 1, 0.2), RowInput((24, 16), 64, 1.0), RowInput((18, 20), 500, 0.6)],
    ids=str,
)
def test_a_single_row_equals_the_stock_pipelines(
    stock_pipeline: Any, forward: Forward, row: RowInput
) -> None:
    stock = stock_velocity(stock_pipeline, row.latents, row.time, row.embedding)
    assert stock.abs().mean() > 0.1
    assert error_of(ours(forward, [row], no_lora)[0], stock) <= LIMIT


@pytest.mark.parametrize("rows", [ALIKE, MIXED], ids=["one length", "several lengths"])
def test_rows_in_a_batch_equal_rows_computed_alone(
    stock_pipeline: Any, forward: Forward, rows: list[RowInput]
) -> None:
    for row, answer in zip(rows, ours(forward, rows, no_lora), strict=True):
        assert error_of(answer, stock_velocity(stock_pipeline, row.latents, row.time, row.embedding)) <= LIMIT


def test_the_librarys_forward_works_on_the_same_memory() -> None:
    stock_pipeline = loaded_pipeline()
    before = stock_velocity(stock_pipeline, TALL.latents, 0.5, TALL.embedding)
    bytes_before = storage_bytes(stock_pipeline.transformer.state_dict().values())
    weights = Forward(stock_pipeline.transformer).weights
    assert torch.equal(stock_velocity(stock_pipeline, TALL.latents, 0.5, TALL.embedding), before)
    ours = [layer.weight for layer in weights.layers.values()]
    assert storage_bytes([*stock_pipeline.transformer.state_dict().values(), *ours]) == bytes_before


def storage_bytes(tensors: Any) -> int:
    return sum({t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}.values())


LORAS = {
    "every layer": (1, 4, ""),
    "attention": (2, 7, "attention"),
    "keys": (3, 2, "to_k"),
    "w3": (4, 1, "w3"),
}
STACKS = [
    [("every layer", 0.8)],
    [],
    [("attention", -1.3), ("every layer", 0.5), ("w3", 1.0)],
    [("keys", 2.0), ("keys", 0.5)],
]


@pytest.fixture(scope="module")
def loras(forward: Forward) -> dict[str, dict[str, Tensor]]:
    return {name: random_lora(forward, *what) for name, what in LORAS.items()}


@pytest.fixture(scope="module")
def stacks(forward: Forward, loras: dict[str, dict[str, Tensor]]) -> list[LoraStack]:
    adapters = {name: adapter_of(forward, tensors) for name, tensors in loras.items()}
    return [tuple((adapters[name], strength) for name, strength in stack) for stack in STACKS]


def by_way(way: str, forward: Forward, stacks: Sequence[LoraStack]) -> Callable[[Sequence[int]], Patches]:
    matrices = forward.weights.matrices
    merger = Merger(matrices)
    load_methods: dict[str, Callable[[list[LoraStack]], Patches]] = {
        "merged": lambda own: merger.merge(own[0]),
        "side": lambda own: side_patches(matrices, own),
    }
    return lambda numbers: load_methods[way]([stacks[number] for number in numbers])


@pytest.mark.parametrize("way", ["merged", "side"])
@pytest.mark.parametrize("stack", range(len(STACKS)))
def test_a_stack_of_loras_equals_pefts_with_each_kind_of_patch(
    stock_pipeline: Any, forward: Forward, loras: Any, stacks: list[LoraStack], way: str, stack: int
) -> None:
    own = [(loras[name], strength) for name, strength in STACKS[stack]]
    stock = stock_velocity(stock_pipeline, TALL.latents, TALL.time, TALL.embedding, own)
    (answer,) = ours(forward, [TALL], by_way(way, forward, [stacks[stack]]))
    assert error_of(answer, stock) <= LIMIT
    if own:
        base = stock_velocity(stock_pipeline, TALL.latents, TALL.time, TALL.embedding)
        assert error_of(base, stock) > 0.01


@pytest.mark.parametrize("rows", [[*ALIKE, TALL], MIXED], ids=["one length", "several lengths"])
def test_rows_with_different_loras_equal_rows_computed_alone(
    stock_pipeline: Any, forward: Forward, loras: Any, stacks: list[LoraStack], rows: list[RowInput]
) -> None:
    answers = ours(forward, rows, by_way("side", forward, stacks))
    for row, stack, answer in zip(rows, STACKS, answers, strict=True):
        own = [(loras[name], strength) for name, strength in stack]
        assert (
            error_of(answer, stock_velocity(stock_pipeline, row.latents, row.time, row.embedding, own))
            <= LIMIT
        )


def test_layers_are_merged_just_before_their_first_use(forward: Forward, stacks: list[LoraStack]) -> None:
    patches = Merger(forward.weights.matrices).merge(stacks[0])
    last = patches.layers["layers.5.feed_forward.w2"].weight  # type: ignore[union-attr]
    last.zero_()
    caption = forward.refine_caption(TALL.embedding, patches)
    assert not last.any()
    forward.batch([caption], [TALL.size], patches)([TALL.latents], torch.tensor([0.5]))
    assert last.any()


def renamed(pattern: str, *, has_dots: bool = True) -> Callable[[str], str]:
    def rename(key: str) -> str:
        part, _, matrix = key.removeprefix("transformer.").partition(".lora_")
        letter = matrix[0]
        path = part if has_dots else part.replace(".", "_")
        return pattern.format(path=path, AB=letter, du={"A": "down", "B": "up"}[letter])

    return rename


LAYOUTS = {
    "bare": renamed("{path}.lora_{AB}.weight"),
    "raw peft": renamed("base_model.model.{path}.lora_{AB}.weight"),
    "peft in memory": renamed("transformer.{path}.lora_{AB}.default.weight"),
    "ai-toolkit": renamed("diffusion_model.{path}.lora_{AB}.weight"),
    "down and up": renamed("diffusion_model.{path}.lora_{du}.weight"),
    "kohya": renamed("lora_unet_{path}.lora_{du}.weight", has_dots=False),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_of_a_file_draws_as_peft_draws_its_own(
    stock_pipeline: Any, forward: Forward, loras: Any, layout: str
) -> None:
    tensors = loras["every layer"]
    adapter = adapter_of(forward, {LAYOUTS[layout](key): tensor for key, tensor in tensors.items()})
    (answer,) = ours(forward, [TALL], by_way("merged", forward, [((adapter, 1.0),)]))
    stock = stock_velocity(stock_pipeline, TALL.latents, TALL.time, TALL.embedding, [(tensors, 1.0)])
    assert error_of(answer, stock) <= LIMIT


@pytest.mark.parametrize("name", ["diffusion_model.{block}.attention.qkv", "lora_unet_{block}_attention_qkv"])
def test_a_file_with_one_matrix_for_query_key_and_value_draws_as_peft_draws_three(
    stock_pipeline: Any, forward: Forward, name: str
) -> None:
    down, up = (
        torch.randn(*shape, generator=torch.Generator().manual_seed(5)) for shape in ((4, 256), (768, 4))
    )
    blocks = sorted(
        {part.rpartition(".attention")[0] for part in shapes_of(forward) if ".attention." in part}
    )
    fused, split = {}, {}
    for block in blocks:
        path = name.format(block=block if "." in name else block.replace(".", "_"))
        fused |= {
            f"{path}.lora_down.weight": down,
            f"{path}.lora_up.weight": up,
            f"{path}.alpha": torch.tensor(0.2),
        }
        for part, rows in zip("qkv", up.split(256), strict=True):
            split[f"transformer.{block}.attention.to_{part}.lora_A.weight"] = down
            split[f"transformer.{block}.attention.to_{part}.lora_B.weight"] = rows * (0.2 / 4)
    (answer,) = ours(forward, [TALL], by_way("merged", forward, [((adapter_of(forward, fused), 1.0),)]))
    stock = stock_velocity(stock_pipeline, TALL.latents, TALL.time, TALL.embedding, [(split, 1.0)])
    assert error_of(answer, stock) <= LIMIT


@pytest.mark.parametrize("size", [(12, 7), (0, 8), (1, 1)])
def test_latents_of_a_fractional_number_of_tokens_are_refused(
    forward: Forward, size: tuple[int, int]
) -> None:
    caption = forward.refine_caption(TALL.embedding, NO_PATCHES)
    with pytest.raises(ValueError, match="whole number of tokens"):
        forward.batch([caption], [size], NO_PATCHES)


@pytest.mark.parametrize(("only", "is_together"), [("adaLN_modulation", False), ("attention", True)])
def test_modulation_is_one_product_unless_a_lora_changes_it(
    forward: Forward, only: str, is_together: bool
) -> None:
    adapter = adapter_of(forward, random_lora(forward, 5, 3, only))
    with_lora = forward.weights.with_loras(Merger(forward.weights.matrices).merge(((adapter, 1.0),)))
    assert (with_lora.modulations is not None) == is_together
    time = torch.randn(3, 256, generator=torch.Generator().manual_seed(6))
    together = forward.weights.modulation_at(time)
    apart = replace(forward.weights, modulations=None).modulation_at(time)
    for block in (*forward.weights.noise_refiner, *forward.weights.main):
        for one, other in zip(together(block), apart(block), strict=True):
            assert one is not None
            assert other is not None
            assert error_of(one, other) <= LIMIT


def test_no_weight_is_held_twice(forward: Forward) -> None:
    held = {
        layer.weight.untyped_storage().data_ptr(): layer.weight.untyped_storage().nbytes()
        for layer in forward.weights.layers.values()
    }
    assert forward.weights.modulations is not None
    together = forward.weights.modulations.layer.weight.untyped_storage().data_ptr()
    assert together in held
    assert sum(held.values()) == sum(layer.weight.nbytes for layer in forward.weights.layers.values())


@pytest.mark.slow
def test_the_cards_kernels_agree_with_torch() -> None:
    """In their own process, because Triton chooses its interpreter on import."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.integration.pipeline.interpreted_kernels"],
        env=os.environ | {"TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    errors = [float(line.split()[-1]) for line in done.stdout.splitlines() if line.startswith("error ")]
    # The interpreter cuts fp8 off, a card rounds.
    bounds = [LIMIT, fusions.TOLERANCE, 2 * fusions.EIGHT_BIT_TOLERANCE, fusions.TOLERANCE]
    for error, bound in zip(errors, 3 * bounds, strict=True):  # of three models' sizes
        assert error <= bound
    of_the_encoder = [
        float(line.split()[-1])
        for line in done.stdout.splitlines()
        if line.startswith(("turned ", "encoder "))
    ]
    assert len(of_the_encoder) == 3
    assert max(of_the_encoder) <= LIMIT
