"""Matrix products in fp8: float8 e4m3 on both sides with a scale per row, accumulated in float32.

This changes the picture slightly, so the host must ask for it. Only weights and activations of the large
products are in fp8; norms, gates, embedders, the time embedding and the caption's blocks are not.
"""

from typing import NamedTuple

import structlog
import torch
from torch import Tensor

FP8_MAX = 448.0  # largest float8 e4m3 number
SIDE_MULTIPLE = 16  # both sides of a weight must be multiples of this
MIN_CAPABILITY = (8, 9)  # compute capability: Ada, Hopper and later have fp8 products

log = structlog.get_logger("engine.forward")


def should_use_fp8(precision: str, device: torch.device) -> bool:
    """Whether the host asks for fp8 and the device supports it; logs a warning if it does not.

    Args:
        precision: ``bf16`` or ``fp8``.
        device: The model's device.
    """
    if precision != "fp8":
        return False
    can = device.type == "cuda" and torch.cuda.get_device_capability(device) >= MIN_CAPABILITY
    if not can:
        log.warning("this device cannot multiply in fp8: pictures are drawn in full precision")
    return can


class Fp8Matrix(NamedTuple):
    """A scaled matrix: ``values`` float8 [rows, width] times ``scales`` float32 [rows, 1]."""

    values: Tensor
    scales: Tensor


def multiply(x: Fp8Matrix, weight: Tensor, scales: Tensor) -> Tensor:
    """Multiply as a linear layer does.

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
