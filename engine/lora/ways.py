"""Three ways to draw with LoRAs; all leave the base weights untouched and give the same picture.

``merged``   one stack for every row: base + LoRAs, written into a working copy; nothing to do per step
``side``     each row its own stack, rows of one length: two thin products beside the wide one
``columns``  each row its own stack, any lengths: the thin products ride as extra columns of the wide one
"""

import math
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as nn
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


@dataclass(frozen=True, slots=True, eq=False)
class Adapter:
    """One LoRA in the model's number format, on its device.

    Attributes:
        pairs: The library's layer → its pair of matrices at strength 1, all of them views of ``block``.
        block: The one piece of memory that holds them, one-dimensional.
    """

    pairs: Mapping[str, Pair]
    block: Tensor

    @property
    def nbytes(self) -> int:
        """Its size in memory."""
        return self.block.nbytes

    def on(self, device: torch.device) -> "Adapter":
        """The same LoRA on another device, moved in one piece."""
        if self.block.device == device:
            return self
        block = self.block.to(device, non_blocking=True)
        return Adapter(views(self.pairs, block), block)


def views(pairs: Mapping[str, Pair], block: Tensor) -> dict[str, Pair]:
    """Pairs of these shapes, one after the other in ``block``."""
    shapes = [shape for pair in pairs.values() for shape in (pair.down.shape, pair.up.shape)]
    pieces = iter(torch.split(block, [math.prod(shape) for shape in shapes]))
    return {
        part: Pair(next(pieces).view(pair.down.shape), next(pieces).view(pair.up.shape))
        for part, pair in pairs.items()
    }


Matrices = Mapping[str, Matrix]  # by layer
Stack = tuple[tuple[Adapter, float], ...]  # the LoRAs of one picture, each with its strength


class Merged(NamedTuple):
    """A layer's weight with the LoRAs in it: [out, in]."""

    weight: Tensor


class Side(NamedTuple):
    """Each row's own pair, strengths multiplied in: ``down`` [rows, rank, in], ``up`` [rows, out, rank]."""

    down: Tensor
    up: Tensor


class Columns(NamedTuple):
    """All rows' pairs in one: ``weight`` [out, in + R], ``down`` [R, in], ``strengths`` [rows, R]."""

    weight: Tensor
    down: Tensor
    strengths: Tensor


Patch = Merged | Side | Columns
Patches = Mapping[str, Patch]  # by layer; a layer that is not in it draws as its base


def merged(matrices: Matrices, stack: Stack, working: MutableMapping[str, Tensor]) -> Patches:
    """Write base + LoRAs of every layer they touch.

    Args:
        matrices: The base.
        stack: Of all rows.
        working: Copies made so far; they are written over, and those that are missing are added.
    """
    patches: dict[str, Patch] = {}
    for name, matrix in matrices.items():
        pairs = {part: _joined(stack, part) for part in matrix.parts}
        if not any(pairs.values()):
            continue
        if name not in working:
            working[name] = torch.empty_like(matrix.weight)
        for part, rows in matrix.parts.items():
            base, copy = matrix.weight[rows], working[name][rows]
            if pair := pairs[part]:
                # One rounding: the product is added in the accumulator, whatever the number format.
                torch.addmm(base, pair.up, pair.down, out=copy)
            else:
                copy.copy_(base)
        patches[name] = Merged(working[name])
    return patches


def side(matrices: Matrices, stacks: Sequence[Stack]) -> Patches:
    """Lay each row's pairs beside each other, shorter ranks filled with zeros."""
    patches: dict[str, Patch] = {}
    for name, matrix in matrices.items():
        pairs = [_fused(matrix, {part: _joined(stack, part) for part in matrix.parts}) for stack in stacks]
        rank = max(len(pair.down) for pair in pairs)
        if not rank:
            continue
        out, into = matrix.weight.shape
        down, up = (matrix.weight.new_zeros(len(stacks), *shape) for shape in ((rank, into), (out, rank)))
        for row, pair in enumerate(pairs):
            down[row, : len(pair.down)] = pair.down
            up[row, :, : len(pair.down)] = pair.up
        patches[name] = Side(down, up)
    return patches


def columns(matrices: Matrices, stacks: Sequence[Stack]) -> Patches:
    """Widen each layer by the ranks of all LoRAs; a row's strengths are zero for those of other rows."""
    adapters = list(dict.fromkeys(adapter for stack in stacks for adapter, _ in stack))
    shares = [[sum(s for mine, s in stack if mine is adapter) for adapter in adapters] for stack in stacks]
    patches: dict[str, Patch] = {}
    for name, matrix in matrices.items():
        pairs = [_fused(matrix, adapter.pairs) for adapter in adapters]
        ranks = torch.tensor([len(pair.down) for pair in pairs], dtype=torch.int64)
        if not ranks.sum():
            continue
        strengths = torch.tensor(shares).repeat_interleave(ranks, dim=1).to(matrix.weight)
        patches[name] = Columns(
            torch.cat([matrix.weight, *(pair.up for pair in pairs)], dim=1),
            torch.cat([pair.down for pair in pairs]),
            strengths,
        )
    return patches


def apply(
    x: Tensor, weight: Tensor, bias: Tensor | None, patch: Side | Columns | None, owner: Tensor | None
) -> Tensor:
    """A linear layer with its patch.

    Args:
        x: [rows, tokens, in]; or [1, tokens, in] with the rows one after the other.
        weight: Of the base, [out, in].
        bias: [out].
        patch: What the LoRAs change; ``Merged`` has taken the place of ``weight`` already.
        owner: In the second form: each token's row, int [tokens]. ``Side`` cannot have it.
    """
    match patch:
        case None:
            return nn.linear(x, weight, bias)
        case Side():
            return nn.linear(x, weight, bias) + torch.bmm(torch.bmm(x, patch.down.mT), patch.up.mT)
        case Columns():
            strengths = patch.strengths[:, None] if owner is None else patch.strengths[owner][None]
            thin = nn.linear(x, patch.down) * strengths
            return nn.linear(torch.cat([x, thin], dim=-1), patch.weight, bias)


def _joined(stack: Stack, part: str) -> Pair | None:
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
