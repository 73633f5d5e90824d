"""Latents become pixels and pixels latents, whole or with little memory, and by the library for variants."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from PIL import Image
from safetensors.torch import save_file

from engine.demo.networks import WEIGHTS
from engine.errors import BlankPicture
from engine.zimage.device import choose_placement
from engine.zimage.pipeline import Pipeline
from engine.zimage.vae.decode import decode
from engine.zimage.vae.encode import StartEncoder
from engine.zimage.vae.loader import LibraryVae, OwnEncoder, OwnVae, load_encoder, load_vae
from engine.zimage.vae.strips import run_in_strips

CPU = torch.device("cpu")
PLACE = choose_placement("cpu")
IMAGE = torch.rand(1, 3, 64, 48, generator=torch.Generator().manual_seed(4)) * 2 - 1
LATENTS = torch.randn(1, 16, 24, 16, generator=torch.Generator().manual_seed(3))
SHAPES: dict[str, dict[str, Any]] = {  # of Z-Image's VAE but narrower, and with another number of levels
    "as published": {"block_out_channels": [32, 64, 128, 128], "layers_per_block": 2, "norm_num_groups": 32},
    "two levels": {"block_out_channels": [32, 64], "layers_per_block": 1, "norm_num_groups": 8},
}


def library_vae(**changes: Any) -> AutoencoderKL:
    torch.manual_seed(1)
    options = SHAPES["as published"] | {"use_quant_conv": False, "use_post_quant_conv": False} | changes
    levels = len(options["block_out_channels"])
    return AutoencoderKL(
        latent_channels=16,
        down_block_types=["DownEncoderBlock2D"] * levels,
        up_block_types=["UpDecoderBlock2D"] * levels,
        **options,
    ).eval()


def saved(library: AutoencoderKL, folder: Path) -> Path:
    """The checkpoint folder of a VAE alone."""
    library.save_pretrained(folder / "vae")
    return folder


@torch.no_grad()
@pytest.mark.parametrize("shape", SHAPES)
def test_our_decoder_computes_the_same_bits_as_the_librarys(shape: str) -> None:
    library = library_vae(**SHAPES[shape])
    ours = load_vae(library.config, library.state_dict(), CPU)
    assert isinstance(ours, OwnVae)
    latents = LATENTS[..., :10, :14]
    assert torch.equal(ours.decode(latents, is_lean=False), library.decode(latents, return_dict=False)[0])


@torch.no_grad()
@pytest.mark.parametrize("shape", SHAPES)
def test_our_encoder_computes_the_same_bits_as_the_librarys(shape: str, tmp_path: Path) -> None:
    library = library_vae(**SHAPES[shape])
    ours = load_encoder(load_vae(library.config, library.state_dict(), CPU), saved(library, tmp_path), PLACE)
    assert isinstance(ours, OwnEncoder)
    assert torch.equal(ours.encode(IMAGE, is_lean=False), library.encode(IMAGE).latent_dist.mean)


@torch.no_grad()
@pytest.mark.parametrize("strip_numbers", [1, 3000, 2**24])
def test_strips_of_any_height_give_the_whole_picture_without_seams(
    strip_numbers: int, tmp_path: Path
) -> None:
    library = library_vae()
    ours = load_vae(library.config, library.state_dict(), CPU)
    encoder = load_encoder(ours, saved(library, tmp_path), PLACE)
    assert isinstance(ours, OwnVae)
    assert isinstance(encoder, OwnEncoder)
    for half, x in ((ours.decoder, LATENTS), (encoder.encoder, IMAGE)):
        whole = half(x)
        in_strips = run_in_strips(half, x, strip_numbers)
        assert (in_strips - whole).abs().max() <= 1e-5 * whole.abs().max()


def test_a_picture_with_little_memory_has_the_same_pixels_but_for_rounding(pipeline: Pipeline) -> None:
    whole = decode(pipeline._parts.vae, LATENTS).wait()
    lean = decode(pipeline._parts.vae, LATENTS, is_lean=True).wait()
    assert np.abs(whole.astype(int) - lean.astype(int)).max() <= 1
    assert np.array_equal(decode(pipeline._parts.vae, LATENTS).wait(), whole)


@torch.no_grad()
@pytest.mark.parametrize("unknown", ["use_post_quant_conv", "use_quant_conv"])
def test_an_unknown_variant_is_encoded_by_the_library(tmp_path: Path, unknown: str) -> None:
    """The first variant has a decoder that ours does not compute, the second an encoder."""
    library = library_vae(**{unknown: True})
    ours = load_vae(library.config, library.state_dict(), CPU)
    encoder = load_encoder(ours, saved(library, tmp_path), PLACE)
    assert isinstance(encoder, LibraryVae)
    assert isinstance(ours, LibraryVae) == (unknown == "use_post_quant_conv")
    expected = library.encode(IMAGE).latent_dist.mean
    assert torch.equal(encoder.encode(IMAGE, is_lean=False), expected)
    assert encoder.encode(IMAGE, is_lean=True).shape == expected.shape


@torch.no_grad()
def test_an_unknown_variant_is_decoded_by_the_library() -> None:
    library = library_vae(use_post_quant_conv=True)
    ours = load_vae(library.config, library.state_dict(), CPU)
    assert isinstance(ours, LibraryVae)
    expected = library.decode(LATENTS, return_dict=False)[0]
    assert torch.equal(ours.decode(LATENTS, is_lean=False), expected)
    assert ours.decode(LATENTS, is_lean=True).shape == expected.shape
    assert torch.equal(ours.decode(LATENTS, is_lean=False), expected), "tiles are for one picture only"


def test_missing_weights_are_named() -> None:
    config = json.loads((WEIGHTS / "vae" / "config.json").read_text(encoding="utf-8"))
    with pytest.raises(LookupError, match=r"the VAE lacks [0-9]+ tensors, among them decoder\."):
        load_vae(config, {}, CPU)


@torch.no_grad()
def test_a_checkpoint_without_an_encoder_is_noticed_when_one_is_needed(tmp_path: Path) -> None:
    library = library_vae()
    ours = load_vae(library.config, library.state_dict(), CPU)
    folder = saved(library, tmp_path)
    halved = {name: each for name, each in library.state_dict().items() if name.startswith("decoder.")}
    save_file(halved, folder / "vae" / "diffusion_pytorch_model.safetensors")
    with pytest.raises(LookupError, match=r"the VAE lacks [0-9]+ tensors, among them encoder\."):
        load_encoder(ours, folder, PLACE)


def test_the_built_in_vae_gives_a_picture_back(pipeline: Pipeline, draw: Any) -> None:
    """What a picture becomes by encoding alone bounds how close a picture can be that begins with it."""
    encoder = StartEncoder(pipeline._parts.vae, WEIGHTS, PLACE)
    missing = encoder.missing_bytes
    (png,) = draw(width_px=128, height_px=192).pngs
    pixels = np.array(Image.open(io.BytesIO(png)))
    latents = encoder.encode(pixels)
    assert (latents.shape, latents.dtype) == (LATENTS.shape, torch.float32)
    assert torch.equal(latents, encoder.encode(pixels))
    lean = encoder.encode(pixels, is_lean=True)
    assert (lean - latents).abs().max() <= 1e-4 * latents.abs().max()
    back = decode(pipeline._parts.vae, latents).wait()
    assert np.abs(back.astype(int) - pixels).mean() <= 4
    assert (missing > 2**20, encoder.missing_bytes) == (True, 0)


def test_pixels_are_bytes_of_the_pictures_shape(pipeline: Pipeline) -> None:
    pixels = decode(pipeline._parts.vae, LATENTS).wait()
    assert (pixels.shape, pixels.dtype) == ((192, 128, 3), np.uint8)


def test_one_value_that_is_not_finite_is_detected(pipeline: Pipeline) -> None:
    latents = LATENTS.clone()
    latents[0, 3, 2, 2] = float("nan")
    with pytest.raises(BlankPicture, match="not finite"):
        decode(pipeline._parts.vae, latents).wait()
