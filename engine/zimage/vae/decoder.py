"""A faster VAE decoder on a card: channels-last memory, and norm, silu and biases in our own kernels.

The library's modules stay, except its residual blocks and its last norm. The replacements hold the same
parameters and give the same picture. Compiling the decoder is as fast (12.6 ms instead of 33 for 512 x 768 on
an H200), but takes 28 s for each size, or 50 s for all.
"""

from typing import Any

import structlog
import torch
import torch.nn.functional as nn
from torch import Tensor

from engine.cuda.kernel_fallback import fallback_reason, kernel_errors

TOLERANCE = 0.03  # relative error of a small picture in bfloat16

log = structlog.get_logger("engine.zimage")


def speed_up(vae: Any) -> None:
    """Replace the decoder's blocks in place if the card's kernels work; otherwise log a warning.

    Args:
        vae: An ``AutoencoderKL`` on its device.
    """
    if vae.device.type != "cuda" or isinstance(vae.decoder.conv_norm_out, NormSilu):
        return
    try:
        from engine.zimage.vae import norm_kernels  # noqa: PLC0415 - Triton is there only where a card may be

        _replace_blocks(vae.decoder, norm_kernels)
    except kernel_errors() as error:
        reason = fallback_reason(error)
        log.warning("the decoder runs without the card's own kernels: pictures take longer", reason=reason)


@torch.no_grad()
def _replace_blocks(decoder: Any, kernels: Any) -> None:
    """Replace the blocks and test the result; on an error, restore the library's blocks.

    Raises:
        RuntimeError: The results differ.
    """
    weight = decoder.conv_in.weight
    latents = torch.randn(1, weight.shape[1], 8, 8, generator=torch.Generator().manual_seed(0)).to(weight)
    expected = decoder(latents)
    blocks = [
        (parent, name, child)
        for parent in decoder.modules()
        for name, child in parent.named_children()
        if type(child).__name__ == "ResnetBlock2D"
    ]
    norm, act = decoder.conv_norm_out, decoder.conv_act
    for parent, name, block in blocks:
        setattr(parent, name, Residual(block, kernels))
    decoder.conv_norm_out, decoder.conv_act = NormSilu(norm, kernels), torch.nn.Identity()
    decoder.to(memory_format=torch.channels_last)
    try:
        found = decoder(latents)
        error = float((found.float() - expected.float()).norm() / expected.float().norm())
        if not error <= TOLERANCE:
            raise RuntimeError(f"the picture is off by {error:.3f}")
    except BaseException:
        for parent, name, block in blocks:
            setattr(parent, name, block)
        decoder.conv_norm_out, decoder.conv_act = norm, act
        decoder.to(memory_format=torch.contiguous_format)
        raise


class NormSilu(torch.nn.Module):
    """A group norm followed by silu.

    Args:
        norm: The library's group norm.
        kernels: ``engine.zimage.vae.norm_kernels``.
    """

    def __init__(self, norm: torch.nn.GroupNorm, kernels: Any) -> None:
        super().__init__()
        self.norm = norm
        self._kernels = kernels

    def forward(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        """``x`` [1, channels, height, width]; ``bias`` [channels] is added to it first."""
        norm = self.norm
        flat = self._kernels.norm_silu(flatten(x), bias, norm.weight, norm.bias, norm.num_groups, norm.eps)
        return unflatten(flat, x)


class Residual(torch.nn.Module):
    """A residual block of the decoder.

    Args:
        block: The library's ``ResnetBlock2D``, without time embedding and output scale.
        kernels: ``engine.zimage.vae.norm_kernels``.
    """

    def __init__(self, block: Any, kernels: Any) -> None:
        super().__init__()
        if (
            block.time_emb_proj is not None
            or block.output_scale_factor != 1
            or block.upsample
            or block.downsample
        ):
            raise ValueError("a residual block is not of Z-Image's kind")
        self.norm1, self.norm2 = NormSilu(block.norm1, kernels), NormSilu(block.norm2, kernels)
        self.conv1, self.conv2, self.shortcut = block.conv1, block.conv2, block.conv_shortcut
        self._kernels = kernels

    def forward(self, x: Tensor, temb: None = None) -> Tensor:
        """``x`` [1, channels, height, width]; a decoder has no time embedding."""
        y = nn.conv2d(self.norm1(x), self.conv1.weight, padding=1)
        y = nn.conv2d(self.norm2(y, self.conv1.bias), self.conv2.weight, padding=1)
        bias = self.conv2.bias
        if self.shortcut is not None:
            x, bias = nn.conv2d(x, self.shortcut.weight), bias + self.shortcut.bias
        return unflatten(self._kernels.residual(flatten(x), flatten(y), bias), y)


def flatten(x: Tensor) -> Tensor:
    """[1, channels, height, width] → [pixels, channels]; a view where memory is channels-last."""
    return x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])


def unflatten(flat: Tensor, like: Tensor) -> Tensor:
    """The reverse of :func:`flatten`."""
    _, channels, height, width = like.shape
    return flat.view(1, height, width, channels).permute(0, 3, 1, 2)
