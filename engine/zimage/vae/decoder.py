"""The decoder of an ``AutoencoderKL``: latents → image. It has the library's names for its weights.

On a card it runs channels-last, with norm, silu, biases and enlargement in our own kernels. Compiling the
decoder is as fast (12.6 ms instead of 33 for 512 x 768 on an H200), but takes 28 s for each size, or 50 s for
all.
"""

from typing import Any

import torch
import torch.nn.functional as nn
from torch import Tensor

from engine.zimage.vae.blocks import EPSILON, Middle, NormSilu, ResidualBlock, VaeHalf, flatten
from engine.zimage.vae.config import VaeConfig


class Upsampler(torch.nn.Module):
    """Doubles both sides, then a convolution."""

    kernels: Any = None

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """[1, channels, height, width] → [1, channels, 2 · height, 2 · width]."""
        convolved: Tensor = self.conv(self.enlarge(x))
        return convolved

    def enlarge(self, x: Tensor) -> Tensor:
        """Repeat each pixel in two rows and two columns: [1, channels, 2 · height, 2 · width]."""
        if self.kernels is None:
            return nn.interpolate(x, scale_factor=2.0, mode="nearest")
        _, channels, height, width = x.shape
        larger: Tensor = self.kernels.enlarge(flatten(x), width)
        return larger.view(1, 2 * height, 2 * width, channels).permute(0, 3, 1, 2)


class DecoderLevel(torch.nn.Module):
    """The blocks of one resolution."""

    def __init__(self, blocks: list[ResidualBlock], upsamples: int = 0) -> None:
        super().__init__()
        self.resnets = torch.nn.ModuleList(blocks)
        if upsamples:
            self.upsamplers = torch.nn.ModuleList([Upsampler(upsamples)])


class Decoder(VaeHalf):
    """All levels, from the smallest to the picture's size: 8 times as many pixels along each side."""

    def __init__(self, config: VaeConfig) -> None:
        super().__init__()
        groups, widths = config.norm_num_groups, config.block_out_channels[::-1]
        self.conv_in = torch.nn.Conv2d(config.latent_channels, widths[0], 3, padding=1)
        self.mid_block = Middle(widths[0], groups)
        self.up_blocks = torch.nn.ModuleList()
        for number, (into, out) in enumerate(zip([widths[0], *widths], widths, strict=False)):
            blocks = [
                ResidualBlock(into if not index else out, out, groups)
                for index in range(config.layers_per_block + 1)
            ]
            self.up_blocks.append(DecoderLevel(blocks, upsamples=out if number + 1 < len(widths) else 0))
        self.conv_norm_out = NormSilu(groups, widths[-1], EPSILON)
        self.conv_out = torch.nn.Conv2d(widths[-1], config.out_channels, 3, padding=1)

    def layers(self) -> list[torch.nn.Module]:
        """Return all layers in the order in which they are applied."""
        layers = [self.conv_in, *self.mid_block.layers()]
        for level in self.up_blocks:
            layers += [*level.resnets, *getattr(level, "upsamplers", ())]  # type: ignore[misc]
        return [*layers, self.conv_norm_out, self.conv_out]
