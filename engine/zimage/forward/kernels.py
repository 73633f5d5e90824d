"""The five functions of ``fusions`` in Triton: each one pass over memory, in float32, rounded once.

One program a token (``swiglu``: a token and a stretch of it). Imported only where there is a card. Tests run
them on the CPU in Triton's interpreter.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from engine.zimage.forward.packing import Rows
from engine.zimage.forward.plain import EPSILON

STRETCH = 2048  # numbers of one program of ``swiglu``
WARPS = 8


def norm(x: Tensor, weight: Tensor, scale: Tensor | None, rows: Rows) -> Tensor:
    """See ``Fusions.norm``."""
    out = torch.empty_like(x)
    told = weight if scale is None else scale
    _norm_kernel[(len(x),)](
        x, weight, told, rows.owner, out, x.shape[1], told.stride(0),
        EPSILON=EPSILON, IS_SCALED=scale is not None, BLOCK=_block(x), num_warps=WARPS,
    )  # fmt: skip
    return out


def add(x: Tensor, y: Tensor, weight: Tensor, gate: Tensor | None, rows: Rows) -> Tensor:
    """See ``Fusions.add``."""
    return _add(x, y, weight, gate, None, None, rows)[0]


def add_norm(
    x: Tensor,
    y: Tensor,
    weight: Tensor,
    gate: Tensor | None,
    next_weight: Tensor,
    next_scale: Tensor | None,
    rows: Rows,
) -> tuple[Tensor, Tensor]:
    """See ``Fusions.add_norm``."""
    return _add(x, y, weight, gate, next_weight, next_scale, rows)


def turn(qkv: Tensor, norms: Tensor, turns: Tensor) -> Tensor:
    """See ``Fusions.turn``; writes over ``qkv``."""
    head = norms.shape[-1]
    heads = qkv.shape[1] // (3 * head)
    _turn_kernel[(len(qkv), 2)](
        qkv, norms, turns, heads, len(qkv) * (head // 2),
        EPSILON=EPSILON, HEAD=head, HEADS=triton.next_power_of_2(heads), num_warps=WARPS,
    )  # fmt: skip
    return qkv.view(len(qkv), 3, heads, head)


def swiglu(opened: Tensor) -> Tensor:
    """See ``Fusions.swiglu``."""
    tokens, inner = len(opened), opened.shape[1] // 2
    out = opened.new_empty(tokens, inner)
    _swiglu_kernel[(tokens, triton.cdiv(inner, STRETCH))](opened, out, inner, BLOCK=STRETCH, num_warps=WARPS)
    return out


def _add(
    x: Tensor,
    y: Tensor,
    weight: Tensor,
    gate: Tensor | None,
    next_weight: Tensor | None,
    next_scale: Tensor | None,
    rows: Rows,
) -> tuple[Tensor, Tensor]:
    added = torch.empty_like(x)
    normed = added if next_weight is None else torch.empty_like(x)
    # A kernel wants a tensor in every place; what a flag leaves out is never read.
    gate_or_any = weight if gate is None else gate
    scale_or_any = weight if next_scale is None else next_scale
    _add_kernel[(len(x),)](
        x, y, weight, gate_or_any, weight if next_weight is None else next_weight, scale_or_any,
        rows.owner, added, normed, x.shape[1], gate_or_any.stride(0), scale_or_any.stride(0),
        EPSILON=EPSILON, IS_GATED=gate is not None, HAS_NEXT=next_weight is not None,
        IS_SCALED=next_scale is not None, BLOCK=_block(x), num_warps=WARPS,
    )  # fmt: skip
    return added, normed


def _block(x: Tensor) -> int:
    return int(triton.next_power_of_2(x.shape[1]))


@triton.jit
def _normed(value, weight, at, inside, width, EPSILON: tl.constexpr):
    root = tl.rsqrt(tl.sum(value * value, axis=0) / width + EPSILON)
    return value * root * tl.load(weight + at, mask=inside, other=0.0).to(tl.float32)


@triton.jit
def _norm_kernel(
    x, weight, scale, owner, out, width, scale_stride,
    EPSILON: tl.constexpr, IS_SCALED: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    token = tl.program_id(0).to(tl.int64)
    at = tl.arange(0, BLOCK)
    inside = at < width
    value = tl.load(x + token * width + at, mask=inside, other=0.0).to(tl.float32)
    value = _normed(value, weight, at, inside, width, EPSILON)
    if IS_SCALED:
        row = tl.load(owner + token).to(tl.int64)
        value *= 1 + tl.load(scale + row * scale_stride + at, mask=inside, other=0.0).to(tl.float32)
    tl.store(out + token * width + at, value, mask=inside)


@triton.jit
def _add_kernel(
    x, y, weight, gate, next_weight, next_scale, owner, added, normed, width, gate_stride, scale_stride,
    EPSILON: tl.constexpr, IS_GATED: tl.constexpr, HAS_NEXT: tl.constexpr, IS_SCALED: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    token = tl.program_id(0).to(tl.int64)
    at = tl.arange(0, BLOCK)
    inside = at < width
    row = tl.load(owner + token).to(tl.int64)
    value = tl.load(y + token * width + at, mask=inside, other=0.0).to(tl.float32)
    value = _normed(value, weight, at, inside, width, EPSILON)
    if IS_GATED:
        told = tl.load(gate + row * gate_stride + at, mask=inside, other=0.0).to(tl.float32)
        value *= 2 * tl.sigmoid(2 * told) - 1  # tanh
    value += tl.load(x + token * width + at, mask=inside, other=0.0).to(tl.float32)
    value = value.to(added.dtype.element_ty)
    tl.store(added + token * width + at, value, mask=inside)
    if HAS_NEXT:
        value = _normed(value.to(tl.float32), next_weight, at, inside, width, EPSILON)
        if IS_SCALED:
            told = tl.load(next_scale + row * scale_stride + at, mask=inside, other=0.0).to(tl.float32)
            value *= 1 + told
        tl.store(normed + token * width + at, value, mask=inside)


@triton.jit
def _turn_kernel(
    qkv, norms, turns, heads, sines, EPSILON: tl.constexpr, HEAD: tl.constexpr, HEADS: tl.constexpr
):
    token, part = tl.program_id(0).to(tl.int64), tl.program_id(1)  # part 0 is the query, 1 the key
    head, at, half = tl.arange(0, HEADS), tl.arange(0, HEAD), tl.arange(0, HEAD // 2)
    place = qkv + (token * 3 + part) * heads * HEAD + head[:, None] * HEAD + at[None, :]
    inside = (head < heads)[:, None]
    value = tl.load(place, mask=inside, other=0.0).to(tl.float32)
    value *= tl.rsqrt(tl.sum(value * value, axis=1) / HEAD + EPSILON)[:, None]
    value *= tl.load(norms + part * HEAD + at).to(tl.float32)[None, :]
    even, odd = tl.split(tl.reshape(value, (HEADS, HEAD // 2, 2)))
    cos = tl.load(turns + token * (HEAD // 2) + half)[None, :]
    sin = tl.load(turns + sines + token * (HEAD // 2) + half)[None, :]
    turned = tl.join(even * cos - odd * sin, even * sin + odd * cos)
    tl.store(place, tl.reshape(turned, (HEADS, HEAD)), mask=inside)


@triton.jit
def _swiglu_kernel(opened, out, inner, BLOCK: tl.constexpr):
    token = tl.program_id(0).to(tl.int64)
    at = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = at < inner
    gate = tl.load(opened + token * 2 * inner + at, mask=inside, other=0.0).to(tl.float32)
    value = tl.load(opened + token * 2 * inner + inner + at, mask=inside, other=0.0).to(tl.float32)
    tl.store(out + token * inner + at, gate * tl.sigmoid(gate) * value, mask=inside)
