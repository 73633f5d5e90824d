"""The steps of ``quantise`` for use inside Triton kernels.

A group of 256 is a square of 16 by 16 numbers: H256 mixes the columns with H16, then the rows. So a rotation
is two products with a matrix of 16 by 16, which each program makes itself. Smaller groups use block-diagonal
matrices of the same size. Imported only on a machine with a card; tests run it in Triton's interpreter.
"""

import triton
import triton.language as tl

from engine.eight_bit.formats import SCALE_FLOOR

LEAST_BLOCK = 256  # numbers that a rotation handles at once
_SCALE_FLOOR = tl.constexpr(SCALE_FLOOR)
# 1.5 · 2^23: adding it leaves a float32 no room for a fraction, so the sum is rounded, halves to even.
_ROUNDER = tl.constexpr(12_582_912.0)


@triton.jit
def _mixer(SIDE: tl.constexpr):
    """Block-diagonal Hadamard matrices of ``SIDE`` in 16 by 16.

    An entry of the regular matrix of 4 is negative where the two bits of row and column all differ. A bit
    without a partner, in 2 and 8, has Sylvester's rule: negative where it is set in both.
    """
    row = tl.arange(0, 16)[:, None]
    column = tl.arange(0, 16)[None, :]
    pairs = (row ^ column) & ((row ^ column) >> 1)
    if SIDE == 2:
        parity = row & column
    elif SIDE == 4:
        parity = pairs
    elif SIDE == 8:
        parity = pairs ^ ((row & column) >> 2)
    else:
        parity = pairs ^ (pairs >> 2)
    return tl.where(row // SIDE == column // SIDE, 1.0 - 2.0 * (parity & 1).to(tl.float32), 0.0)


@triton.jit
def rotate(value, NUMBERS: tl.constexpr, GROUP: tl.constexpr):
    """Rotate the groups of ``NUMBERS`` neighbouring float32, a multiple of 256; keeps the shape [NUMBERS]."""
    if GROUP > 1:
        value = tl.reshape(value, (NUMBERS // 16, 16))
        value = tl.dot(value, _mixer(min(GROUP, 16)), input_precision="ieee")
        if GROUP > 16:
            value = tl.permute(tl.reshape(value, (NUMBERS // 256, 16, 16)), (0, 2, 1))
            value = tl.reshape(value, (NUMBERS // 16, 16))
            value = tl.dot(value, _mixer(GROUP // 16), input_precision="ieee")
            value = tl.permute(tl.reshape(value, (NUMBERS // 256, 16, 16)), (0, 2, 1))
        value = tl.reshape(value, (NUMBERS,)) * (GROUP**-0.5)
    return value


@triton.jit
def scale_of(largest, LARGEST: tl.constexpr):
    """A row's scale from its largest absolute number."""
    return tl.maximum(largest, _SCALE_FLOOR) / LARGEST


@triton.jit
def rounded(value, FORMAT: tl.constexpr):
    """Scaled numbers in their format of eight bits."""
    if FORMAT == tl.int8:  # noqa: SIM300
        value = (value + _ROUNDER) - _ROUNDER
    return value.to(FORMAT)
