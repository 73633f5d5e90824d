"""What LoRAs change in a layer. Both methods keep the base weights and give the same picture.

``MergedPatch``  one stack for all rows: base + LoRAs in a copy (``merger``); no cost per step
``SidePatch``    a stack per row and no copy: other products added to the wide one (``side_path``)

Biases and norms with LoRAs are small: both methods have them as copies.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from engine.lora.adapter import LoraStack
from engine.lora.updates import Dense, Kronecker


@dataclass(frozen=True, slots=True, eq=False)
class Matrix:
    """A layer's base weight, and the rows of the library's layers in it.

    Attributes:
        weight: [out, in]; never written.
        parts: The library's layer → its rows.
    """

    weight: Tensor
    parts: Mapping[str, slice]


@dataclass(frozen=True, slots=True, eq=False)
class Vector:
    """A bias or norms, and the rows of the library's parameters in it.

    Attributes:
        base: Of any shape; never written.
        parts: The library's parameter → its rows.
    """

    base: Tensor
    parts: Mapping[str, slice]


Matrices = Mapping[str, Matrix]  # by layer
Vectors = Mapping[str, Vector]  # by name; the bias of a layer is LAYER.bias


class MergedPatch(NamedTuple):
    """A layer's weight with LoRAs: [out, in]; in eight bits with ``scales`` float32 [out, 1]."""

    weight: Tensor
    scales: Tensor | None = None


class SideTerm(NamedTuple):
    """A term beside a layer: ``strength · factors · term`` in some rows of its weight."""

    rows: slice
    term: Kronecker | Dense
    strength: float
    factors: Tensor | None


class RowChange(NamedTuple):
    """What the LoRAs of one row of a batch change in a layer beside its pair.

    Attributes:
        gain: What the output of the base weight is multiplied by, float32 [out]; None for 1.
        terms: Products of their own.
    """

    gain: Tensor | None
    terms: tuple[SideTerm, ...]


class SidePatch(NamedTuple):
    """A pair per row, multiplied by its strength: ``down`` [rows, rank, in], ``up`` [rows, out, rank].

    Attributes:
        changes: Of each row; none if pairs are all.
    """

    down: Tensor
    up: Tensor
    changes: tuple[RowChange, ...] = ()


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

    def pristine(self, part: str) -> Tensor:
        """Return the base weight of one of the library's layers."""

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
        vectors: Bias or norm → its value with LoRAs; a missing one is the base's.
        is_by_row: Whether the vectors are [rows, …], because the rows' LoRAs differ.
        pending: Group, the prefix of the names → its layers that are not merged yet.
        write: Merges layers.
        is_eight_bit: Whether the large layers are merged into eight bits.
        blocks: Blocks that have the LoRAs in their base weights; None if all weights are on the card.
    """

    layers: Mapping[str, Patch] = field(default_factory=dict)
    vectors: Mapping[str, Tensor] = field(default_factory=dict)
    is_by_row: bool = False
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


class VectorPatcher:
    """The biases and norms of one model with LoRAs. The base is never written.

    Args:
        vectors: All that LoRAs can change.
    """

    def __init__(self, vectors: Vectors) -> None:
        self._vectors = vectors
        self._copies: dict[str, Tensor] = {}  # they keep their addresses, as recorded steps need

    def patched(self, stack: LoraStack) -> dict[str, Tensor]:
        """Return the vectors that a stack changes. The next call with another stack overwrites them."""
        patched: dict[str, Tensor] = {}
        for name in self._changed([stack]):
            base = self._vectors[name].base
            if name not in self._copies:
                self._copies[name] = torch.empty(base.shape, dtype=base.dtype, device=base.device)
            patched[name] = self._copies[name].copy_(self._sum(name, stack))
        return patched

    def by_row(self, stacks: Sequence[LoraStack]) -> dict[str, Tensor]:
        """Return the vectors that any stack changes, one of each for every row: [rows, …]."""
        return {
            name: torch.stack([self._sum(name, stack) for stack in stacks]).to(self._vectors[name].base.dtype)
            for name in self._changed(stacks)
        }

    def _changed(self, stacks: Sequence[LoraStack]) -> list[str]:
        changed = {name for stack in stacks for adapter, _ in stack for name in adapter.vectors}
        if not changed:
            return []
        return [name for name, own in self._vectors.items() if not changed.isdisjoint(own.parts)]

    def _sum(self, name: str, stack: LoraStack) -> Tensor:
        """Return a vector with the LoRAs of a stack, in float32."""
        vector = self._vectors[name]
        total = vector.base.to(torch.float32, copy=True)
        for adapter, strength in stack:
            for part, rows in vector.parts.items():
                if (delta := adapter.vectors.get(part)) is not None:
                    own = total[rows]
                    own.add_(delta.view(own.shape), alpha=strength)
        return total
