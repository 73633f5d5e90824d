"""The decoder of an ``AutoencoderKL``: latents → image. It has the library's names for its weights.

On a card it runs channels-last, with norm, silu and biases in our own kernels. Compiling the decoder is as
fast (12.6 ms instead of 33 for 512 x 768 on an H200), but takes 28 s for each size, or 50 s for all.
"""

from typing import Any, cast

import structlog
import torch
import torch.nn.functional as nn
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from engine.cuda.kernel_fallback import fallback_reason, kernel_errors

TOLERANCE = 0.03  # relative error of a small picture in bfloat16
EPSILON = 1e-6  # of every norm

log = structlog.get_logger("engine.zimage")


class VaeConfig(BaseModel):
    """``vae/config.json``; other fields are ignored.

    Raises:
        ValueError: The decoder has parts that this module does not compute.
    """

    model_config = ConfigDict(frozen=True)

    block_out_channels: tuple[int, ...]
    layers_per_block: int
    latent_channels: int
    norm_num_groups: int
    out_channels: int = 3
    scaling_factor: float
    shift_factor: float | None = None
    act_fn: str = "silu"
    up_block_types: tuple[str, ...] = ("UpDecoderBlock2D",)
    mid_block_add_attention: bool = True
    use_post_quant_conv: bool = True

    def model_post_init(self, _: Any) -> None:
        """Check that every part is of the kind that this module computes."""
        is_known = set(self.up_block_types) == {"UpDecoderBlock2D"} and self.act_fn == "silu"
        if not is_known or self.use_post_quant_conv or not self.mid_block_add_attention:
            raise ValueError("The VAE is a variant that this decoder does not compute.")


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


class Upsampler(torch.nn.Module):
    """Doubles both sides, then a convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """[1, channels, height, width] → [1, channels, 2 · height, 2 · width]."""
        doubled: Tensor = self.conv(nn.interpolate(x, scale_factor=2.0, mode="nearest"))
        return doubled


class DecoderLevel(torch.nn.Module):
    """The blocks of one resolution."""

    def __init__(self, blocks: list[ResidualBlock], *, attention: int = 0, upsamples: int = 0) -> None:
        super().__init__()
        self.resnets = torch.nn.ModuleList(blocks)
        if attention:
            self.attentions = torch.nn.ModuleList([Attention(attention, blocks[0].norm1.num_groups)])
        if upsamples:
            self.upsamplers = torch.nn.ModuleList([Upsampler(upsamples)])


class Decoder(torch.nn.Module):
    """All levels, from the smallest to the picture's size."""

    def __init__(self, config: VaeConfig) -> None:
        super().__init__()
        groups, widths = config.norm_num_groups, config.block_out_channels[::-1]
        self.conv_in = torch.nn.Conv2d(config.latent_channels, widths[0], 3, padding=1)
        middle = [ResidualBlock(widths[0], widths[0], groups) for _ in range(2)]
        self.mid_block = DecoderLevel(middle, attention=widths[0])
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
        first, last = self.mid_block.resnets
        layers = [self.conv_in, first, *self.mid_block.attentions, last]
        for level in self.up_blocks:
            layers += [*level.resnets, *getattr(level, "upsamplers", ())]  # type: ignore[misc]
        return [*layers, self.conv_norm_out, self.conv_out]

    def forward(self, latents: Tensor) -> Tensor:
        """[1, latent channels, height, width] → [1, 3, 8 · height, 8 · width]."""
        x = latents
        for layer in self.layers():
            x = layer(x)
        return x

    def use_kernels(self, kernels: Any) -> None:
        """Use these kernels, or torch's for None."""
        self.to(memory_format=torch.contiguous_format if kernels is None else torch.channels_last)  # type: ignore[call-overload]
        for module in self.modules():
            if isinstance(module, NormSilu | ResidualBlock):
                module.kernels = kernels


@torch.no_grad()
def speed_up(decoder: Decoder, device: torch.device) -> None:
    """Use the card's kernels if they work; otherwise log a warning.

    Args:
        decoder: With its weights.
        device: Where they are.
    """
    if device.type != "cuda":
        return
    try:
        from engine.zimage.vae import norm_kernels  # noqa: PLC0415 - Triton is there only where a card may be

        use_tested(decoder, norm_kernels)
    except kernel_errors() as error:
        reason = fallback_reason(error)
        log.warning("the decoder runs without the card's own kernels: pictures take longer", reason=reason)


@torch.no_grad()
def use_tested(decoder: Decoder, kernels: Any) -> None:
    """Use kernels after comparing a small picture; on an error, the decoder is as before.

    Raises:
        RuntimeError: The results differ.
    """
    weight = decoder.conv_in.weight
    latents = torch.randn(1, weight.shape[1], 8, 8, generator=torch.Generator().manual_seed(0)).to(weight)
    expected = decoder(latents).float()
    decoder.use_kernels(kernels)
    try:
        error = float((decoder(latents).float() - expected).norm() / expected.norm())
        if not error <= TOLERANCE:
            raise RuntimeError(f"the picture is off by {error:.3f}")
    except BaseException:
        decoder.use_kernels(None)
        raise


def flatten(x: Tensor) -> Tensor:
    """[1, channels, height, width] → [pixels, channels]; a view where memory is channels-last."""
    return x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])


def unflatten(flat: Tensor, like: Tensor) -> Tensor:
    """The reverse of :func:`flatten`."""
    _, channels, height, width = like.shape
    return flat.view(1, height, width, channels).permute(0, 3, 1, 2)
