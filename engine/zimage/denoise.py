"""Noise → latents: the loop of ZImagePipeline without guidance, one forward a step, stoppable after each.

The same noise and prompt give the same latents as the stock pipeline. A picture's noise depends on its seed
and size alone, never on the device or on what is drawn beside it.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from engine.request import MAX_SEED

PIXELS_PER_LATENT = 8  # of the VAE, along each side


def draw_noise(seed: int, channels: int, width_px: int, height_px: int) -> Tensor:
    """The picture's starting point, drawn on the CPU for every device alike.

    Args:
        seed: Of this picture; beyond MAX_SEED it begins again at 0.
        channels: Of the latents, 16 in Z-Image.
        width_px: A multiple of 16.
        height_px: Likewise.

    Returns:
        Shape (1, channels, height / 8, width / 8), float32.
    """
    generator = torch.Generator("cpu").manual_seed(seed % (MAX_SEED + 1))
    shape = (1, channels, height_px // PIXELS_PER_LATENT, width_px // PIXELS_PER_LATENT)
    return torch.randn(shape, generator=generator, dtype=torch.float32)


@torch.no_grad()
def denoise(pipeline: Any, embedding: Tensor, noise: Tensor, steps: int) -> Iterator[Tensor]:
    """Run ``steps`` forwards, handing out the latents after each; the last are the picture's.

    Whoever stops asking stops the work; there is nothing to clean up.

    Args:
        pipeline: A ``ZImagePipeline`` whose transformer, with its LoRAs, is ready.
        embedding: Shape (tokens, width), from ``Text.embed``, on the transformer's device.
        noise: From ``draw_noise``.
        steps: At least 1; 8 is what Turbo is distilled for.

    Yields:
        Latents, float32, the noise's shape, on the transformer's device.
    """
    transformer, scheduler = pipeline.transformer, pipeline.scheduler
    # From 1 down to 1/steps, so that each step moves; the scheduler adds the final 0 and its shift of time.
    scheduler.set_timesteps(sigmas=torch.linspace(1, 1 / steps, steps).tolist(), device=embedding.device)
    scheduler.set_begin_index(0)  # otherwise each step asks the card where it is
    latents = noise.to(embedding.device)
    for moment in scheduler.timesteps:
        time_left = (1000 - moment.expand(1)) / 1000  # the model counts from 0, pure noise, to 1
        frames = latents.to(transformer.dtype).unsqueeze(2)  # (1, channels, 1 frame, height, width)
        (velocity,) = transformer(list(frames.unbind(0)), time_left, [embedding], return_dict=False)[0]
        velocity = velocity.float().squeeze(1).unsqueeze(0)
        latents = scheduler.step(-velocity, moment, latents, return_dict=False)[0]
        if (
            latents.is_cuda
        ):  # or the loop would be done long before the card, its progress untrue, its end deaf
            torch.cuda.current_stream().synchronize()
        yield latents
