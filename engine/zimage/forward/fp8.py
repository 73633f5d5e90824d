"""Products in eight bits: float8 (e4m3) on both sides, each line with a scale of its own, summed in float32.

It changes the picture a little, so a host asks for it. Weights and activations of the large products alone
are in eight bits; norms, gates, embedders, the time and the caption's blocks stay as they are.
"""

from typing import NamedTuple

import structlog
import torch
from torch import Tensor

FP8_MAX = 448.0  # of float8 e4m3
SIDE_MULTIPLE = 16  # of both sides of a weight
MIN_CAPABILITY = (8, 9)  # compute capability: Ada, Hopper and later multiply in eight bits

log = structlog.get_logger("engine.forward")


def should_use_fp8(precision: str, device: torch.device) -> bool:
    """Whether to multiply in eight bits, as the host asks; logs a warning where the device cannot.

    Args:
        precision: ``bf16`` or ``fp8``.
        device: Where the model is.
    """
    if precision != "fp8":
        return False
    can = device.type == "cuda" and torch.cuda.get_device_capability(device) >= MIN_CAPABILITY
    if not can:
        log.warning("this device cannot multiply in fp8: pictures are drawn in full precision")
    return can


class Fp8Matrix(NamedTuple):
    """Lines of numbers: ``values`` float8 [lines, width], times ``scales`` float32 [lines, 1]."""

    values: Tensor
    scales: Tensor


def multiply(x: Fp8Matrix, weight: Tensor, scales: Tensor) -> Tensor:
    """The product of a linear layer.

    Args:
        x: [tokens, in].
        weight: float8 [out, in].
        scales: float32 [out, 1].

    Returns:
        bfloat16 [tokens, out].
    """
    return torch._scaled_mm(
        x.values, weight.t(), x.scales, scales.t(), out_dtype=torch.bfloat16, use_fast_accum=True
    )
