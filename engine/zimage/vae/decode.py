"""Latents → pixels in host memory, one picture at a time because the decoder sets the peak of memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from engine.finish.image_check import check_image
from engine.zimage.denoise import PIXELS_PER_LATENT

TILE_PX = 256  # side of a tile: a sixteenth of the memory for 1024x1024; a quarter of a tile is blended


class DecodedPixels:
    """A picture that is being copied to host memory; the card may still be drawing it.

    Args:
        levels: uint8 (height, width, 3), on the device.
        is_finite: One bool on the device: all values were finite before rounding.
    """

    def __init__(self, levels: Tensor, is_finite: Tensor) -> None:
        self._arrived: torch.cuda.Event | None = None
        if levels.is_cuda:
            # In the drawing stream: 1 MB takes 25 µs, less than the events of another stream.
            levels, is_finite = (_on_host(tensor) for tensor in (levels, is_finite))
            self._arrived = torch.cuda.current_stream().record_event()
        self._levels, self._is_finite = levels, is_finite

    def wait(self) -> npt.NDArray[np.uint8]:
        """Wait for the card, in any thread; shape (height, width, 3).

        Raises:
            BlankPicture: The result is not a picture.
        """
        if self._arrived is not None:
            self._arrived.synchronize()
        pixels: npt.NDArray[np.uint8] = self._levels.numpy()
        check_image(pixels, is_finite=bool(self._is_finite))
        return pixels


def _on_host(tensor: Tensor) -> Tensor:
    return torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True).copy_(tensor, non_blocking=True)


@torch.no_grad()
def decode(vae: Any, latents: Tensor, *, in_tiles: bool = False) -> DecodedPixels:
    """Decode one picture; on a card, queue the work and return.

    Args:
        vae: An ``AutoencoderKL``.
        latents: Shape (1, channels, height / 8, width / 8), from ``denoise``.
        in_tiles: Use less memory, but more time, and leave faint seams.
    """
    scaled = latents.to(vae.dtype) / vae.config.scaling_factor + vae.config.shift_factor
    with _tiling(vae, in_tiles):
        image = vae.decode(scaled, return_dict=False)[0][0].float()
    levels = (image / 2 + 0.5).clamp(0, 1) * 255
    return DecodedPixels(
        levels.round().to(torch.uint8).permute(1, 2, 0).contiguous(), torch.isfinite(image).all()
    )


@contextmanager
def _tiling(vae: Any, in_tiles: bool) -> Iterator[None]:
    """Set the decoder's tile size temporarily; the configured tiles are as large as the picture."""
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
