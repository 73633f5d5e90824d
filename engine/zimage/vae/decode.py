"""Latents → pixels on the host, one picture at a time: the decoder sets the peak of memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from engine.finish.image_check import check_image
from engine.zimage.denoise import PIXELS_PER_LATENT

TILE_PX = 256  # a tile's side: a sixteenth of what 1024x1024 needs at once; a quarter of it is blended


class DecodedPixels:
    """A picture on its way to the host: the card may still be drawing it.

    Args:
        levels: uint8 (height, width, 3), on the device.
        is_finite: Whether all values were finite before rounding; one bool on the device.
    """

    def __init__(self, levels: Tensor, is_finite: Tensor) -> None:
        self._arrived: torch.cuda.Event | None = None
        if levels.is_cuda:
            # In the stream of the drawing itself: 1 MB takes 25 µs, less than another stream's events.
            levels, is_finite = (_on_host(tensor) for tensor in (levels, is_finite))
            self._arrived = torch.cuda.current_stream().record_event()
        self._levels, self._is_finite = levels, is_finite

    def wait(self) -> npt.NDArray[np.uint8]:
        """Wait for the card, in any thread; shape (height, width, 3).

        Raises:
            BlankPicture: It is no picture.
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
        latents: Shape (1, channels, height / 8, width / 8), as ``denoise`` ends.
        in_tiles: Use less memory, at the price of time and faint seams.
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
