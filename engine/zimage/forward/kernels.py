"""The operations of ``fusions`` in Triton: each is one pass over memory in float32 and rounds once.

One program handles one token (``swiglu``: a chunk of a token). Imported only on a machine with a card; tests
run it on the CPU in Triton's interpreter.
"""

from functools import partial
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from engine.zimage.forward.fp8 import FP8_MAX, Fp8Matrix
from engine.zimage.forward.packing import Rows
from engine.zimage.forward.reference import EPSILON

STRETCH = 2048  # numbers per program of ``swiglu``
WARPS = 8


def norm(
    x: Tensor, weight: Tensor, scale: Tensor | None, rows: Rows, *, is_fp8: bool = False
) -> Tensor | Fp8Matrix:
    """See ``Fusions.norm``."""
    out, scales = _empty(x, x.shape[1], is_fp8)
    modulation = weight if scale is None else scale
    _norm_kernel[(len(x),)](
        x, weight, modulation, rows.owner, out, scales, x.shape[1], modulation.stride(0),
        EPSILON=EPSILON, IS_SCALED=scale is not None, FP8_MAX=FP8_MAX, IS_FP8=is_fp8, BLOCK=_block(x),
        num_warps=WARPS,
    )  # fmt: skip
    return Fp8Matrix(out, scales) if is_fp8 else out


def add(x: Tensor, y: Tensor, weight: Tensor, gate: Tensor | None, rows: Rows) -> Tensor:
    """See ``Fusions.add``."""
    added = torch.empty_like(x)
    gate_or_any = weight if gate is None else gate  # a kernel needs a tensor for every parameter
    _add_kernel[(len(x),)](
        x, y, weight, gate_or_any, weight, weight, rows.owner, added, added, added, x.shape[1],
        gate_or_any.stride(0), 0, EPSILON=EPSILON, IS_GATED=gate is not None, HAS_NEXT=False, IS_SCALED=False,
        FP8_MAX=FP8_MAX, IS_FP8=False, BLOCK=_block(x), num_warps=WARPS,
    )  # fmt: skip
    return added


def add_norm(
    x: Tensor,
    y: Tensor,
    weight: Tensor,
    gate: Tensor | None,
    next_weight: Tensor,
    next_scale: Tensor | None,
    rows: Rows,
    *,
    is_fp8: bool = False,
) -> tuple[Tensor, Tensor | Fp8Matrix]:
    """See ``Fusions.add_norm``."""
    added = torch.empty_like(x)
    out, scales = _empty(x, x.shape[1], is_fp8)
    gate_or_any = weight if gate is None else gate
    scale_or_any = weight if next_scale is None else next_scale
    _add_kernel[(len(x),)](
        x, y, weight, gate_or_any, next_weight, scale_or_any, rows.owner, added, out, scales, x.shape[1],
        gate_or_any.stride(0), scale_or_any.stride(0), EPSILON=EPSILON, IS_GATED=gate is not None,
        HAS_NEXT=True, IS_SCALED=next_scale is not None, FP8_MAX=FP8_MAX, IS_FP8=is_fp8, BLOCK=_block(x),
        num_warps=WARPS,
    )  # fmt: skip
    return added, Fp8Matrix(out, scales) if is_fp8 else out


