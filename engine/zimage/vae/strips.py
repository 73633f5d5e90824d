"""Encoder and decoder in less memory: the large layers are computed in strips of rows, with the same result.

A norm needs the statistics of the whole picture, which are computed first; a convolution needs one row above
and one below its strip. So there are no seams, unlike with tiles that pass alone and are blended. The values
differ from those of the whole picture by rounding only.
"""

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as nn
from torch import Tensor

from engine.zimage.vae.blocks import Attention, NormSilu, ResidualBlock, VaeHalf
from engine.zimage.vae.decoder import Upsampler
from engine.zimage.vae.encoder import Downsampler

STRIP_NUMBERS = 2**24  # of one tensor: 32 MiB in bfloat16
SCORES_A_NUMBER = 16  # of attention, for each number of a strip: 512 MiB in bfloat16
Norm = Callable[[Tensor], Tensor]


@torch.no_grad()
def run_in_strips(half: VaeHalf, x: Tensor, strip_numbers: int = STRIP_NUMBERS) -> Tensor:
    """As ``half(x)``; needs about two tensors of the widest layer beside each other."""
    *layers, norm, last = half.layers()
    assert isinstance(norm, NormSilu)  # noqa: S101 - of both halves
    for layer in layers:
        if isinstance(layer, ResidualBlock):
            x = _residual(layer, x, strip_numbers)
        elif isinstance(layer, Attention):
            x = _attended(layer, x, strip_numbers)
        elif isinstance(layer, Upsampler):
            x = _upsampled(layer, x, strip_numbers)
        elif isinstance(layer, Downsampler):
            x = _downsampled(layer, x, strip_numbers)
        else:
            x = layer(x)
    return _convolved(last, x, _norm_of(norm, x, strip_numbers), strip_numbers)


def _residual(block: ResidualBlock, x: Tensor, strip_numbers: int) -> Tensor:
    y = _convolved(block.conv1, x, _norm_of(block.norm1, x, strip_numbers), strip_numbers)
    y = _convolved(block.conv2, y, _norm_of(block.norm2, y, strip_numbers), strip_numbers)
    for start, end in _strips(y, strip_numbers):
        rows = x[:, :, start:end]
        y[:, :, start:end] += rows if block.conv_shortcut is None else block.conv_shortcut(rows)
    return y


def _attended(attention: Attention, x: Tensor, strip_numbers: int) -> Tensor:
    """Attend from some places at a time: a card without the right kernel holds a score for each pair."""
    places = attention.group_norm(x.flatten(2)).transpose(1, 2)
    key, value = (each(places)[:, None] for each in (attention.to_k, attention.to_v))
    count = max(1, SCORES_A_NUMBER * strip_numbers // places.shape[1])
    mixed = [
        nn.scaled_dot_product_attention(attention.to_q(some)[:, None], key, value)[:, 0]
        for some in places.split(count, dim=1)
    ]
    out: Tensor = attention.to_out[0](torch.cat(mixed, dim=1))
    return out.transpose(1, 2).reshape(x.shape) + x


def _upsampled(upsampler: Upsampler, x: Tensor, strip_numbers: int) -> Tensor:
    """Double strip by strip; a row of the result needs the doubled rows above and below it."""
    height, width = x.shape[2] * 2, x.shape[3] * 2
    out = _empty(x, x.shape[1], height, width)
    for start, end in _strips(out, strip_numbers):
        first, last = max(0, start - 1) // 2, -(-min(height, end + 1) // 2)
        rows = upsampler.enlarge(x[:, :, first:last])
        rows = rows[:, :, max(0, start - 1) - 2 * first : min(height, end + 1) - 2 * first]
        out[:, :, start:end] = _conv(upsampler.conv, rows, start == 0, end == height)
    return out


def _downsampled(downsampler: Downsampler, x: Tensor, strip_numbers: int) -> Tensor:
    """Halve strip by strip; a row of the result needs two rows of the picture and the one below them."""
    height = x.shape[2] // 2
    out = _empty(x, x.shape[1], height, x.shape[3] // 2)
    for start, end in _strips(x, strip_numbers, rows_each=2):
        out[:, :, start:end] = nn.conv2d(
            nn.pad(x[:, :, 2 * start : 2 * end + 1], (0, 1, 0, int(end == height))),
            downsampler.conv.weight,
            downsampler.conv.bias,
            stride=2,
        )
    return out


def _convolved(conv: torch.nn.Module, x: Tensor, norm: Norm, strip_numbers: int) -> Tensor:
    """Norm, silu and convolution."""
    assert isinstance(conv, torch.nn.Conv2d)  # noqa: S101 - of every block
    height = x.shape[2]
    out = _empty(x, conv.out_channels, height, x.shape[3])
    for start, end in _strips(x, strip_numbers):
        rows = norm(x[:, :, max(0, start - 1) : min(height, end + 1)])
        out[:, :, start:end] = _conv(conv, rows, start == 0, end == height)
    return out


def _conv(conv: torch.nn.Conv2d, rows: Tensor, is_first: bool, is_last: bool) -> Tensor:
    """Convolve rows that include their neighbours; zeros stand in for those outside the picture."""
    rows = nn.pad(rows, (0, 0, int(is_first), int(is_last)))
    return nn.conv2d(rows, conv.weight, conv.bias, padding=(0, 1))


def _norm_of(norm: NormSilu, x: Tensor, strip_numbers: int) -> Norm:
    """Return the norm and silu of any rows of ``x``, with the statistics of all rows."""
    each = x.shape[1] // norm.num_groups
    count = each * x.shape[2] * x.shape[3]
    mean = _group_sums(_wide_strips(x, strip_numbers), each) / count
    wide_mean = mean.repeat_interleave(each)[:, None, None]
    squares = ((rows - wide_mean).square() for rows in _wide_strips(x, strip_numbers))
    variance = _group_sums(squares, each) / count
    scale = torch.rsqrt(variance + norm.eps).repeat_interleave(each) * norm.weight.float()
    shift = norm.bias.float() - mean.repeat_interleave(each) * scale

    def apply(rows: Tensor) -> Tensor:
        normed = rows.float() * scale[:, None, None] + shift[:, None, None]
        return nn.silu(normed.to(rows.dtype))

    return apply


def _wide_strips(x: Tensor, strip_numbers: int) -> Iterator[Tensor]:
    """Yield strips in float32, so that no copy of the whole picture is made."""
    for start, end in _strips(x, strip_numbers):
        yield x[:, :, start:end].float()


def _group_sums(strips: Iterator[Tensor], each: int) -> Tensor:
    """Strips [1, channels, rows, width] → [groups]."""
    return torch.stack([strip.sum(dim=(0, 2, 3)) for strip in strips]).sum(dim=0).view(-1, each).sum(dim=1)


def _strips(x: Tensor, strip_numbers: int, *, rows_each: int = 1) -> Iterator[tuple[int, int]]:
    """Yield where each strip starts and ends, counted in so many rows of ``x``."""
    height = x.shape[2] // rows_each
    rows = max(1, strip_numbers // (x.shape[1] * x.shape[3] * rows_each))
    for start in range(0, height, rows):
        yield start, min(height, start + rows)


def _empty(like: Tensor, channels: int, height: int, width: int) -> Tensor:
    is_last = like.is_contiguous(memory_format=torch.channels_last)
    memory_format = torch.channels_last if is_last else torch.contiguous_format
    return torch.empty(
        (1, channels, height, width), dtype=like.dtype, device=like.device, memory_format=memory_format
    )
