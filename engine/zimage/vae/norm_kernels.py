"""The VAE's group norms, sums and enlargements in Triton, for channels-last pictures.

A group norm with silu reads its input twice and writes it once: ``_sums`` sums chunks of pixels, ``_lines``
computes a scale and a shift for each channel, ``_apply`` applies them. All sums have a fixed order, so the
result is bit-identical each time. Imported only on a machine with a card; tests run it on the CPU in Triton's
interpreter.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

PIXELS = 256  # per program of ``_sums``
TILE = 4096  # numbers per program of ``_apply`` and ``_residual``
ENLARGED = 32  # pixels per program of ``_enlarge``
CHANNELS = 128  # per program of ``_sums`` and ``_enlarge``
CHUNKS = 256  # sums per iteration of ``_lines``
WARPS = 8
# Triton would compile another kernel for multiples of 16, and a picture of a new size would wait for it.
_UNSPECIALISED = "pixels", "width", "chunks", "count"


def norm_silu(
    x: Tensor, bias: Tensor | None, weight: Tensor, shift: Tensor, groups: int, epsilon: float
) -> Tensor:
    """Silu of the group norm of ``x + bias``.

    Args:
        x: [pixels, channels].
        bias: [channels], of the preceding convolution, or None.
        weight: [channels], the norm's weight.
        shift: [channels], added after the scale.
        groups: Number of channel groups.
        epsilon: Added to the variance.
    """
    pixels, channels = x.shape
    chunks = triton.cdiv(pixels, PIXELS)
    sums = torch.empty(2, chunks, channels, dtype=torch.float32, device=x.device)
    lines = torch.empty(2, channels, dtype=torch.float32, device=x.device)
    out = torch.empty_like(x)
    bias_or_any, has_bias = (weight, False) if bias is None else (bias, True)
    _sums[(chunks, triton.cdiv(channels, CHANNELS))](
        x, bias_or_any, sums, pixels, channels, chunks,
        HAS_BIAS=has_bias, PIXELS=PIXELS, CHANNELS=CHANNELS, num_warps=WARPS,
    )  # fmt: skip
    each = channels // groups
    _lines[(groups,)](
        sums, bias_or_any, weight, shift, lines, chunks, channels, each, pixels * each, epsilon,
        HAS_BIAS=has_bias, CHUNKS=CHUNKS,
        CHANNELS=triton.next_power_of_2(each),
    )  # fmt: skip
    _apply[(triton.cdiv(x.numel(), TILE),)](x, lines, out, x.numel(), channels, TILE=TILE, num_warps=WARPS)
    return out


def residual(x: Tensor, y: Tensor, bias: Tensor) -> Tensor:
    """``x + y + bias``; ``x`` and ``y`` [pixels, channels], ``bias`` [channels]."""
    out = torch.empty_like(x)
    _residual[(triton.cdiv(x.numel(), TILE),)](
        x, y, bias, out, x.numel(), x.shape[1], TILE=TILE, num_warps=WARPS
    )
    return out


def enlarge(x: Tensor, width: int) -> Tensor:
    """Repeat each pixel in two rows and two columns: [pixels, channels] → [4 · pixels, channels].

    torch's own takes eight times as long (H200).

    Args:
        x: The pixels, row by row.
        width: Pixels of a row.
    """
    pixels, channels = x.shape
    out = x.new_empty(4 * pixels, channels)
    grid = triton.cdiv(pixels, ENLARGED), triton.cdiv(channels, CHANNELS)
    _enlarge[grid](x, out, pixels, width, channels, PIXELS=ENLARGED, CHANNELS=CHANNELS)
    return out


@triton.jit(do_not_specialize=_UNSPECIALISED)
def _sums(
    x, bias, sums, pixels, channels, chunks,
    HAS_BIAS: tl.constexpr, PIXELS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    chunk = tl.program_id(0)
    pixel = chunk * PIXELS + tl.arange(0, PIXELS)
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    is_channel = channel < channels
    inside = (pixel < pixels)[:, None] & is_channel[None, :]
    value = tl.load(x + pixel.to(tl.int64)[:, None] * channels + channel[None, :], inside, other=0.0)
    value = value.to(tl.float32)
    if HAS_BIAS:
        added = tl.load(bias + channel, is_channel, other=0.0).to(tl.float32)
        value = tl.where(inside, value + added[None, :], 0.0)
    pointer = sums + chunk * channels + channel
    tl.store(pointer, tl.sum(value, axis=0), is_channel)
    tl.store(pointer + chunks * channels, tl.sum(value * value, axis=0), is_channel)


@triton.jit(do_not_specialize=_UNSPECIALISED)
def _lines(
    sums, bias, weight, shift, lines, chunks, channels, each, count, epsilon,
    HAS_BIAS: tl.constexpr, CHUNKS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    own = tl.arange(0, CHANNELS)
    is_own = own < each
    channel = tl.program_id(0) * each + own
    total = tl.zeros((CHUNKS, CHANNELS), tl.float32)
    squares = tl.zeros((CHUNKS, CHANNELS), tl.float32)
    start = 0
    while start < chunks:
        chunk = start + tl.arange(0, CHUNKS)
        inside = (chunk < chunks)[:, None] & is_own[None, :]
        pointer = sums + chunk[:, None] * channels + channel[None, :]
        total += tl.load(pointer, inside, other=0.0)
        squares += tl.load(pointer + chunks * channels, inside, other=0.0)
        start += CHUNKS
    mean = tl.sum(tl.sum(total, axis=0), axis=0) / count
    variance = tl.sum(tl.sum(squares, axis=0), axis=0) / count - mean * mean
    scale = tl.load(weight + channel, is_own, other=0.0).to(tl.float32) * tl.rsqrt(variance + epsilon)
    line = tl.load(shift + channel, is_own, other=0.0).to(tl.float32) - mean * scale
    if HAS_BIAS:
        line += tl.load(bias + channel, is_own, other=0.0).to(tl.float32) * scale
    tl.store(lines + channel, scale, is_own)
    tl.store(lines + channels + channel, line, is_own)


@triton.jit
def _apply(x, lines, out, count, channels, TILE: tl.constexpr):
    at = tl.program_id(0).to(tl.int64) * TILE + tl.arange(0, TILE)
    inside = at < count
    channel = at % channels
    value = tl.load(x + at, inside, other=0.0).to(tl.float32)
    value = value * tl.load(lines + channel, inside) + tl.load(lines + channels + channel, inside)
    tl.store(out + at, value * tl.sigmoid(value), inside)


@triton.jit
def _residual(x, y, bias, out, count, channels, TILE: tl.constexpr):
    at = tl.program_id(0).to(tl.int64) * TILE + tl.arange(0, TILE)
    inside = at < count
    value = tl.load(x + at, inside, other=0.0).to(tl.float32) + tl.load(y + at, inside, other=0.0).to(
        tl.float32
    )
    value += tl.load(bias + at % channels, inside, other=0.0).to(tl.float32)
    tl.store(out + at, value, inside)


@triton.jit(do_not_specialize=_UNSPECIALISED)
def _enlarge(x, out, pixels, width, channels, PIXELS: tl.constexpr, CHANNELS: tl.constexpr):
    pixel = tl.program_id(0).to(tl.int64) * PIXELS + tl.arange(0, PIXELS)
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)[None, :]
    inside = (pixel < pixels)[:, None] & (channel < channels)
    value = tl.load(x + pixel[:, None] * channels + channel, inside, other=0.0)
    first = pixel // width * 4 * width + pixel % width * 2
    for down in tl.static_range(2):
        for right in tl.static_range(2):
            place = first + down * 2 * width + right
            tl.store(out + place[:, None] * channels + channel, value, inside)
