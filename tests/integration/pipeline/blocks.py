"""A small transformer of random blocks, LoRAs for it, and what a slot must hold."""

from collections.abc import Sequence

import torch
from torch import Tensor

from engine.lora.adapter import Adapter, LoraStack
from engine.lora.side_path import concatenate_pairs
from engine.lora.updates import LowRank
from engine.zimage.residency.layout import block_layouts
from engine.zimage.residency.sources import HostSource
from engine.zimage.residency.store import BlockStore

BLOCKS, WIDTH, INNER = 8, 12, 20


SHAPES = {
    "attention.to_q": (WIDTH, WIDTH), "attention.to_k": (WIDTH, WIDTH), "attention.to_v": (WIDTH, WIDTH),
    "attention.to_out.0": (WIDTH, WIDTH), "feed_forward.w1": (INNER, WIDTH),
    "feed_forward.w3": (INNER, WIDTH), "feed_forward.w2": (WIDTH, INNER),
}  # fmt: skip


NAMES = ["context_refiner.0", "noise_refiner.0", *(f"layers.{number}" for number in range(BLOCKS))]


STEP = [name for name in NAMES if not name.startswith("context")]


EIGHT_BIT_LAYERS = frozenset(
    f"{block}.{layer}"
    for block in STEP
    for layer in ("attention.qkv", "attention.to_out.0", "feed_forward.w13", "feed_forward.w2")
)


def new_source(seed: int = 0) -> HostSource:
    """Random blocks, as the reader fills them."""
    shapes = {f"{block}.{part}.weight": shape for block in NAMES for part, shape in SHAPES.items()}
    source = HostSource(block_layouts(shapes), torch.float32)
    generator = torch.Generator().manual_seed(seed)
    for target in source.targets().values():
        target.copy_(torch.randn(target.shape, generator=generator))
    return source


def adapter(seed: int, *only: str) -> Adapter:
    """A LoRA on the layers whose name begins with one of these; on all without any."""
    generator = torch.Generator().manual_seed(seed)
    pairs = {
        f"{block}.{part}": LowRank(
            torch.randn(3, shape[1], generator=generator), torch.randn(shape[0], 3, generator=generator)
        )
        for block in NAMES
        for part, shape in SHAPES.items()
        if not only or f"{block}.{part}".startswith(only)
    }
    return Adapter(pairs, torch.zeros(1))


def expected(source: HostSource, stack: LoraStack, block: str) -> dict[str, Tensor]:
    """A block's weights with these LoRAs, merged into a copy, as the resident path does."""
    layout = source.layouts[block]
    base = layout.views(source.blocks[block].numbers)
    merged = {layer: weight.clone() for layer, weight in base.items()}
    for part, (layer, rows) in layout.parts.items():
        if pair := concatenate_pairs(stack, part):
            torch.addmm(base[layer][rows], pair.up, pair.down, out=merged[layer][rows])
    return merged


def check(store: BlockStore, source: HostSource, stack: LoraStack, block: str) -> None:
    for layer, weight in expected(source, stack, block).items():
        assert torch.equal(store.places[layer].weight, weight), (block, layer)


def run_step(store: BlockStore, source: HostSource, stack: LoraStack, blocks: Sequence[str] = STEP) -> None:
    """One step: every weight is right at its use."""
    store.ensure("t_embedder")
    for block in blocks:
        store.ensure(block)
        check(store, source, stack, block)
    store.ensure("all_final_layer")


STACKS: list[LoraStack] = [
    (),
    ((adapter(1), 0.7),),
    ((adapter(2, "layers.2.", "layers.5.attention.to_k"), 1.0),),
    ((adapter(3), -0.5), (adapter(4, "noise_refiner", "layers.7"), 0.9)),
    ((adapter(5, "context_refiner"), 1.0),),
]
