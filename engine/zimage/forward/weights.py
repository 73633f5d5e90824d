"""diffusers' parameters as the forward wants them: fused, and still in one copy.

Query, key and value become one matrix, and so do the two that open a feed-forward. The library's own
parameters become views of the fused ones, so its forward goes on working and nothing is held twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple, Self

import torch
import torch.nn.functional as nn
from diffusers import ZImageTransformer2DModel
from torch import Tensor

from engine.lora.ways import Matrix, Merged, Patch, Patches, Side, beside
from engine.zimage.forward.eight import STEP, Eight, multiply
from engine.zimage.forward.fusions import Sides
from engine.zimage.forward.packing import Rows
from engine.zimage.forward.plain import EPSILON

# The end of a fused layer's name, and those of the library's layers in it, in the order of their rows.
FUSED = {
    "attention.qkv": ("attention.to_q", "attention.to_k", "attention.to_v"),
    "feed_forward.w13": ("feed_forward.w1", "feed_forward.w3"),
}
PATCH = "2-1"  # two by two latents of one frame are a token; Z-Image has no other


class Layer(NamedTuple):
    """A linear layer: weight [out, in], its scales [out, 1] in eight bits, bias [out], LoRAs beside it."""

    weight: Tensor
    bias: Tensor | None = None
    patch: Side | None = None
    scales: Tensor | None = None

    def __call__(self, x: Tensor | Eight, rows: Rows | None = None) -> Tensor:
        """``x`` [tokens, in] → [tokens, out]; without ``rows``, one line of ``x`` is one row."""
        if isinstance(x, Eight):
            assert self.scales is not None  # noqa: S101 - the same blocks are in eight bits on both sides
            return multiply(x, self.weight, self.scales)
        out = nn.linear(x, self.weight, self.bias)
        return out if self.patch is None else beside(x, out, self.patch, rows)

    def wearing(self, patch: Patch | None) -> "Layer":
        """The same layer with LoRAs on it."""
        if isinstance(patch, Merged):
            return Layer(patch.weight, self.bias, scales=patch.scales)
        return Layer(self.weight, self.bias, patch)


class Block(NamedTuple):
    """One block; ``modulation`` is None where it does not see the time; ``norm_qk`` is [2, head]."""

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


@dataclass(frozen=True)
class Weights:
    """The whole transformer.

    Attributes:
        layers: Every linear layer, by its name after fusing.
        parts: The same names → the library's layers in each, and their rows.
        tensors: Norms and pad tokens, by the library's names.
    """

    layers: Mapping[str, Layer]
    parts: Mapping[str, Mapping[str, slice]]
    tensors: Mapping[str, Tensor]

    @property
    def matrices(self) -> dict[str, Matrix]:
        """What LoRAs change, by layer."""
        return {name: Matrix(layer.weight, self.parts[name]) for name, layer in self.layers.items()}

    @property
    def in_eight(self) -> frozenset[str]:
        """The layers that may be in eight bits: the large products of the blocks of every step.

        All of them or none, where a side does not suit the card's products.
        """
        ends = (*FUSED, "attention.to_out.0", "feed_forward.w2")
        blocks = ("noise_refiner.", "layers.")
        names = [name for name in self.layers if name.startswith(blocks) and name.endswith(ends)]
        do_suit = all(side % STEP == 0 for name in names for side in self.layers[name].weight.shape)
        return frozenset(names) if do_suit else frozenset()

    @property
    def sides(self) -> Sides:
        """Of every block: all have the same."""
        block = self.main[0]
        width, inner = block.w2.weight.shape
        return Sides(width, block.norm_qk.shape[-1], inner)

    def wearing(self, patches: Patches) -> Self:
        """The same weights with LoRAs on them."""
        return replace(
            self,
            layers={name: layer.wearing(patches.layers.get(name)) for name, layer in self.layers.items()},
        )

    @cached_property
    def noise_refiner(self) -> list[Block]:
        """The blocks that see the picture alone."""
        return self._blocks("noise_refiner")

    @cached_property
    def context_refiner(self) -> list[Block]:
        """The blocks that see the caption alone."""
        return self._blocks("context_refiner")

    @cached_property
    def main(self) -> list[Block]:
        """The blocks that see both."""
        return self._blocks("layers")

    def _blocks(self, group: str) -> list[Block]:
        names = [name.removesuffix(".attention.qkv") for name in self.layers if name.endswith(".qkv")]
        return [self._block(name) for name in names if name.startswith(f"{group}.")]

    def _block(self, name: str) -> Block:
        layers, tensors = self.layers, self.tensors
        return Block(
            name=name,
            qkv=layers[f"{name}.attention.qkv"],
            out=layers[f"{name}.attention.to_out.0"],
            w13=layers[f"{name}.feed_forward.w13"],
            w2=layers[f"{name}.feed_forward.w2"],
            modulation=layers.get(f"{name}.adaLN_modulation.0"),
            norm_qk=tensors[f"{name}.norm_qk"],
            norm_before_attention=tensors[f"{name}.attention_norm1.weight"],
            norm_after_attention=tensors[f"{name}.attention_norm2.weight"],
            norm_before_feed=tensors[f"{name}.ffn_norm1.weight"],
            norm_after_feed=tensors[f"{name}.ffn_norm2.weight"],
        )


def require_known(transformer: ZImageTransformer2DModel) -> None:
    """Make sure that this forward draws what the library's would.

    Raises:
        ValueError: It is a variant with other parts.
    """
    config = transformer.config
    if list(transformer.all_x_embedder) != [PATCH] or not config.qk_norm or config.norm_eps != EPSILON:
        raise ValueError("The transformer has other patches or norms than Z-Image-Turbo.")


@torch.no_grad()
def fuse(transformer: ZImageTransformer2DModel) -> Weights:
    """Fuse a loaded transformer in place; at most one matrix is held twice at a time."""
    linears = {
        name: module
        for name, module in transformer.named_modules()
        if isinstance(module, torch.nn.Linear) and not name.startswith("siglip_")
    }
    layers: dict[str, Layer] = {}
    parts: dict[str, dict[str, slice]] = {}
    for name, linear in linears.items():
        block, end, members = _place(name)
        if not members:
            layers[name], parts[name] = Layer(linear.weight.data, linear.bias), {name: slice(None)}
        elif name == block + members[0]:
            own = {block + member: linears[block + member] for member in members}
            layers[block + end] = Layer(one_matrix(list(own.values())))
            parts[block + end] = _rows(own)
    tensors = {
        name: parameter.data
        for name, parameter in transformer.named_parameters()
        if name.rpartition(".")[0] not in linears
    }
    for name in [name for name in tensors if name.endswith(".norm_q.weight")]:
        block = name.removesuffix(".attention.norm_q.weight")
        tensors[f"{block}.norm_qk"] = torch.stack(
            [tensors.pop(name), tensors.pop(name.replace("_q.", "_k."))]
        )
    return Weights(layers, parts, tensors)


def _place(name: str) -> tuple[str, str, tuple[str, ...]]:
    """Where a layer goes: the path before, the fused name, its members; empty where it stays alone."""
    for end, members in FUSED.items():
        for member in members:
            if name.endswith(member):
                return name.removesuffix(member), end, members
    return "", "", ()


def _rows(linears: Mapping[str, torch.nn.Linear]) -> dict[str, slice]:
    """Where each layer's rows lie in their one matrix."""
    ends = list(accumulate(linear.out_features for linear in linears.values()))
    return {name: slice(start, end) for name, start, end in zip(linears, [0, *ends], ends, strict=False)}


def one_matrix(linears: Sequence[torch.nn.Linear]) -> Tensor:
    """Lay weights of one width one under the other; the layers' own become views of it, [their rows, in]."""
    fused = torch.cat([linear.weight.data for linear in linears])
    rows = [linear.out_features for linear in linears]
    for linear, view in zip(linears, torch.split(fused, rows), strict=True):
        linear.weight.data = view
    return fused
