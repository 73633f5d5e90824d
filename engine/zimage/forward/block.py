"""One transformer block: the part that a compiler fuses. Pure functions of tensors, no loop over rows.

Shapes: ``x`` is [rows, tokens, width], or [1, all tokens, width] with ``spans``; ``turns`` float32 [2, rows
or 1, tokens, 1, head].
"""

from typing import cast

import torch
import torch.nn.functional as nn
from torch import Tensor
from torch.nn.attention.varlen import varlen_attn

from engine.zimage.forward.packing import Spans
from engine.zimage.forward.weights import EPSILON, Block


def run_block(x: Tensor, block: Block, turns: Tensor, time: Tensor | None, spans: Spans | None) -> Tensor:
    """Let ``x`` through a block; ``time`` [rows, 1, 256], None where the block does not see it."""
    owner = spans.owner if spans else None
    attention_in = _norm(x, block.norm_before_attention)
    if block.modulation is None or time is None:
        x = x + _norm(_attend(attention_in, block, turns, spans), block.norm_after_attention)
        return x + _norm(_feed(_norm(x, block.norm_before_feed), block, owner), block.norm_after_feed)
    told = block.modulation(time)
    if owner is not None:
        told = told[:, 0][owner][None]
    scale_attention, gate_attention, scale_feed, gate_feed = told.chunk(4, dim=-1)
    attended = _attend(attention_in * (1 + scale_attention), block, turns, spans)
    x = x + gate_attention.tanh() * _norm(attended, block.norm_after_attention)
    fed = _feed(_norm(x, block.norm_before_feed) * (1 + scale_feed), block, owner)
    return x + gate_feed.tanh() * _norm(fed, block.norm_after_feed)


def _norm(x: Tensor, weight: Tensor) -> Tensor:
    return nn.rms_norm(x, weight.shape, weight, EPSILON)


def _feed(x: Tensor, block: Block, owner: Tensor | None) -> Tensor:
    gate, value = block.w13(x, owner).chunk(2, dim=-1)
    return block.w2(nn.silu(gate) * value, owner)


def _attend(x: Tensor, block: Block, turns: Tensor, spans: Spans | None) -> Tensor:
    owner = spans.owner if spans else None
    head = block.norm_qk.shape[-1]
    qkv = block.qkv(x, owner).view(*x.shape[:2], 3, -1, head)  # [rows, tokens, 3, heads, head]
    query_key, value = qkv[:, :, :2], qkv[:, :, 2]
    query_key = nn.rms_norm(query_key, (head,), eps=EPSILON) * block.norm_qk
    query, key = _rotate(query_key, turns).unbind(2)
    mixed = _even(query, key, value) if spans is None else _uneven(query[0], key[0], value[0], spans)[None]
    return block.out(mixed.flatten(-2), owner)


def _rotate(x: Tensor, turns: Tensor) -> Tensor:
    """RoPE of query and key together, in float32."""
    cos, sin = turns[0, :, :, None], turns[1, :, :, None]
    swapped = x.view(*x.shape[:-1], -1, 2).flip(-1).flatten(-2)
    return torch.addcmul(x * cos, swapped.float(), sin).to(x.dtype)


def _even(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attention of rows of one length, all [rows, tokens, heads, head]: no mask, so the fastest kernels."""
    query, key, value = (part.transpose(1, 2) for part in (query, key, value))
    return nn.scaled_dot_product_attention(query, key, value).transpose(1, 2)


def _uneven(query: Tensor, key: Tensor, value: Tensor, spans: Spans) -> Tensor:
    """Attention of rows of several lengths, all [tokens, heads, head]; each row sees itself alone."""
    if query.is_cuda and query.dtype is torch.bfloat16:
        ends, longest = spans.starts, spans.longest
        return cast(Tensor, varlen_attn(query, key, value, ends, ends, longest, longest))
    rows = zip(
        *(torch.split(part, spans.starts.diff().tolist()) for part in (query, key, value)), strict=True
    )
    return torch.cat([_even(*(part[None] for part in row))[0] for row in rows])