def apply_rope(qkv: Tensor, norms: Tensor, rotations: Tensor) -> Tensor:
    """See ``Fusions.apply_rope``; writes over ``qkv``."""
    head = norms.shape[-1]
    heads = qkv.shape[1] // (3 * head)
    _rope_kernel[(len(qkv), 2)](
        qkv, norms, rotations, heads, len(qkv) * (head // 2),
        EPSILON=EPSILON, HEAD=head, HEADS=triton.next_power_of_2(heads), num_warps=WARPS,
    )  # fmt: skip
    return qkv.view(len(qkv), 3, heads, head)


def swiglu(opened: Tensor, *, is_fp8: bool = False) -> Tensor | Fp8Matrix:
    """See ``Fusions.swiglu``."""
    tokens, inner = len(opened), opened.shape[1] // 2
    out, scales = _empty(opened, inner, is_fp8)
    block = int(triton.next_power_of_2(inner)) if is_fp8 else STRETCH
    _swiglu_kernel[(tokens, triton.cdiv(inner, block))](
        opened, out, scales, inner, FP8_MAX=FP8_MAX, IS_FP8=is_fp8, BLOCK=block, num_warps=WARPS
    )
    return Fp8Matrix(out, scales) if is_fp8 else out


def pack(x: Tensor) -> Fp8Matrix:
    """See ``Fusions.pack``."""
    out, scales = _empty(x, x.shape[1], is_fp8=True)
    _pack_kernel[(len(x),)](x, out, scales, x.shape[1], FP8_MAX=FP8_MAX, BLOCK=_block(x), num_warps=WARPS)
    return Fp8Matrix(out, scales)


FP8_KERNELS: dict[str, Any] = {
    "norm": partial(norm, is_fp8=True),
    "add_norm": partial(add_norm, is_fp8=True),
    "swiglu": partial(swiglu, is_fp8=True),
    "pack": pack,
}


def _empty(x: Tensor, width: int, is_fp8: bool) -> tuple[Tensor, Tensor]:
    """Allocate a matrix product's input, and its scales for fp8."""
    out = x.new_empty(len(x), width, dtype=torch.float8_e4m3fn if is_fp8 else x.dtype)
    return out, x.new_empty(len(x), 1, dtype=torch.float32) if is_fp8 else out


def _block(x: Tensor) -> int:
    return int(triton.next_power_of_2(x.shape[1]))


@triton.jit
def _store(out, scales, token, width, at, inside, value, FP8_MAX: tl.constexpr, IS_FP8: tl.constexpr):
    if IS_FP8:
        scale = tl.maximum(tl.max(tl.abs(value), axis=0), 1e-12) / FP8_MAX
        tl.store(scales + token, scale)
        value = value / scale
    tl.store(out + token * width + at, value.to(out.dtype.element_ty), mask=inside)


@triton.jit
def _normed(value, weight, at, inside, width, EPSILON: tl.constexpr):
    root = tl.rsqrt(tl.sum(value * value, axis=0) / width + EPSILON)
    return value * root * tl.load(weight + at, mask=inside, other=0.0).to(tl.float32)


@triton.jit
def _norm_kernel(
    x, weight, scale, owner, out, scales, width, scale_stride,
    EPSILON: tl.constexpr, IS_SCALED: tl.constexpr, FP8_MAX: tl.constexpr, IS_FP8: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    token = tl.program_id(0).to(tl.int64)
    at = tl.arange(0, BLOCK)
    inside = at < width
    value = tl.load(x + token * width + at, mask=inside, other=0.0).to(tl.float32)
    value = _normed(value, weight, at, inside, width, EPSILON)
    if IS_SCALED:
        row = tl.load(owner + token).to(tl.int64)
        value *= 1 + tl.load(scale + row * scale_stride + at, mask=inside, other=0.0).to(tl.float32)
    _store(out, scales, token, width, at, inside, value, FP8_MAX, IS_FP8)


@triton.jit
def _add_kernel(
    x, y, weight, gate, next_weight, next_scale, owner, added, out, scales, width, gate_stride, scale_stride,
    EPSILON: tl.constexpr, IS_GATED: tl.constexpr, HAS_NEXT: tl.constexpr, IS_SCALED: tl.constexpr,
    FP8_MAX: tl.constexpr, IS_FP8: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    token = tl.program_id(0).to(tl.int64)
    at = tl.arange(0, BLOCK)
    inside = at < width
    row = tl.load(owner + token).to(tl.int64)
    value = tl.load(y + token * width + at, mask=inside, other=0.0).to(tl.float32)
    value = _normed(value, weight, at, inside, width, EPSILON)
    if IS_GATED:
        modulation = tl.load(gate + row * gate_stride + at, mask=inside, other=0.0).to(tl.float32)
        value *= 2 * tl.sigmoid(2 * modulation) - 1  # tanh
    value += tl.load(x + token * width + at, mask=inside, other=0.0).to(tl.float32)
    value = value.to(added.dtype.element_ty)
    tl.store(added + token * width + at, value, mask=inside)
    if HAS_NEXT:
        value = _normed(value.to(tl.float32), next_weight, at, inside, width, EPSILON)
        if IS_SCALED:
            modulation = tl.load(next_scale + row * scale_stride + at, mask=inside, other=0.0).to(tl.float32)
            value *= 1 + modulation
        _store(out, scales, token, width, at, inside, value, FP8_MAX, IS_FP8)


@triton.jit
def _rope_kernel(
    qkv, norms, rotations, heads, sines, EPSILON: tl.constexpr, HEAD: tl.constexpr, HEADS: tl.constexpr
):
    token, part = tl.program_id(0).to(tl.int64), tl.program_id(1)  # part 0 is the query, 1 the key
    head, at, half = tl.arange(0, HEADS), tl.arange(0, HEAD), tl.arange(0, HEAD // 2)
    pointer = qkv + (token * 3 + part) * heads * HEAD + head[:, None] * HEAD + at[None, :]
    inside = (head < heads)[:, None]
    value = tl.load(pointer, mask=inside, other=0.0).to(tl.float32)
    value *= tl.rsqrt(tl.sum(value * value, axis=1) / HEAD + EPSILON)[:, None]
    value *= tl.load(norms + part * HEAD + at).to(tl.float32)[None, :]
    even, odd = tl.split(tl.reshape(value, (HEADS, HEAD // 2, 2)))
    cos = tl.load(rotations + token * (HEAD // 2) + half)[None, :]
    sin = tl.load(rotations + sines + token * (HEAD // 2) + half)[None, :]
    rotated = tl.join(even * cos - odd * sin, even * sin + odd * cos)
    tl.store(pointer, tl.reshape(rotated, (HEADS, HEAD)), mask=inside)


@triton.jit
def _swiglu_kernel(
    opened, out, scales, inner, FP8_MAX: tl.constexpr, IS_FP8: tl.constexpr, BLOCK: tl.constexpr
):
    token = tl.program_id(0).to(tl.int64)
    at = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = at < inner
    gate = tl.load(opened + token * 2 * inner + at, mask=inside, other=0.0).to(tl.float32)
    value = tl.load(opened + token * 2 * inner + inner + at, mask=inside, other=0.0).to(tl.float32)
    _store(out, scales, token, inner, at, inside, gate * tl.sigmoid(gate) * value, FP8_MAX, IS_FP8)


@triton.jit
def _pack_kernel(x, out, scales, width, FP8_MAX: tl.constexpr, BLOCK: tl.constexpr):
    token = tl.program_id(0).to(tl.int64)
    at = tl.arange(0, BLOCK)
    inside = at < width
    value = tl.load(x + token * width + at, mask=inside, other=0.0).to(tl.float32)
    _store(out, scales, token, width, at, inside, value, FP8_MAX, True)
