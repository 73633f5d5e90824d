"""Two ways to draw with LoRAs; both leave the base weights untouched and give the same picture.

``MergedPatch``  one stack for every row: base + LoRAs in a working copy (``merge``); nothing to do per step
``SidePatch``    each row its own stack, and no copy: two thin products beside the wide one
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from engine.lora.formats import Pair


@dataclass(frozen=True, slots=True, eq=False)
class Matrix:
    """A layer's base weight, and which of its rows were a layer of their own in the library.

    Attributes:
        weight: [out, in]; never written.
        parts: The library's layer → its rows.
    """

    weight: Tensor
    parts: Mapping[str, slice]


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Adapter:
    """One LoRA in the model's number format, on its device.

    Attributes:
        pairs: The library's layer → its pair of matrices at strength 1, all of them views of ``block``.
        block: The one piece of memory that holds them, one-dimensional.
    """

    pairs: Mapping[str, Pair]
    block: Tensor

    @property
    def held_bytes(self) -> int:
        """What it keeps from other uses: of a file read in one piece also the rest of the file."""
        nbytes = self.block.untyped_storage().nbytes()
        # Torch's allocator of pinned memory rounds each piece up to a power of two.
        return 1 << (nbytes - 1).bit_length() if self.block.is_pinned() else nbytes

    def on(self, device: torch.device) -> "Adapter":
        """The same LoRA on another device, moved in one piece."""
        if self.block.device == device:
            return self
        block = self.block.to(device, non_blocking=True)
        return Adapter(
            {
                part: Pair(self._moved(pair.down, block), self._moved(pair.up, block))
                for part, pair in self.pairs.items()
            },
            block,
        )

    def _moved(self, matrix: Tensor, block: Tensor) -> Tensor:
        start = matrix.storage_offset() - self.block.storage_offset()
        return block[start : start + matrix.numel()].view(matrix.shape)


def pair_views(pairs: Mapping[str, Pair], block: Tensor) -> dict[str, Pair]:
    """Pairs of these shapes, one after the other in ``block``."""
    shapes = [shape for pair in pairs.values() for shape in (pair.down.shape, pair.up.shape)]
    pieces = iter(torch.split(block, [math.prod(shape) for shape in shapes]))
    return {
        part: Pair(next(pieces).view(pair.down.shape), next(pieces).view(pair.up.shape))
        for part, pair in pairs.items()
    }


Matrices = Mapping[str, Matrix]  # by layer
LoraStack = tuple[tuple[Adapter, float], ...]  # the LoRAs of one picture, each with its strength


class MergedPatch(NamedTuple):
    """A layer's weight with the LoRAs in it: [out, in]; in eight bits with ``scales`` float32 [out, 1]."""

    weight: Tensor
    scales: Tensor | None = None


class SidePatch(NamedTuple):
    """Each row's own pair, strengths multiplied in: ``down`` [rows, rank, in], ``up`` [rows, out, rank]."""

    down: Tensor
    up: Tensor


Patch = MergedPatch | SidePatch


MergeLayers = Callable[[Sequence[str]], None]  # merges these layers


def _nothing(layers: Sequence[str]) -> None:
    """There is nothing to merge."""


@dataclass(frozen=True, slots=True, eq=False)
class Patches:
    """What LoRAs change.

    Attributes:
        layers: By layer; one that is not in it draws as its base.
        pending: Layers that are still to be merged, by group: the beginning of their names.
        write: Merges layers.
        is_fp8: Whether the large layers are merged into eight bits.
    """

    layers: Mapping[str, Patch] = field(default_factory=dict)
    pending: dict[str, list[str]] = field(default_factory=dict)
    write: MergeLayers = _nothing
    is_fp8: bool = False

    def ensure_merged(self, group: str) -> None:
        """Have a group merged before it is used; the first step need not wait for the last layer."""
        if names := self.pending.get(group):
            self.write(names)
            del self.pending[group]  # not before: where this failed, the next job with this stack tries again


NO_PATCHES = Patches()


def side_patches(matrices: Matrices, stacks: Sequence[LoraStack]) -> Patches:
    """Lay each row's pairs beside each other, shorter ranks filled with zeros."""
    patches: dict[str, Patch] = {}
    for name, matrix in matrices.items():
        pairs = [
            _fused(matrix, {part: concatenate_pairs(stack, part) for part in matrix.parts})
            for stack in stacks
        ]
        rank = max(len(pair.down) for pair in pairs)
        if not rank:
            continue
        out, into = matrix.weight.shape
        down, up = (matrix.weight.new_zeros(len(stacks), *shape) for shape in ((rank, into), (out, rank)))
        for row, pair in enumerate(pairs):
            down[row, : len(pair.down)] = pair.down
            up[row, :, : len(pair.down)] = pair.up
        patches[name] = SidePatch(down, up)
    return Patches(patches)


def concatenate_pairs(stack: LoraStack, part: str) -> Pair | None:
    """A stack's pairs of one part as one of a larger rank, strengths in; None where it changes nothing."""
    pairs = [(adapter.pairs[part], strength) for adapter, strength in stack if part in adapter.pairs]
    if not pairs:
        return None
    return Pair(
        torch.cat([pair.down for pair, _ in pairs]),
        torch.cat([(pair.up.float() * strength).to(pair.up.dtype) for pair, strength in pairs], dim=1),
    )


def _fused(matrix: Matrix, pairs: Mapping[str, Pair | None]) -> Pair:
    """The pairs of a matrix's parts as one: ``down`` one under the other, each ``up`` in its own rows."""
    own = [(rows, pair) for part, rows in matrix.parts.items() if (pair := pairs.get(part))]
    ranks = [len(pair.down) for _, pair in own]
    out, into = matrix.weight.shape
    up = matrix.weight.new_zeros(out, sum(ranks))
    for (rows, pair), column in zip(own, torch.split(up, ranks, dim=1) if own else (), strict=True):
        column[rows] = pair.up
    return Pair(torch.cat([matrix.weight.new_zeros(0, into), *(pair.down for _, pair in own)]), up)
