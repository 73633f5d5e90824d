"""The int8 product in Triton: sums of whole numbers, scaled and rounded once as they leave the registers.

``torch._int_mm`` writes the sums, four bytes each, and a second kernel reads them again. Sums of whole
numbers are exact, so all tiles and ``torch._int_mm`` give the same bits, and each card may use its fastest.
"""

from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

BAND = tl.constexpr(8)  # tiles of tokens that share their weights in the card's cache
STRETCH = 1024  # sums per program of ``scale_sums``


class Tile(NamedTuple):
    """What one program computes, and how."""

    tokens: int
    rows: int
    width: int
    warps: int
    stages: int


# Shared memory: stages · (tokens + rows) · width bytes: 144, 96, 64 and 48 KiB. An H200 has 227 KiB, an A100
# 163, GeForce 99, Turing 64.
TILES = (
    Tile(128, 256, 128, 8, 3),
    Tile(128, 128, 128, 8, 3),
    Tile(128, 128, 64, 4, 4),
    Tile(64, 128, 64, 4, 4),
)


def multiply(x: Tensor, x_scales: Tensor, weight: Tensor, scales: Tensor, out: Tensor, tile: Tile) -> None:
    """Multiply as a linear layer does.

    Args:
        x: int8 [tokens, width], of any width.
        x_scales: float32 [tokens, 1].
        weight: int8 [rows, width].
        scales: float32 [rows, 1].
        out: [tokens, rows] in any floating-point format; overwritten.
        tile: One of ``TILES``.
    """
    (tokens, width), rows = x.shape, len(weight)
    tiles = triton.cdiv(tokens, tile.tokens) * triton.cdiv(rows, tile.rows)
    _product_kernel[(tiles,)](
        x, x_scales, weight, scales, out, tokens, rows,
        WIDTH=width, TOKENS=tile.tokens, ROWS=tile.rows, STEP=tile.width,
        num_warps=tile.warps, num_stages=tile.stages,
    )  # fmt: skip


def scale_sums(sums: Tensor, x_scales: Tensor, scales: Tensor, out: Tensor) -> None:
    """Scale and round the sums of ``torch._int_mm``: int32 [tokens, rows] → ``out``."""
    tokens, rows = sums.shape
    _scale_kernel[(tokens, triton.cdiv(rows, STRETCH))](
        sums, x_scales, scales, out, rows, BLOCK=STRETCH, num_warps=4
    )


@triton.jit(do_not_specialize=("tokens",))
def _product_kernel(
    x, x_scales, weight, scales, out, tokens, rows,
    WIDTH: tl.constexpr, TOKENS: tl.constexpr, ROWS: tl.constexpr, STEP: tl.constexpr,
):  # fmt: skip
    program = tl.program_id(0)
    down, across = tl.cdiv(tokens, TOKENS), tl.cdiv(rows, ROWS)
    first = program // (BAND * across) * BAND
    band = tl.minimum(down - first, BAND)
    within = program % (BAND * across)
    token = (first + within % band) * TOKENS + tl.arange(0, TOKENS)
    row = within // band * ROWS + tl.arange(0, ROWS)
    column = tl.arange(0, STEP)
    # Rows beyond the end read the first ones again, so the loop needs no mask for them.
    left = x + (token % tokens).to(tl.int64)[:, None] * WIDTH + column[None, :]
    right = weight + (row % rows).to(tl.int64)[None, :] * WIDTH + column[:, None]
    total = tl.zeros((TOKENS, ROWS), tl.int32)
    for start in range(0, WIDTH, STEP):
        if WIDTH % STEP == 0:
            one, other = tl.load(left), tl.load(right)
        else:
            inside = column < WIDTH - start
            one = tl.load(left, mask=inside[None, :], other=0)
            other = tl.load(right, mask=inside[:, None], other=0)
        total = tl.dot(one, other, total, out_dtype=tl.int32)
        left += STEP
        right += STEP
    has_token, has_row = token < tokens, row < rows
    result = total.to(tl.float32) * tl.load(x_scales + token, mask=has_token, other=0.0)[:, None]
    result *= tl.load(scales + row, mask=has_row, other=0.0)[None, :]
    at = token.to(tl.int64)[:, None] * rows + row[None, :]
    tl.store(out + at, result.to(out.dtype.element_ty), mask=has_token[:, None] & has_row[None, :])


@triton.jit
def _scale_kernel(sums, x_scales, scales, out, rows, BLOCK: tl.constexpr):
    token = tl.program_id(0).to(tl.int64)
    row = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = row < rows
    result = tl.load(sums + token * rows + row, mask=inside, other=0).to(tl.float32)
    result *= tl.load(x_scales + token)
    result *= tl.load(scales + row, mask=inside, other=0.0)
    tl.store(out + token * rows + row, result.to(out.dtype.element_ty), mask=inside)


def is_exact(tile: Tile | None, device: torch.device) -> bool:
    """Compare a tile's product, or for None that of ``scale_sums``, with exact arithmetic on a few rows."""
    generator = torch.Generator().manual_seed(0)
    x, weight = (
        torch.randint(-127, 128, (count, 160), generator=generator, dtype=torch.int8).to(device)
        for count in (40, 72)
    )
    x_scales, scales = (torch.rand(count, 1, generator=generator).to(device) for count in (40, 72))
    sums = (x.double() @ weight.double().T).int()
    out = torch.empty(40, 72, device=device)
    if tile is None:
        scale_sums(sums, x_scales, scales, out)
    else:
        multiply(x, x_scales, weight, scales, out, tile)
    return torch.equal(out, sums.float() * x_scales * scales.T)
