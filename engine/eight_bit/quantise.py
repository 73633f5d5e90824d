"""Rotates, scales and rounds matrices to eight bits in torch; the kernels are tested against this.

The rotation is a normalised Hadamard matrix H of each group of a row. It is its own inverse, so a product of
two rotated matrices is the product of the originals: (x · H) · (W · H)ᵀ = x · Wᵀ. H of 256 is ConvRot's: all
its rows have the same sum, so channels of one sign do not add up in one place, as in Sylvester's matrix.
"""

from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from engine.eight_bit.formats import SCALE_FLOOR, EightBitFormat, format_of


class EightBitMatrix(NamedTuple):
    """A scaled matrix: ``values`` [rows, width] in eight bits times ``scales`` float32 [rows, 1].

    Attributes:
        dtype: The number format of a product with it.
    """

    values: Tensor
    scales: Tensor
    dtype: torch.dtype


def quantise(x: Tensor, eight_bit: EightBitFormat) -> EightBitMatrix:
    """Rotate rows, and round them with one scale each, in float32.

    Args:
        x: [rows, width].
        eight_bit: The format.
    """
    rotated = rotate(x.float(), eight_bit.group(x.shape[-1]))
    scales = rotated.abs().amax(-1, keepdim=True).clamp_min(SCALE_FLOOR) / eight_bit.largest
    scaled = rotated / scales
    if not eight_bit.dtype.is_floating_point:
        scaled = scaled.round()
    return EightBitMatrix(scaled.to(eight_bit.dtype), scales, x.dtype)


def dequantise(values: Tensor, scales: Tensor) -> Tensor:
    """Return the numbers as they were before, in float32."""
    eight_bit = format_of(values.dtype)
    assert eight_bit is not None  # noqa: S101 - only called with what ``quantise`` or a kernel wrote
    return rotate(values.float() * scales, eight_bit.group(values.shape[-1]))


def rotate(x: Tensor, group: int) -> Tensor:
    """Rotate each group of each row; a second rotation undoes it.

    Args:
        x: [rows, width], floating point.
        group: A power of two that divides the width.
    """
    if group == 1:
        return x
    return (x.reshape(-1, group) @ hadamard(group, x.device, x.dtype)).view(x.shape)


@cache  # a CUDA graph cannot record the copy to a card, and each copy would wait for the card
def hadamard(group: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Return the matrix of a group: products of the regular matrix of 4, and of 2 if it is no 4ⁿ."""
    regular = torch.ones(4, 4) - 2 * torch.eye(4).flip(0)
    matrix = torch.ones(1, 1)
    while 4 * len(matrix) <= group:
        matrix = torch.kron(regular, matrix)
    if len(matrix) < group:
        matrix = torch.kron(torch.tensor([[1.0, 1.0], [1.0, -1.0]]), matrix)
    return (matrix * float(group**-0.5)).to(device, dtype)
