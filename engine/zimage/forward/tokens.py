"""Latents ↔ tokens, and the RoPE position of each token, as in Z-Image."""

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from engine.cuda.upload import upload

# Pictures and captions are each padded to a multiple of this; padding takes part in attention.
PAD_MULTIPLE = 32
PATCH_SIDE = 2  # latents along each side of a token
MAX_ROTATIONS = 32  # 0.8 MB each at 512 x 768

LatentSize = tuple[int, int]  # of latents: height, width


def padded_length(length: int) -> int:
    """Return a length in tokens after padding."""
    return -(-length // PAD_MULTIPLE) * PAD_MULTIPLE


def token_count(size: LatentSize) -> int:
    """Return a picture's number of tokens without padding.

    Raises:
        ValueError: The size is not a whole number of tokens. Sizes of requests are checked on acceptance.
    """
    height, width = size
    if height < PATCH_SIDE or width < PATCH_SIDE or height % PATCH_SIDE or width % PATCH_SIDE:
        raise ValueError(f"Latents of {height} x {width} are not a whole number of tokens.")
    return height // PATCH_SIDE * (width // PATCH_SIDE)


def to_tokens(latents: Tensor) -> Tensor:
    """[channels, height, width] → [tokens, 4 · channels]."""
    channels, height, width = latents.shape
    tiles = latents.view(channels, height // PATCH_SIDE, PATCH_SIDE, width // PATCH_SIDE, PATCH_SIDE)
    return tiles.permute(1, 3, 2, 4, 0).reshape(-1, PATCH_SIDE * PATCH_SIDE * channels)


def to_latents(tokens: Tensor, size: LatentSize) -> Tensor:
    """The reverse of :func:`to_tokens`; drops the padding at the end."""
    height, width = size
    tiles = tokens[: token_count(size)].view(
        height // PATCH_SIDE, width // PATCH_SIDE, PATCH_SIDE, PATCH_SIDE, -1
    )
    return tiles.permute(4, 0, 2, 1, 3).reshape(-1, height, width)


class Rope:
    """RoPE rotations as real numbers, with a cache of those of the latest pictures and captions.

    Args:
        config: Of the transformer: ``axes_dims``, ``axes_lens`` and ``rope_theta``.
        device: The device of the rotations.
    """

    def __init__(self, config: Any, device: torch.device) -> None:
        axes = zip(config.axes_dims, config.axes_lens, strict=True)
        self._tables = [_rotation_table(*axis, config.rope_theta).to(device) for axis in axes]
        self._device = device
        self._cached_rotations = lru_cache(MAX_ROTATIONS)(self._rotations)

    def caption(self, length: int) -> Tensor:
        """Rotations of a caption of ``length`` tokens, padding included: float32 [2, length, head / 2]."""
        return self._cached_rotations(None, length)

    def picture(self, size: LatentSize, caption_length: int) -> Tensor:
        """Rotations of a picture that follows its caption: float32 [2, padded tokens, head / 2]."""
        return self._cached_rotations(size, caption_length)

    def _rotations(self, size: LatentSize | None, caption_length: int) -> Tensor:
        """Look up the rotations of tokens by their positions on each axis."""
        if size is None:
            positions = torch.zeros(3, caption_length, dtype=torch.int64)
            positions[0] = torch.arange(1, caption_length + 1)
        else:
            rows, columns = size[0] // PATCH_SIDE, size[1] // PATCH_SIDE
            # Padding has position 0, 0, 0.
            positions = torch.zeros(3, padded_length(rows * columns), dtype=torch.int64)
            positions[0, : rows * columns] = caption_length + 1
            positions[1, : rows * columns] = torch.arange(rows).repeat_interleave(columns)
            positions[2, : rows * columns] = torch.arange(columns).repeat(rows)
        axes = upload(positions, self._device)
        return torch.cat([table[:, axis] for table, axis in zip(self._tables, axes, strict=True)], dim=-1)


def _rotation_table(numbers: int, positions: int, theta: float) -> Tensor:
    """Cosines and sines of one axis, as the library computes them: float32 [2, positions, numbers / 2]."""
    frequencies = 1.0 / theta ** (torch.arange(0, numbers, 2, dtype=torch.float64) / numbers)
    angles = torch.outer(torch.arange(positions, dtype=torch.float64), frequencies).float()
    rotations = torch.polar(torch.ones_like(angles), angles)
    return torch.stack([rotations.real, rotations.imag])
