"""The noise with which pictures begin. It depends on seed and size alone, not on the device."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import torch
from torch import Tensor

from engine.cuda.upload import upload
from engine.request import MAX_SEED, RenderRequest

PIXELS_PER_LATENT = 8  # of the VAE, along each side


def draw_noise(seed: int, channels: int, width_px: int, height_px: int) -> Tensor:
    """Draw a picture's initial noise, on the CPU for every device.

    Args:
        seed: The picture's seed, modulo MAX_SEED + 1.
        channels: Latent channels, 16 in Z-Image.
        width_px: A multiple of 16.
        height_px: A multiple of 16.

    Returns:
        Shape (1, channels, height / 8, width / 8), float32.
    """
    generator = torch.Generator("cpu").manual_seed(seed % (MAX_SEED + 1))
    shape = (1, channels, height_px // PIXELS_PER_LATENT, width_px // PIXELS_PER_LATENT)
    return torch.randn(shape, generator=generator, dtype=torch.float32)


def add_noise(start: Tensor, noise: Tensor, sigma: float) -> Tensor:
    """Bring a picture's latents to the noise level ``sigma``; at 1 only the noise is left.

    Args:
        start: From ``StartEncoder.encode``.
        noise: From ``draw_noise``, of the same size.
        sigma: The first level of the steps that follow.

    Returns:
        Shaped as both, float32, on the device of ``start``.
    """
    return (1 - sigma) * start + sigma * upload(noise, start.device)


class NoiseThread:
    """Draws noise beside the thread that draws pictures: a card would wait 0.6 to 12 ms for each (H200).

    Args:
        channels: Latent channels.
    """

    def __init__(self, channels: int) -> None:
        self._channels = channels
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="noise")

    @contextmanager
    def draw(self, request: RenderRequest) -> Iterator[list[Future[Tensor]]]:
        """Draw the noise of each of a job's pictures, in their order; in the end, drop the others."""
        size = request.width_px, request.height_px
        cells = [request.cell(index) for index in range(request.count)]
        noises = [self._pool.submit(draw_noise, cell.seed, self._channels, *size) for cell in cells]
        try:
            yield noises
        finally:
            for noise in noises:
                noise.cancel()

    def close(self) -> None:
        """End the thread."""
        self._pool.shutdown(cancel_futures=True)
