"""The text encoder's matrices in eight bits: int8 with a scale for each row, multiplied in the usual format.

Only weights are rounded, not what is multiplied with them, so the embedding of a prompt changes by about
twice as much as bfloat16 changes it, and every card can do it. Both factors are rotated first, which spreads
single large weights over their row. An int8 is exact in bfloat16: the product is computed with the integers,
and its columns are scaled.
"""

import torch
import torch.nn.functional as nn
from torch import Tensor

from engine.eight_bit.formats import INT8
from engine.eight_bit.quantise import EightBitMatrix, quantise, rotate

ROWS_AT_ONCE = 2048  # rounding holds a few float32 copies of so many rows

EncoderMatrix = Tensor | EightBitMatrix


def rounded(weight: Tensor) -> EightBitMatrix:
    """Round a matrix [rows, width] to int8, with one float32 scale for each row, on its own device."""
    return joined([quantise(piece, INT8) for piece in torch.split(weight, ROWS_AT_ONCE)])


def joined(matrices: list[EightBitMatrix]) -> EightBitMatrix:
    """Return matrices of the same width as one, below each other."""
    if len(matrices) == 1:
        return matrices[0]
    values = torch.cat([each.values for each in matrices])
    scales = torch.cat([each.scales for each in matrices])
    return EightBitMatrix(values, scales, matrices[0].dtype)


def linear(x: Tensor, weight: EncoderMatrix) -> Tensor:
    """Return ``x · weightᵀ``: [tokens, width] and [rows, width] → [tokens, rows], in ``x``'s format."""
    if isinstance(weight, Tensor):
        return nn.linear(x, weight)
    rotated = rotate(x.float(), INT8.group(x.shape[-1])).to(x.dtype)
    product = nn.linear(rotated, weight.values.to(x.dtype))
    return (product.float() * weight.scales.mT).to(x.dtype)


def bytes_of(weight: EncoderMatrix) -> int:
    """Return the memory of a matrix, its scales included."""
    return weight.nbytes if isinstance(weight, Tensor) else weight.values.nbytes + weight.scales.nbytes
