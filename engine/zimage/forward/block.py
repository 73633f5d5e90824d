"""Runs a sequence of transformer blocks. Pure functions; one tensor holds the tokens of all rows.

Shapes: ``x`` [tokens, width]; ``rotations`` float32 [2, tokens, head / 2]: cosines and sines.
"""

from collections.abc import Callable, Sequence
from typing import cast

import torch
import torch.nn.functional as nn
from torch import Tensor
from torch.nn.attention.varlen import varlen_attn

from engine.zimage.forward.fusions import Fusions
from engine.zimage.forward.packing import Rows
from engine.zimage.forward.weights import BlockModulation, BlockWeights, Modulate


def run_blocks(
    x: Tensor,
    blocks: Sequence[BlockWeights],
    rotations: Tensor,
    modulate: Modulate,
    rows: Rows,
    fusions: Fusions,
    ensure_merged: Callable[[str], None],
) -> Tensor:
    """Pass ``x`` through all blocks.

    Args:
        x: The tokens of all rows.
        blocks: At least one.
        rotations: RoPE of each token.
        modulate: Returns a block's scales and gates at this time; ``unmodulated`` for blocks without them.
        rows: The rows' positions in ``x``.
        fusions: The operations for this device.
        ensure_merged: Called with the name of each block before its weights are used.
    """
    ensure_merged(blocks[0].name)
    scale_attention, gate_attention, scale_feed, gate_feed = modulate(blocks[0])
    y = fusions.norm(x, blocks[0].norm_before_attention, scale_attention, rows)
    for block, after in zip(blocks, [*blocks[1:], None], strict=True):
        query, key, value = fusions.apply_rope(block.qkv(y, rows), block.norm_qk, rotations).unbind(1)
        attended = block.out(fusions.pack(_attend(query, key, value, rows).flatten(1)), rows)
        x, y = fusions.add_norm(
            x, attended, block.norm_after_attention, gate_attention, block.norm_before_feed, scale_feed, rows
        )
        fed = block.w2(fusions.swiglu(block.w13(y, rows)), rows)
        if after is None:
            return fusions.add(x, fed, block.norm_after_feed, gate_feed, rows)
        ensure_merged(after.name)
        gate = gate_feed
        scale_attention, gate_attention, scale_feed, gate_feed = modulate(after)
        x, y = fusions.add_norm(
            x, fed, block.norm_after_feed, gate, after.norm_before_attention, scale_attention, rows
        )
    raise ValueError("There are no blocks.")


def unmodulated(block: BlockWeights) -> BlockModulation:
    """Return no modulation, for the caption's blocks."""
    return None, None, None, None


def _attend(query: Tensor, key: Tensor, value: Tensor, rows: Rows) -> Tensor:
    """Attention within each row; all tensors are [tokens, heads, head]."""
    if rows.are_even:
        return _even(query, key, value, len(rows))
    if query.is_cuda and query.dtype is torch.bfloat16:
        longest = max(rows.lengths)
        mixed = varlen_attn(query, key, value, rows.starts, rows.starts, longest, longest)
        return cast(Tensor, mixed)
    parts = zip(rows.split(query), rows.split(key), rows.split(value), strict=True)
    return torch.cat([_even(*row, count=1) for row in parts])


def _even(query: Tensor, key: Tensor, value: Tensor, count: int) -> Tensor:
    """Attention of rows of equal length, without a mask: the fastest kernels."""
    query, key, value = (
        part.view(count, -1, *part.shape[1:]).transpose(1, 2) for part in (query, key, value)
    )
    return nn.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(0, 1)
