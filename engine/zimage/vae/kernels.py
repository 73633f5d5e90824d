"""Chooses the card's own kernels for one half of a VAE, after a test with a small picture."""

from typing import Any

import structlog
import torch

from engine.cuda.kernel_fallback import fallback_reason, kernel_errors
from engine.zimage.vae.blocks import VaeHalf

TOLERANCE = 0.03  # relative error of a small picture in bfloat16
TESTED_SIDE = 8  # the shorter one of the small picture; an encoder makes one latent of it

log = structlog.get_logger("engine.zimage")


@torch.no_grad()
def speed_up(half: VaeHalf, device: torch.device) -> None:
    """Use the card's kernels if they work; otherwise log a warning.

    Args:
        half: With its weights.
        device: Where they are.
    """
    if device.type != "cuda":
        return
    try:
        from engine.zimage.vae import norm_kernels  # noqa: PLC0415 - Triton is there only where a card may be

        use_tested(half, norm_kernels)
    except kernel_errors() as error:
        reason = fallback_reason(error)
        log.warning("the VAE runs without the card's own kernels: pictures take longer", reason=reason)


@torch.no_grad()
def use_tested(half: VaeHalf, kernels: Any) -> None:
    """Use kernels after comparing a small picture; on an error, the half is as before.

    Raises:
        RuntimeError: The results differ.
    """
    weight = half.conv_in.weight
    shape = 1, weight.shape[1], TESTED_SIDE, 2 * TESTED_SIDE  # two sides that a kernel could exchange
    small = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(weight)
    expected = half(small).float()
    half.use_kernels(kernels)
    try:
        error = float((half(small).float() - expected).norm() / expected.norm())
        if not error <= TOLERANCE:
            raise RuntimeError(f"the picture is off by {error:.3f}")
    except BaseException:
        half.use_kernels(None)
        raise
