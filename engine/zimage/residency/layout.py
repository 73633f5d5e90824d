"""How the large matrices of one block lie in one stretch of memory.

The stretch is the same in main memory and in a slot on the card, so one copy moves a whole block. Only the
products of the blocks count, 98 % of Z-Image's transformer; its norms, embedders, modulations and biases are
small and stay on the card.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from engine.config import WeightFormat
from engine.eight_bit.formats import EIGHT_BIT, NO_LAYERS, EightBitLayers
from engine.lora.merger import BLOCKS, group_of
from engine.zimage.forward.weights import FUSED

ALIGNED = 64  # numbers: a matrix begins at a multiple of this
# A block's layers in the order of their use, each with the library's layers in it.
_LAYERS = {
    "attention.qkv": FUSED["attention.qkv"],
    "attention.to_out.0": ("attention.to_out.0",),
    "feed_forward.w13": FUSED["feed_forward.w13"],
    "feed_forward.w2": ("feed_forward.w2",),
}
_ENCODER_LAYERS = {
    "qkv": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "out": ("self_attn.o_proj",),
    "w13": ("mlp.gate_proj", "mlp.up_proj"),
    "w2": ("mlp.down_proj",),
}
_ENCODER_LAYER = re.compile(r"((?:model\.)?layers\.(\d+))\.")
_WEIGHT = ".weight"


class LayerSpan(NamedTuple):
    """A layer's place in its block.

    Attributes:
        start: Its first number.
        shape: Rows and columns.
        parts: The library's layer → its rows.
    """

    start: int
    shape: tuple[int, int]
    parts: Mapping[str, slice]


@dataclass(frozen=True, slots=True)
class BlockLayout:
    """One block's layers.

    Attributes:
        name: ``layers.3``, ``noise_refiner.0``, …
        layers: Fused name → its place.
        numbers: Length of the block, in numbers.
    """

    name: str
    layers: Mapping[str, LayerSpan]
    numbers: int

    @property
    def parts(self) -> dict[str, tuple[str, slice]]:
        """The library's layers → their fused layer and their rows in it."""
        return {
            part: (layer, rows) for layer, span in self.layers.items() for part, rows in span.parts.items()
        }

    def views(self, numbers: Tensor) -> dict[str, Tensor]:
        """Return the layers' weights [rows, columns] as views of one block's numbers."""
        return {
            layer: numbers[span.start : span.start + math.prod(span.shape)].view(span.shape)
            for layer, span in self.layers.items()
        }

    def scale_views(self, scales: Tensor) -> dict[str, Tensor]:
        """Return the layers' scales [rows, 1] as views of one block's scales."""
        rows = [span.shape[0] for span in self.layers.values()]
        views = torch.split(scales[: sum(rows)].view(-1, 1), rows)
        return dict(zip(self.layers, views, strict=True))


def block_layouts(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, BlockLayout]:
    """Return the layout of every block, in the order in which a picture needs them.

    Args:
        shapes: The transformer's tensors by the library's names.
    """
    names = {group_of(name) for name in shapes if name.partition(".")[0] in BLOCKS}
    order = sorted(names, key=lambda name: (BLOCKS.index(name.split(".")[0]), int(name.split(".")[1])))
    return {name: layout for name in order if (layout := _layout(name, shapes)).layers}


def encoder_layouts(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, BlockLayout]:
    """Return the layout of every layer of a text encoder but the last, whose output is not used.

    Args:
        shapes: The encoder's tensors by the library's names, saved with a head or without.
    """
    found = (_ENCODER_LAYER.match(name) for name in shapes)
    names = {match[1]: int(match[2]) for match in found if match}
    order = sorted(names, key=names.__getitem__)[:-1]
    return {name: _layout(name, shapes, _ENCODER_LAYERS) for name in order}


def check_encoder_layouts(layouts: Mapping[str, BlockLayout]) -> None:
    """Prove that each layer of a text encoder has all its matrices.

    Raises:
        LookupError: Some are missing.
    """
    for name, layout in layouts.items():
        if len(layout.layers) < len(_ENCODER_LAYERS):
            raise LookupError(f"the text encoder lacks matrices of {name}")


def block_weights(layouts: Mapping[str, BlockLayout]) -> dict[str, tuple[str, str, slice]]:
    """Return the checkpoint's tensors that lie in blocks → block, fused layer, rows."""
    return {
        f"{part}{_WEIGHT}": (name, layer, rows)
        for name, layout in layouts.items()
        for part, (layer, rows) in layout.parts.items()
    }


def block_shapes(layouts: Mapping[str, BlockLayout]) -> dict[str, tuple[int, int]]:
    """Return the checkpoint's tensors that lie in blocks → their shapes."""
    return {
        name: (rows.stop - rows.start, layouts[block].layers[layer].shape[1])
        for name, (block, layer, rows) in block_weights(layouts).items()
    }


def eight_bit_layers(
    layouts: Mapping[str, BlockLayout], weight_format: WeightFormat, *, is_card: bool
) -> EightBitLayers:
    """Return the layers that are in eight bits: those of every step, if a card can multiply their sides."""
    eight_bit = EIGHT_BIT.get(weight_format)
    spans = {
        layer: span
        for name, layout in layouts.items()
        if not name.startswith(BLOCKS[0])
        for layer, span in layout.layers.items()
    }
    if eight_bit is None:
        return NO_LAYERS
    multiple = eight_bit.side_multiple
    if is_card and any(side % multiple for span in spans.values() for side in span.shape):
        return NO_LAYERS  # ``Forward`` logs it
    return EightBitLayers(eight_bit, frozenset(spans))


def _layout(
    block: str,
    shapes: Mapping[str, tuple[int, ...]],
    known_layers: Mapping[str, tuple[str, ...]] = _LAYERS,
) -> BlockLayout:
    layers: dict[str, LayerSpan] = {}
    at = 0
    for end, members in known_layers.items():
        weights = {f"{block}.{member}": shapes.get(f"{block}.{member}{_WEIGHT}") for member in members}
        known = {part: shape for part, shape in weights.items() if shape is not None}
        if len(known) < len(members):
            continue
        parts, row = {}, 0
        for part, shape in known.items():
            parts[part] = slice(row, row + shape[0])
            row += shape[0]
        columns = next(iter(known.values()))[1]
        layers[f"{block}.{end}"] = LayerSpan(at, (row, columns), parts)
        at += math.ceil(row * columns / ALIGNED) * ALIGNED
    return BlockLayout(block, layers, at)
