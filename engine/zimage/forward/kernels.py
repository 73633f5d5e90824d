"""The operations of ``fusions`` in Triton: each is one pass over memory in float32 and rounds once.

One program handles one token (``swiglu`` without eight bits: a chunk of a token; in int8 one token chunk by
chunk). With an 8-bit format a program also rotates and scales the token. Imported only on a machine with a
card; tests run it on the CPU in Triton's interpreter.
"""

from functools import partial
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from engine.eight_bit.formats import EightBitFormat
from engine.eight_bit.quantise import EightBitMatrix
from engine.eight_bit.rotate_kernel import LEAST_BLOCK, rotate, rounded, scale_of
from engine.zimage.forward.packing import Rows
from engine.zimage.forward.reference import EPSILON

STRETCH = 2048  # numbers that ``swiglu`` handles at once, but for fp8
WARPS = 8
_TRITON_DTYPES = {torch.float8_e4m3fn: tl.float8e4nv, torch.int8: tl.int8}


def norm(
    x: Tensor, weight: Tensor, scale: Tensor | None, rows: Rows, *, eight_bit: EightBitFormat | None = None
) -> Tensor | EightBitMatrix:
    """See ``Fusions.norm``."""
    out, scales = _empty(x, x.shape[1], eight_bit)
    modulation = weight if scale is None else scale
    _norm_kernel[(len(x),)](
        x, weight, modulation, rows.owner, out, scales, x.shape[1], modulation.stride(0),
        EPSILON=EPSILON, IS_SCALED=scale is not None, **_output(eight_bit, x.shape[1]), num_warps=WARPS,
    )  # fmt: skip
    return EightBitMatrix(out, scales, x.dtype) if eight_bit else out


def add(x: Tensor, y: Tensor, weight: Tensor, gate: Tensor | None, rows: Rows) -> Tensor:
    """See ``Fusions.add``."""
    added = torch.empty_like(x)
    gate_or_any = weight if gate is None else gate  # a kernel needs a tensor for every parameter
    _add_kernel[(len(x),)](
        x, y, weight, gate_or_any, weight, weight, rows.owner, added, added, added, x.shape[1],
        gate_or_any.stride(0), 0, EPSILON=EPSILON, IS_GATED=gate is not None, HAS_NEXT=False, IS_SCALED=False,
        **_output(None, x.shape[1]), num_warps=WARPS,
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
    eight_bit: EightBitFormat | None = None,
) -> tuple[Tensor, Tensor | EightBitMatrix]:
    """See ``Fusions.add_norm``."""
    added = torch.empty_like(x)
    out, scales = _empty(x, x.shape[1], eight_bit)
    gate_or_any = weight if gate is None else gate
    scale_or_any = weight if next_scale is None else next_scale
    _add_kernel[(len(x),)](
        x, y, weight, gate_or_any, next_weight, scale_or_any, rows.owner, added, out, scales, x.shape[1],
        gate_or_any.stride(0), scale_or_any.stride(0), EPSILON=EPSILON, IS_GATED=gate is not None,
        HAS_NEXT=True, IS_SCALED=next_scale is not None, **_output(eight_bit, x.shape[1]), num_warps=WARPS,
    )  # fmt: skip
    return added, EightBitMatrix(out, scales, x.dtype) if eight_bit else out


