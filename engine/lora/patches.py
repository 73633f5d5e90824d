"""What LoRAs change in a layer. Both methods keep the base weights and give the same picture.

``MergedPatch``  one stack for all rows: base + LoRAs in a copy (``merger``); no cost per step
``SidePatch``    a stack per row and no copy: two thin products added to the wide one
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from engine.lora.updates import LowRank


@dataclass(frozen=True, slots=True, eq=False)
class Matrix:
    """A layer's base weight, and the rows of the library's layers in it.

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
        pairs: The library's layer → its pair of matrices at strength 1, as views of ``block``.
        block: The one-dimensional block of memory that holds all pairs.
    """

    pairs: Mapping[str, LowRank]
    block: Tensor

    @property
    def held_bytes(self) -> int:
        """Memory in use, including the rest of a file that was read as one block."""
        nbytes = self.block.untyped_storage().nbytes()
        # Torch's allocator of pinned memory rounds each block up to a power of two.
        return 1 << (nbytes - 1).bit_length() if self.block.is_pinned() else nbytes

    def on(self, device: torch.device) -> "Adapter":
        """Return the same LoRA on another device, copied as one block."""
        if self.block.device == device:
            return self
        block = self.block.to(device, non_blocking=True)
        return Adapter(
            {
                part: LowRank(self._moved(pair.down, block), self._moved(pair.up, block))
                for part, pair in self.pairs.items()
            },
            block,
        )

    def _moved(self, matrix: Tensor, block: Tensor) -> Tensor:
        start = matrix.storage_offset() - self.block.storage_offset()
        return block[start : start + matrix.numel()].view(matrix.shape)


def pair_views(pairs: Mapping[str, LowRank], block: Tensor) -> dict[str, LowRank]:
    """Return views of ``block`` with the shapes of these pairs, in order."""
    shapes = [shape for pair in pairs.values() for shape in (pair.down.shape, pair.up.shape)]
    pieces = iter(torch.split(block, [math.prod(shape) for shape in shapes]))
    return {
        part: LowRank(next(pieces).view(pair.down.shape), next(pieces).view(pair.up.shape))
        for part, pair in pairs.items()
    }


Matrices = Mapping[str, Matrix]  # by layer
LoraStack = tuple[tuple[Adapter, float], ...]  # the LoRAs of one picture, each with its strength


class MergedPatch(NamedTuple):
    """A layer's weight with LoRAs: [out, in]; in eight bits with ``scales`` float32 [out, 1]."""

    weight: Tensor
    scales: Tensor | None = None


class SidePatch(NamedTuple):
    """A pair per row, multiplied by its strength: ``down`` [rows, rank, in], ``up`` [rows, out, rank]."""

    down: Tensor
    up: Tensor


Patch = MergedPatch | SidePatch


MergeLayers = Callable[[Sequence[str]], None]  # merges these layers


class BlockPlaces(Protocol):
    """Blocks whose weights, LoRAs included, are put into their places before each use.

    Attributes:
        matrices: The layers of the blocks, in their places.
        is_settled: Whether all blocks of a step stay in their places.
        is_eight_bit: Whether the large layers are in eight bits.
    """

    @property
    def matrices(self) -> "Matrices":
        """The layers of the blocks."""

    @property
    def is_settled(self) -> bool:
        """Whether no step moves anything."""

    @property
    def is_eight_bit(self) -> bool:
        """Whether the large layers are in eight bits."""

    def use(self, stack: LoraStack) -> None:
        """Merge these LoRAs from now on."""

    def ensure(self, block: str) -> None:
        """Make a block ready."""


def _ignore(layers: Sequence[str]) -> None:
    """Merge nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class Patches:
    """What LoRAs change in all layers.

    Attributes:
        layers: Layer → its patch; a missing layer uses its base weight.
        pending: Group, the prefix of the names → its layers that are not merged yet.
        write: Merges layers.
        is_eight_bit: Whether the large layers are merged into eight bits.
        blocks: Blocks that have the LoRAs in their base weights; None if all weights are on the card.
    """

    layers: Mapping[str, Patch] = field(default_factory=dict)
    pending: dict[str, list[str]] = field(default_factory=dict)
    write: MergeLayers = _ignore
    is_eight_bit: bool = False
    blocks: BlockPlaces | None = None

    @property
    def is_settled(self) -> bool:
        """Whether all layers are ready and stay so: a step is then the same work each time."""
        return not self.pending and (self.blocks is None or self.blocks.is_settled)

    def ensure_merged(self, group: str) -> None:
        """Merge a group before its first use, so that the first step need not wait for the last layer."""
        if self.blocks is not None:
            self.blocks.ensure(group)
        if names := self.pending.get(group):
            self.write(names)
            del self.pending[group]  # only now: after a failure the next job with this stack merges again


NO_PATCHES = Patches()


def side_patches(matrices: Matrices, stacks: Sequence[LoraStack]) -> Patches:
    """Return side patches: the pairs of all rows, padded with zeros to the largest rank."""
    patches: dict[str, Patch] = {}
    like = next((adapter.block for stack in stacks for adapter, _ in stack), torch.empty(0))
    for name, matrix in matrices.items():
        pairs = [
            _fused(matrix, {part: concatenate_pairs(stack, part) for part in matrix.parts}, like)
            for stack in stacks
        ]
        rank = max(len(pair.down) for pair in pairs)
        if not rank:
            continue
        out, into = matrix.weight.shape
        down, up = (like.new_zeros(len(stacks), *shape) for shape in ((rank, into), (out, rank)))
        for row, pair in enumerate(pairs):
            down[row, : len(pair.down)] = pair.down
            up[row, :, : len(pair.down)] = pair.up
        patches[name] = SidePatch(down, up)
    return Patches(patches)


def concatenate_pairs(stack: LoraStack, part: str) -> LowRank | None:
    """Concatenate a stack's pairs of one part, multiplied by their strengths; None if there are none."""
    pairs = [(adapter.pairs[part], strength) for adapter, strength in stack if part in adapter.pairs]
    if not pairs:
        return None
    return LowRank(
        torch.cat([pair.down for pair, _ in pairs]),
        torch.cat([(pair.up.float() * strength).to(pair.up.dtype) for pair, strength in pairs], dim=1),
    )


def _fused(matrix: Matrix, pairs: Mapping[str, LowRank | None], like: Tensor) -> LowRank:
    """Combine the pairs of a matrix's parts: concatenate ``down``, and put each ``up`` into its own rows.

    Args:
        matrix: Its weight may be in eight bits.
        pairs: By part.
        like: In the number format of the pairs.
    """
    own = [(rows, pair) for part, rows in matrix.parts.items() if (pair := pairs.get(part))]
    ranks = [len(pair.down) for _, pair in own]
    out, into = matrix.weight.shape
    up = like.new_zeros(out, sum(ranks))
    for (rows, pair), column in zip(own, torch.split(up, ranks, dim=1) if own else (), strict=True):
        column[rows] = pair.up
    return LowRank(torch.cat([like.new_zeros(0, into), *(pair.down for _, pair in own)]), up)
