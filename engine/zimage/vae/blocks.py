"""What both halves of an ``AutoencoderKL`` are made of, with the library's names for the weights."""

from abc import ABC, abstractmethod
from typing import Any, cast

import torch
import torch.nn.functional as nn
from torch import Tensor

EPSILON = 1e-6  # of every norm


class NormSilu(torch.nn.GroupNorm):
    """A group norm followed by silu. ``kernels`` is ``engine.zimage.vae.norm_kernels``, or None for torch."""

    kernels: Any = None

    def forward(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        """``x`` [1, channels, height, width]; ``bias`` [channels] is added to it first."""
        if self.kernels is None:
            x = x if bias is None else x + bias[:, None, None]
            return nn.silu(super().forward(x))
        flat = self.kernels.norm_silu(flatten(x), bias, self.weight, self.bias, self.num_groups, self.eps)
        return unflatten(flat, x)


class ResidualBlock(torch.nn.Module):
    """Two convolutions, each behind a norm, beside a shortcut."""

    kernels: Any = None

    def __init__(self, into: int, out: int, groups: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = NormSilu(groups, into, EPSILON), torch.nn.Conv2d(into, out, 3, padding=1)
        self.norm2, self.conv2 = NormSilu(groups, out, EPSILON), torch.nn.Conv2d(out, out, 3, padding=1)
        self.conv_shortcut = torch.nn.Conv2d(into, out, 1) if into != out else None

    def forward(self, x: Tensor) -> Tensor:
        """``x`` [1, channels, height, width]."""
        if self.kernels is None:
            y: Tensor = self.conv2(self.norm2(self.conv1(self.norm1(x))))
            return (x if self.conv_shortcut is None else self.conv_shortcut(x)) + y
        y = nn.conv2d(self.norm1(x), self.conv1.weight, padding=1)
        y = nn.conv2d(self.norm2(y, self.conv1.bias), self.conv2.weight, padding=1)
        bias = self.conv2.bias
        if self.conv_shortcut is not None:
            x = nn.conv2d(x, self.conv_shortcut.weight)
            bias = cast(Tensor, bias) + cast(Tensor, self.conv_shortcut.bias)
        return unflatten(self.kernels.residual(flatten(x), flatten(y), bias), y)


class Attention(torch.nn.Module):
    """Attention of one head over all places of the picture, beside a shortcut."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.group_norm = torch.nn.GroupNorm(groups, channels, EPSILON)
        self.to_q, self.to_k, self.to_v = (torch.nn.Linear(channels, channels) for _ in range(3))
        self.to_out = torch.nn.ModuleList([torch.nn.Linear(channels, channels)])

    def forward(self, x: Tensor) -> Tensor:
        """``x`` [1, channels, height, width]."""
        places = self.group_norm(x.flatten(2)).transpose(1, 2)
        query, key, value = (each(places)[:, None] for each in (self.to_q, self.to_k, self.to_v))
        mixed = self.to_out[0](nn.scaled_dot_product_attention(query, key, value)[:, 0])
        shaped: Tensor = mixed.transpose(1, 2).reshape(x.shape)
        return shaped + x


class Middle(torch.nn.Module):
    """The blocks of the smallest resolution, with attention between them."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.resnets = torch.nn.ModuleList([ResidualBlock(channels, channels, groups) for _ in range(2)])
        self.attentions = torch.nn.ModuleList([Attention(channels, groups)])

    def layers(self) -> list[torch.nn.Module]:
        """Return all layers in the order in which they are applied."""
        first, last = self.resnets
        return [first, *self.attentions, last]


class VaeHalf(torch.nn.Module, ABC):
    """The encoder or the decoder: a chain of layers, the last two a norm and a convolution."""

    conv_in: torch.nn.Conv2d

    @abstractmethod
    def layers(self) -> list[torch.nn.Module]:
        """Return all layers in the order in which they are applied."""

    def forward(self, x: Tensor) -> Tensor:
        """[1, channels, height, width] → the same of the last layer."""
        for layer in self.layers():
            x = layer(x)
        return x

    def use_kernels(self, kernels: Any) -> None:
        """Use these kernels, or torch's for None."""
        self.to(memory_format=torch.contiguous_format if kernels is None else torch.channels_last)  # type: ignore[call-overload]
        for module in self.modules():
            if hasattr(module, "kernels"):
                module.kernels = kernels


def flatten(x: Tensor) -> Tensor:
    """[1, channels, height, width] → [pixels, channels]; a view where memory is channels-last."""
    return x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])


def unflatten(flat: Tensor, like: Tensor) -> Tensor:
    """The reverse of :func:`flatten`."""
    _, channels, height, width = like.shape
    return flat.view(1, height, width, channels).permute(0, 3, 1, 2)
