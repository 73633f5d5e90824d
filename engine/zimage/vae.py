"""Latents → pixels on the host, one picture at a time: the decoder sets the peak of memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from engine.zimage.denoise import PIXELS_PER_LATENT

TILE_PX = 256  # a tile's side: a sixteenth of what 1024x1024 needs at once; a quarter of it is blended


@torch.no_grad()
def decode(vae: Any, latents: Tensor, *, in_tiles: bool = False) -> tuple[npt.NDArray[np.uint8], bool]:
    """Decode one picture.

    Args:
        vae: An ``AutoencoderKL``.
        latents: Shape (1, channels, height / 8, width / 8), as ``denoise`` ends.
        in_tiles: Use less memory, at the price of time and faint seams.

    Returns:
        Pixels of shape (height, width, 3), and whether all values were finite before rounding.
    """
    scaled = latents.to(vae.dtype) / vae.config.scaling_factor + vae.config.shift_factor
    with _tiling(vae, in_tiles):
        image = vae.decode(scaled, return_dict=False)[0][0].float()
    levels = (image / 2 + 0.5).clamp(0, 1) * 255
    pixels = levels.round().to(torch.uint8).permute(1, 2, 0).contiguous()
    return pixels.cpu().numpy(), bool(torch.isfinite(image).all())


@contextmanager
def _tiling(vae: Any, in_tiles: bool) -> Iterator[None]:
    """Set the decoder's tile size for a while; as configured, tiles would be as large as the picture."""
    if not in_tiles:
        yield
        return
    sizes = vae.tile_sample_min_size, vae.tile_latent_min_size
    vae.tile_sample_min_size, vae.tile_latent_min_size = TILE_PX, TILE_PX // PIXELS_PER_LATENT
    vae.enable_tiling()
    try:
        yield
    finally:
        vae.disable_tiling()
        vae.tile_sample_min_size, vae.tile_latent_min_size = sizes
