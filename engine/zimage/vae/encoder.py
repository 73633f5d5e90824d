"""The encoder of an ``AutoencoderKL``: image → latents. It has the library's names for its weights.

Like the decoder it runs channels-last on a card, with the same kernels.
"""

import torch
import torch.nn.functional as nn
from torch import Tensor

from engine.zimage.vae.blocks import EPSILON, Middle, NormSilu, ResidualBlock, VaeHalf
from engine.zimage.vae.config import VaeConfig


class Downsampler(torch.nn.Module):
    """A convolution that halves both sides; zeros replace the missing row below and column to the right."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """[1, channels, height, width] → [1, channels, height / 2, width / 2]; both sides are even."""
        halved: Tensor = self.conv(nn.pad(x, (0, 1, 0, 1)))
        return halved


class EncoderLevel(torch.nn.Module):
    """The blocks of one resolution."""

    def __init__(self, blocks: list[ResidualBlock], downsamples: int = 0) -> None:
        super().__init__()
        self.resnets = torch.nn.ModuleList(blocks)
        if downsamples:
            self.downsamplers = torch.nn.ModuleList([Downsampler(downsamples)])


class VaeEncoder(VaeHalf):
    """All levels, from the picture's size to the smallest: an eighth of the pixels along each side.

    The result has twice as many channels as latents: the means of a normal distribution, then the
    logarithms of its variances.
    """

    def __init__(self, config: VaeConfig) -> None:
        super().__init__()
        groups, widths = config.norm_num_groups, config.block_out_channels
        self.conv_in = torch.nn.Conv2d(config.in_channels, widths[0], 3, padding=1)
        self.down_blocks = torch.nn.ModuleList()
        for number, (into, out) in enumerate(zip([widths[0], *widths], widths, strict=False)):
            blocks = [
                ResidualBlock(into if not index else out, out, groups)
                for index in range(config.layers_per_block)
            ]
            self.down_blocks.append(EncoderLevel(blocks, downsamples=out if number + 1 < len(widths) else 0))
        self.mid_block = Middle(widths[-1], groups)
        self.conv_norm_out = NormSilu(groups, widths[-1], EPSILON)
        self.conv_out = torch.nn.Conv2d(widths[-1], 2 * config.latent_channels, 3, padding=1)

    def layers(self) -> list[torch.nn.Module]:
        """Return all layers in the order in which they are applied."""
        layers: list[torch.nn.Module] = [self.conv_in]
        for level in self.down_blocks:
            layers += [*level.resnets, *getattr(level, "downsamplers", ())]  # type: ignore[misc]
        return [*layers, *self.mid_block.layers(), self.conv_norm_out, self.conv_out]
