"""Latents become pixels, whole or in tiles."""

import numpy as np
import pytest
import torch

from engine.errors import BlankPicture
from engine.zimage.pipeline import Pipeline
from engine.zimage.vae import decode as vae_module
from engine.zimage.vae.decode import decode

LATENTS = torch.randn(1, 16, 24, 16, generator=torch.Generator().manual_seed(3))


def test_pixels_are_bytes_of_the_pictures_shape(pipeline: Pipeline) -> None:
    pixels = decode(pipeline._parts.vae, LATENTS).wait()
    assert (pixels.shape, pixels.dtype) == ((192, 128, 3), np.uint8)


def test_tiles_are_used_for_one_picture_only(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    vae = pipeline._parts.vae
    before = vae.use_tiling, vae.tile_sample_min_size, vae.tile_latent_min_size
    whole = decode(vae, LATENTS).wait()
    monkeypatch.setattr(vae_module, "TILE_PX", 64)  # small enough that this picture needs several
    tiled = decode(vae, LATENTS, in_tiles=True).wait()
    assert tiled.shape == whole.shape
    assert not np.array_equal(tiled, whole)
    assert (vae.use_tiling, vae.tile_sample_min_size, vae.tile_latent_min_size) == before
    assert np.array_equal(decode(vae, LATENTS).wait(), whole)


def test_a_failing_tile_restores_the_decoder(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(latents: torch.Tensor, **options: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    vae = pipeline._parts.vae
    before = vae.use_tiling, vae.tile_sample_min_size
    monkeypatch.setattr(vae, "decode", fail)
    with pytest.raises(torch.OutOfMemoryError):
        decode(vae, LATENTS, in_tiles=True)
    assert (vae.use_tiling, vae.tile_sample_min_size) == before


def test_one_value_that_is_not_finite_is_detected(pipeline: Pipeline) -> None:
    latents = LATENTS.clone()
    latents[0, 3, 2, 2] = float("nan")
    with pytest.raises(BlankPicture, match="not finite"):
        decode(pipeline._parts.vae, latents).wait()