def apply_rope(qkv: Tensor, norms: Tensor, rotations: Tensor) -> Tensor:
    """See ``Fusions.apply_rope``; writes over ``qkv``."""
    head = norms.shape[-1]
    heads = qkv.shape[1] // (3 * head)
    _rope_kernel[(len(qkv), 2)](
        qkv, norms, rotations, heads, len(qkv) * (head // 2),
        EPSILON=EPSILON, HEAD=head, HEADS=triton.next_power_of_2(heads), num_warps=WARPS,
    )  # fmt: skip
    return qkv.view(len(qkv), 3, heads, head)


def swiglu(opened: Tensor, *, eight_bit: EightBitFormat | None = None) -> Tensor | EightBitMatrix:
    """See ``Fusions.swiglu``."""
    tokens, inner = len(opened), opened.shape[1] // 2
    out, scales = _empty(opened, inner, eight_bit)
    output = _output(eight_bit, inner)
    if eight_bit is None:
        _swiglu_kernel[(tokens, triton.cdiv(inner, STRETCH))](
            opened, out, inner, BLOCK=STRETCH, num_warps=WARPS
        )
    elif output["GROUP"] > 1:
        _swiglu_rotated_kernel[(tokens,)](
            opened, out, scales, inner, **output | {"BLOCK": min(output["BLOCK"], STRETCH)}, num_warps=WARPS
        )
    else:
        first = triton.next_power_of_2(inner) // 2
        _swiglu_scaled_kernel[(tokens,)](
            opened, out, scales, inner, FORMAT=output["FORMAT"], LARGEST=output["LARGEST"],
            FIRST=first, REST=triton.next_power_of_2(inner - first), num_warps=2 * WARPS,
        )  # fmt: skip
    return EightBitMatrix(out, scales, opened.dtype) if eight_bit else out


def pack(x: Tensor, *, eight_bit: EightBitFormat) -> EightBitMatrix:
    """See ``Fusions.pack``."""
    out, scales = _empty(x, x.shape[1], eight_bit)
    _pack_kernel[(len(x),)](x, out, scales, x.shape[1], **_output(eight_bit, x.shape[1]), num_warps=WARPS)
    return EightBitMatrix(out, scales, x.dtype)


def kernels_in(eight_bit: EightBitFormat) -> dict[str, Any]:
    """Return the operations that make a product's input in an 8-bit format, by their names in ``Fusions``."""
    made: dict[str, Any] = {"norm": norm, "add_norm": add_norm, "swiglu": swiglu, "pack": pack}
    return {name: partial(operation, eight_bit=eight_bit) for name, operation in made.items()}


def _empty(x: Tensor, width: int, eight_bit: EightBitFormat | None) -> tuple[Tensor, Tensor]:
    """Allocate a matrix product's input, and its scales in an 8-bit format."""
    out = x.new_empty(len(x), width, dtype=eight_bit.dtype if eight_bit else x.dtype)
    return out, x.new_empty(len(x), 1, dtype=torch.float32) if eight_bit else out


def _output(eight_bit: EightBitFormat | None, width: int) -> dict[str, Any]:
    """Return a kernel's constants for rows of ``width`` numbers. ``FORMAT`` is None without eight bits."""
    block = int(triton.next_power_of_2(width))
    if eight_bit is None:
        return {"FORMAT": None, "LARGEST": 1.0, "GROUP": 1, "BLOCK": block}
    group = eight_bit.group(width)
    return {
        "FORMAT": _TRITON_DTYPES[eight_bit.dtype],
        "LARGEST": eight_bit.largest,
        "GROUP": group,
        "BLOCK": block if group == 1 else max(block, LEAST_BLOCK),
    }


@triton.jit
def _store(
    out, scales, token, width, at, inside, value,
    FORMAT: tl.constexpr, LARGEST: tl.constexpr, GROUP: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    if FORMAT is None:
        value = value.to(out.dtype.element_ty)
    else:
        value = rotate(value, BLOCK, GROUP)
        scale = scale_of(tl.max(tl.abs(value), axis=0), LARGEST)
        tl.store(scales + token, scale)
        value = rounded(value / scale, FORMAT)
    tl.store(out + token * width + at, value, mask=inside)


@triton.jit
def _normed(value, weight, at, inside, width, EPSILON: tl.constexpr):
    root = tl.rsqrt(tl.sum(value * value, axis=0) / width + EPSILON)
    return value * root * tl.load(weight + at, mask=inside, other=0.0).to(tl.float32)


@triton.jit
def _norm_kernel(
    x, weight, scale, owner, out, scales, width, scale_stride,
    EPSILON: tl.constexpr, IS_SCALED: tl.constexpr, FORMAT: tl.constexpr, LARGEST: tl.constexpr,
    GROUP: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    token = tl.program_id(0).to(tl.int64)
    at = tl.arange(0, BLOCK)
    inside = at < width
    value = tl.load(x + token * width + at, mask=inside, other=0.0).to(tl.float32)
    value = _normed(value, weight, at, inside, width, EPSILON)
    if IS_SCALED:
        row = tl.load(owner + token).to(tl.int64)
        value *= 1 + tl.load(scale + row * scale_stride + at, mask=inside, other=0.0).to(tl.float32)
    _store(out, scales, token, width, at, inside, value, FORMAT, LARGEST, GROUP, BLOCK)


@triton.jit
def _add_kernel(
    x, y, weight, gate, next_weight, next_scale, owner, added, out, scales, width, gate_stride, scale_stride,
    EPSILON: tl.constexpr, IS_GATED: tl.constexpr, HAS_NEXT: tl.constexpr, IS_SCALED: tl.constexpr,
    FORMAT: tl.constexpr, LARGEST: tl.constexpr, GROUP: tl.constexpr, BLOCK: tl.constexpr,
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
        _store(out, scales, token, width, at, inside, value, FORMAT, LARGEST, GROUP, BLOCK)


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
def _opened(opened, token, inner, at, inside):
    gate = tl.load(opened + token * 2 * inner + at, mask=inside, other=0.0).to(tl.float32)
    value = tl.load(opened + token * 2 * inner + inner + at, mask=inside, other=0.0).to(tl.float32)
    return gate * tl.sigmoid(gate) * value


@triton.jit
def _swiglu_kernel(opened, out, inner, BLOCK: tl.constexpr):
    token = tl.program_id(0).to(tl.int64)
    at = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = at < inner
    value = _opened(opened, token, inner, at, inside)
    tl.store(out + token * inner + at, value.to(out.dtype.element_ty), mask=inside)


@triton.jit
def _swiglu_scaled_kernel(
    opened, out, scales, inner,
    FORMAT: tl.constexpr, LARGEST: tl.constexpr, FIRST: tl.constexpr, REST: tl.constexpr,
):  # fmt: skip
    """A whole token in two blocks, because the size of a block is a power of two.

    Z-Image's 10,240 numbers fill blocks of 8,192 and 2,048; they would leave a third of one of 16,384 empty.
    """
    token = tl.program_id(0).to(tl.int64)
    at, later = tl.arange(0, FIRST), FIRST + tl.arange(0, REST)
    is_first, is_later = at < inner, later < inner
    value = _opened(opened, token, inner, at, is_first)
    rest = _opened(opened, token, inner, later, is_later)
    largest = tl.maximum(tl.max(tl.abs(value), axis=0), tl.max(tl.abs(rest), axis=0))
    scale = scale_of(largest, LARGEST)
    tl.store(scales + token, scale)
    tl.store(out + token * inner + at, rounded(value / scale, FORMAT), mask=is_first)
    tl.store(out + token * inner + later, rounded(rest / scale, FORMAT), mask=is_later)


@triton.jit
def _swiglu_rotated_kernel(
    opened, out, scales, inner,
    FORMAT: tl.constexpr, LARGEST: tl.constexpr, GROUP: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """A whole token, twice: first to find its largest number, then to write.

    A rotated token of 10,240 numbers does not fit into a program's registers.
    """
    token = tl.program_id(0).to(tl.int64)
    largest = tl.zeros((BLOCK,), tl.float32)
    start = tl.zeros((), tl.int32)
    while start < inner:
        at = start + tl.arange(0, BLOCK)
        value = rotate(_opened(opened, token, inner, at, at < inner), BLOCK, GROUP)
        largest = tl.maximum(largest, tl.abs(value))
        start += BLOCK
    scale = scale_of(tl.max(largest, axis=0), LARGEST)
    tl.store(scales + token, scale)
    start = tl.zeros((), tl.int32)
    while start < inner:
        at = start + tl.arange(0, BLOCK)
        value = rotate(_opened(opened, token, inner, at, at < inner), BLOCK, GROUP)
        tl.store(out + token * inner + at, rounded(value / scale, FORMAT), mask=at < inner)
        start += BLOCK


@triton.jit
def _pack_kernel(
    x, out, scales, width,
    FORMAT: tl.constexpr, LARGEST: tl.constexpr, GROUP: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    token = tl.program_id(0).to(tl.int64)
    at = tl.arange(0, BLOCK)
    inside = at < width
    value = tl.load(x + token * width + at, mask=inside, other=0.0).to(tl.float32)
    _store(out, scales, token, width, at, inside, value, FORMAT, LARGEST, GROUP, BLOCK)
