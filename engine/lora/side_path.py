"""LoRAs beside the base weights: a stack per row, and no copy of any weight.

All pairs of a row are one pair of thin products. What is more than a pair is multiplied as it is: a Kronecker
product with the input in another shape, a dense difference as a product of its own, and a DoRA with the row's
output of the base weight.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from engine.lora.adapter import Adapter, LoraStack, base_gain
from engine.lora.patches import Matrices, Matrix, Patch, Patches, RowChange, SidePatch, SideTerm
from engine.lora.updates import Dense, Kronecker, LowRank


class _ScaledPair(NamedTuple):
    """A pair of one LoRA with what its ``up`` is multiplied by: a strength, and factors [out, 1] or None."""

    pair: LowRank
    strength: float
    factors: Tensor | None


def side_patches(matrices: Matrices, stacks: Sequence[LoraStack]) -> Patches:
    """Return side patches: the pairs of all rows, padded with zeros to the largest rank, and the rest."""
    patches: dict[str, Patch] = {}
    like = next((adapter.block for stack in stacks for adapter, _ in stack), torch.empty(0))
    has_changes = any(adapter.changes for stack in stacks for adapter, _ in stack)
    for name, matrix in matrices.items():
        pairs = [
            _fused(matrix, {part: concatenate_pairs(stack, part) for part in matrix.parts}, like)
            for stack in stacks
        ]
        rank = max(len(pair.down) for pair in pairs)
        changes = tuple(_row_change(matrix, stack) for stack in stacks) if has_changes else ()
        is_changed = any(change.gain is not None or change.terms for change in changes)
        if not rank and not is_changed:
            continue
        out, into = matrix.weight.shape
        down, up = (like.new_zeros(len(stacks), *shape) for shape in ((rank, into), (out, rank)))
        for row, pair in enumerate(pairs):
            down[row, : len(pair.down)] = pair.down
            up[row, :, : len(pair.down)] = pair.up
        patches[name] = SidePatch(down, up, changes if is_changed else ())
    return Patches(patches)


def concatenate_pairs(stack: LoraStack, part: str) -> LowRank | None:
    """Concatenate a stack's pairs of one part, multiplied by their strengths; None if there are none."""
    pairs = [pair for entry in stack for pair in _pairs_of(*entry, part)]
    if not pairs:
        return None
    return LowRank(
        torch.cat([each.pair.down for each in pairs]), torch.cat([_scaled_up(each) for each in pairs], dim=1)
    )


def scale_row(change: RowChange, out: Tensor) -> None:
    """Multiply a row's output of the base weight [tokens, out], without the bias, by its DoRAs' factors."""
    if change.gain is not None:
        out.mul_(change.gain)


def add_terms(change: RowChange, x: Tensor, out: Tensor) -> None:
    """Add the products of a row that are no pairs.

    Args:
        change: Of the row.
        x: [tokens, in].
        out: [tokens, out]; overwritten.
    """
    for rows, term, strength, factors in change.terms:
        product = x @ term.delta.mT if isinstance(term, Dense) else multiply_kronecker(x, term)
        if factors is None:
            out[:, rows].add_(product, alpha=strength)
        else:
            out[:, rows].add_(product * factors, alpha=strength)


def multiply_kronecker(x: Tensor, term: Kronecker) -> Tensor:
    """Return ``x @ (left ⊗ right)ᵀ`` from the two factors: [tokens, in] → [tokens, out]."""
    (a, b), (c, d) = term.left.shape, term.right.shape
    x = x.view(len(x), b, d)
    if b * c * (d + a) <= a * d * (b + c):  # multiplications of either order
        product = term.left @ (x @ term.right.mT)
    else:
        product = (term.left @ x) @ term.right.mT
    return product.flatten(1)[:, term.rows]


def _pairs_of(adapter: Adapter, strength: float, part: str) -> list[_ScaledPair]:
    """Return the pair that an adapter has for a part, alone or beside other changes."""
    if pair := adapter.pairs.get(part):
        return [_ScaledPair(pair, strength, None)]
    if (change := adapter.changes.get(part)) is None:
        return []
    factors = None if change.factors is None else change.factors[:, None]
    return [_ScaledPair(term, strength, factors) for term in change.terms if isinstance(term, LowRank)]


def _scaled_up(scaled: _ScaledPair) -> Tensor:
    up = scaled.pair.up
    own = up.float() * scaled.strength
    return (own if scaled.factors is None else own * scaled.factors).to(up.dtype)


def _row_change(matrix: Matrix, stack: LoraStack) -> RowChange:
    """Return what a stack changes in a layer beside pairs."""
    weight, gain = matrix.weight, None
    terms: list[SideTerm] = []
    for part, rows in matrix.parts.items():
        if (own := base_gain(stack, part)) is not None:
            gain = torch.ones(len(weight), device=own.device) if gain is None else gain
            gain[rows] = own
        for adapter, strength in stack:
            if change := adapter.changes.get(part):
                terms += [
                    SideTerm(rows, term, strength, change.factors)
                    for term in change.terms
                    if not isinstance(term, LowRank)
                ]
    return RowChange(gain, tuple(terms))


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
