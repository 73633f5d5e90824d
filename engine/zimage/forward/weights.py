"""The transformer's weights as fused layers and blocks, with or without LoRAs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple, Self, cast

import torch
import torch.nn.functional as nn
from torch import Tensor

from engine.eight_bit.products import multiply
from engine.eight_bit.quantise import EightBitMatrix, dequantise
from engine.lora.patches import Matrix, MergedPatch, Patch, Patches, SidePatch, Vector
from engine.lora.side_path import add_terms, scale_row
from engine.zimage.forward.fusions import BlockSizes
from engine.zimage.forward.packing import Rows

# Suffix of a fused layer's name → suffixes of the library's layers in it, in the order of their rows.
FUSED = {
    "attention.qkv": ("attention.to_q", "attention.to_k", "attention.to_v"),
    "feed_forward.w13": ("feed_forward.w1", "feed_forward.w3"),
}
MODULATION = ".adaLN_modulation.0"  # name suffix of a block's modulation layer
_QK_NORMS = {".attention.norm_q.weight": slice(0, 1), ".attention.norm_k.weight": slice(1, 2)}
PATCH = "2-1"  # a token is two by two latents of one frame; Z-Image has no other patch size

# A block's modulation: scale and gate of its attention, scale and gate of its feed-forward.
BlockModulation = tuple[Tensor | None, Tensor | None, Tensor | None, Tensor | None]
Modulate = Callable[["BlockWeights"], BlockModulation]


class Layer(NamedTuple):
    """A linear layer: weight [out, in], scales [out, 1] in eight bits, bias, and LoRAs beside it.

    The bias is [out]; or [rows, out] if the rows' LoRAs change it.
    """

    weight: Tensor
    bias: Tensor | None = None
    patch: SidePatch | None = None
    scales: Tensor | None = None

    def __call__(self, x: Tensor | EightBitMatrix, rows: Rows | None = None) -> Tensor:
        """``x`` [tokens, in] → [tokens, out]; without ``rows``, each token is one row."""
        bias = self.bias
        if isinstance(x, EightBitMatrix):
            assert self.scales is not None  # noqa: S101 - a block has inputs and weights in one format
            out = multiply(x, self.weight, self.scales)
            if self.patch is not None:
                x = dequantise(x.values, x.scales).to(out.dtype)
                out = add_side_path(x, out, self.patch, rows)
            return out if bias is None else _add_bias(out, bias, rows)
        # A bias of each row, and one behind factors of the base weight's output, are added at the end.
        is_late = bias is not None and (bias.dim() > 1 or (self.patch is not None and self.patch.changes))
        out = nn.linear(x, self.weight, None if is_late else bias)
        if self.patch is not None:
            out = add_side_path(x, out, self.patch, rows)
        return _add_bias(out, bias, rows) if bias is not None and is_late else out

    def with_loras(self, patch: Patch | None, bias: Tensor | None) -> "Layer":
        """Return the same layer with LoRAs, and with another bias if it has one."""
        bias = self.bias if bias is None else bias
        if isinstance(patch, MergedPatch):
            return Layer(patch.weight, bias, scales=patch.scales)
        return Layer(self.weight, bias, patch, self.scales)


def add_side_path(x: Tensor, out: Tensor, patch: SidePatch, rows: Rows | None) -> Tensor:
    """Add each row's LoRA products to a layer's output.

    Args:
        x: [tokens, in].
        out: [tokens, out], without a bias if there are changes; overwritten.
        patch: Each row's pair of matrices, and its other changes.
        rows: The rows' positions; None if each token is a row.
    """
    if not patch.changes:
        return _add_pairs(x, out, patch, rows)
    own_rows = list(zip(_split(x, patch, rows), _split(out, patch, rows), patch.changes, strict=True))
    for _, row_output, change in own_rows:
        scale_row(change, row_output)
    if patch.down.shape[1]:
        _add_pairs(x, out, patch, rows)
    for row_input, row_output, change in own_rows:
        add_terms(change, row_input, row_output)
    return out


def _split(packed: Tensor, patch: SidePatch, rows: Rows | None) -> Sequence[Tensor]:
    """Return views of the tokens that each row of a patch is for."""
    if len(patch.down) == 1:
        return [packed]
    return torch.split(packed, 1) if rows is None else rows.split(packed)


def _add_bias(out: Tensor, bias: Tensor, rows: Rows | None) -> Tensor:
    """Add a bias [out], or one of each row [rows, out]."""
    return out.add_(bias if bias.dim() == 1 or rows is None else rows.spread(bias))


def _add_pairs(x: Tensor, out: Tensor, patch: SidePatch, rows: Rows | None) -> Tensor:
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
    def vectors(self) -> dict[str, Vector]:
        """The biases, norms and pad tokens that LoRAs can change; a layer without a bias has one of zeros."""
        like = self.tensors["x_pad_token"]
        vectors: dict[str, Vector] = {}
        for name, layer in self.layers.items():
            base = like.new_zeros(1).expand(len(layer.weight)) if layer.bias is None else layer.bias
            vectors[f"{name}.bias"] = Vector(
                base, {f"{part}.bias": rows for part, rows in self.parts[name].items()}
            )
        for name, tensor in self.tensors.items():
            block = name.removesuffix(".norm_qk")
            own = {f"{block}{end}": rows for end, rows in _QK_NORMS.items()}
            vectors[name] = Vector(tensor, {name: slice(None)} if block == name else own)
        return vectors

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
        changed, vectors = (*patches.layers, *patches.vectors), patches.vectors
        changes_modulation = any(name.endswith((MODULATION, f"{MODULATION}.bias")) for name in changed)
        return replace(
            self,
            layers={
                name: layer.with_loras(patches.layers.get(name), vectors.get(f"{name}.bias"))
                for name, layer in self.layers.items()
            },
            tensors={name: vectors.get(name, tensor) for name, tensor in self.tensors.items()},
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
