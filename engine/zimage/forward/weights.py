"""The transformer's weights as fused layers and blocks, with or without LoRAs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple, Self, cast

import torch
import torch.nn.functional as nn
from torch import Tensor

from engine.eight_bit.products import multiply
from engine.eight_bit.quantise import EightBitMatrix, dequantise
from engine.lora.patches import Matrix, MergedPatch, Patch, Patches, SidePatch
from engine.zimage.forward.fusions import BlockSizes
from engine.zimage.forward.packing import Rows

# Suffix of a fused layer's name → suffixes of the library's layers in it, in the order of their rows.
FUSED = {
    "attention.qkv": ("attention.to_q", "attention.to_k", "attention.to_v"),
    "feed_forward.w13": ("feed_forward.w1", "feed_forward.w3"),
}
MODULATION = ".adaLN_modulation.0"  # name suffix of a block's modulation layer
PATCH = "2-1"  # a token is two by two latents of one frame; Z-Image has no other patch size

# A block's modulation: scale and gate of its attention, scale and gate of its feed-forward.
BlockModulation = tuple[Tensor | None, Tensor | None, Tensor | None, Tensor | None]
Modulate = Callable[["BlockWeights"], BlockModulation]


class Layer(NamedTuple):
    """A linear layer: weight [out, in], scales [out, 1] in eight bits, bias [out], and LoRAs beside it."""

    weight: Tensor
    bias: Tensor | None = None
    patch: SidePatch | None = None
    scales: Tensor | None = None

    def __call__(self, x: Tensor | EightBitMatrix, rows: Rows | None = None) -> Tensor:
        """``x`` [tokens, in] → [tokens, out]; without ``rows``, each token is one row."""
        if isinstance(x, EightBitMatrix):
            assert self.scales is not None  # noqa: S101 - a block has inputs and weights in one format
            out = multiply(x, self.weight, self.scales)
            if self.patch is None:
                return out
            return add_side_path(dequantise(x.values, x.scales).to(out.dtype), out, self.patch, rows)
        out = nn.linear(x, self.weight, self.bias)
        return out if self.patch is None else add_side_path(x, out, self.patch, rows)

    def with_loras(self, patch: Patch | None) -> "Layer":
        """Return the same layer with LoRAs."""
        if isinstance(patch, MergedPatch):
            return Layer(patch.weight, self.bias, scales=patch.scales)
        return Layer(self.weight, self.bias, patch, self.scales)


def add_side_path(x: Tensor, out: Tensor, patch: SidePatch, rows: Rows | None) -> Tensor:
    """Add each row's LoRA product to a layer's output.

    Args:
        x: [tokens, in].
        out: [tokens, out]; overwritten.
        patch: Each row's pair of matrices.
        rows: The rows' positions; None if each token is a row.
    """
    if len(patch.down) == 1:
        return out.addmm_(x @ patch.down[0].mT, patch.up[0].mT)
    if rows is None or rows.are_even:
        count = len(patch.down)
        thin = torch.bmm(x.view(count, -1, x.shape[-1]), patch.down.mT)
        out.view(count, -1, out.shape[-1]).baddbmm_(thin, patch.up.mT)
        return out
    for row, (row_input, row_output) in enumerate(zip(rows.split(x), rows.split(out), strict=True)):
        row_output.addmm_(row_input @ patch.down[row].mT, patch.up[row].mT)
    return out


class BlockWeights(NamedTuple):
    """One block. ``modulation`` is None in blocks without a time embedding; ``norm_qk`` is [2, head]."""

    name: str
    qkv: Layer
    out: Layer
    w13: Layer
    w2: Layer
    modulation: Layer | None
    norm_qk: Tensor
    norm_before_attention: Tensor
    norm_after_attention: Tensor
    norm_before_feed: Tensor
    norm_after_feed: Tensor


class Modulations(NamedTuple):
    """The modulation layers of all blocks as one: one product instead of 32 of 5 µs each on an H200.

    Attributes:
        rows: Block name → its rows.
    """

    layer: Layer
    rows: Mapping[str, slice]


@dataclass(frozen=True)
class Weights:
    """The whole transformer.

    Attributes:
        layers: Every linear layer by its fused name.
        parts: Fused name → the library's layers in it → their rows.
        tensors: Norms and pad tokens by the library's names.
        modulations: None if a LoRA changes one of them; then each block uses its own layer.
    """

    layers: Mapping[str, Layer]
    parts: Mapping[str, Mapping[str, slice]]
    tensors: Mapping[str, Tensor]
    modulations: Modulations | None

    @property
    def matrices(self) -> dict[str, Matrix]:
        """The matrices that LoRAs can change, by layer."""
        return {name: Matrix(layer.weight, self.parts[name]) for name, layer in self.layers.items()}

    @property
    def large_layers(self) -> frozenset[str]:
        """The layers that may be in eight bits: the large products of the blocks of every step."""
        ends = (*FUSED, "attention.to_out.0", "feed_forward.w2")
        blocks = ("noise_refiner.", "layers.")
        return frozenset(name for name in self.layers if name.startswith(blocks) and name.endswith(ends))

    def have_sides_of(self, multiple: int) -> bool:
        """Whether both sides of all large layers are multiples of this."""
        sides = (side for name in self.large_layers for side in self.layers[name].weight.shape)
        return all(side % multiple == 0 for side in sides)

    @property
    def block_sizes(self) -> BlockSizes:
        """The sizes that all blocks share."""
        block = self.main[0]
        width, inner = block.w2.weight.shape
        return BlockSizes(width, block.norm_qk.shape[-1], inner)

    def with_loras(self, patches: Patches) -> Self:
        """Return the same weights with LoRAs."""
        changes_modulation = any(name.endswith(MODULATION) for name in patches.layers)
        return replace(
            self,
            layers={name: layer.with_loras(patches.layers.get(name)) for name, layer in self.layers.items()},
            modulations=None if changes_modulation else self.modulations,
        )

    def modulation_at(self, time: Tensor) -> Modulate:
        """Return a function from block to its modulation at this time.

        Args:
            time: [rows, 256].
        """
        if self.modulations is None:
            return lambda block: _split_modulation(cast(Layer, block.modulation)(time))
        modulation, rows = self.modulations.layer(time), self.modulations.rows
        return lambda block: _split_modulation(modulation[:, rows[block.name]])

    @cached_property
    def noise_refiner(self) -> list[BlockWeights]:
        """The blocks that process the picture alone."""
        return self._blocks("noise_refiner")

    @cached_property
    def context_refiner(self) -> list[BlockWeights]:
        """The blocks that process the caption alone."""
        return self._blocks("context_refiner")

    @cached_property
    def main(self) -> list[BlockWeights]:
        """The blocks that process both."""
        return self._blocks("layers")

    def _blocks(self, group: str) -> list[BlockWeights]:
        names = [name.removesuffix(".attention.qkv") for name in self.layers if name.endswith(".qkv")]
        return [self._block(name) for name in names if name.startswith(f"{group}.")]

    def _block(self, name: str) -> BlockWeights:
        layers, tensors = self.layers, self.tensors
        return BlockWeights(
            name=name,
            qkv=layers[f"{name}.attention.qkv"],
            out=layers[f"{name}.attention.to_out.0"],
            w13=layers[f"{name}.feed_forward.w13"],
            w2=layers[f"{name}.feed_forward.w2"],
            modulation=layers.get(f"{name}{MODULATION}"),
            norm_qk=tensors[f"{name}.norm_qk"],
            norm_before_attention=tensors[f"{name}.attention_norm1.weight"],
            norm_after_attention=tensors[f"{name}.attention_norm2.weight"],
            norm_before_feed=tensors[f"{name}.ffn_norm1.weight"],
            norm_after_feed=tensors[f"{name}.ffn_norm2.weight"],
        )


def _split_modulation(modulation: Tensor) -> BlockModulation:
    return cast(BlockModulation, modulation.chunk(4, dim=-1))
