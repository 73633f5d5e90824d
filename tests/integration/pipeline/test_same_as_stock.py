"""Our loop draws what diffusers' own pipeline draws, from the same weights and noise."""

import io
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import ZImagePipeline
from PIL import Image
from safetensors.torch import load_file

from engine.demo.nets import LORAS, WEIGHTS
from engine.request import LoraChoice
from engine.zimage.denoise import denoise, draw_noise
from engine.zimage.load import Place, load_pipeline
from engine.zimage.text import Text
from engine.zimage.vae import decode


@pytest.fixture(scope="module")
def stock() -> Any:
    pipeline = ZImagePipeline.from_pretrained(WEIGHTS, dtype=torch.float32, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def stock_picture(stock: Any, prompt: str, size: tuple[int, int], seed: int) -> np.ndarray:
    image = stock(
        prompt,
        width=size[0],
        height=size[1],
        num_inference_steps=8,
        guidance_scale=0.0,
        generator=torch.Generator("cpu").manual_seed(seed),
    ).images[0]
    return np.asarray(image)


@pytest.mark.parametrize(
    ("prompt", "size", "seed"),
    [("Sugar面部, 清透水光肌", (128, 192), 7), ("a face", (64, 256), 2**32 - 1), ("", (80, 112), 0)],
)
def test_a_picture_equals_the_stock_pipelines(
    draw: Any, stock: Any, prompt: str, size: tuple[int, int], seed: int
) -> None:
    (png,) = draw(prompt, width_px=size[0], height_px=size[1], seed=seed).pngs
    ours = np.asarray(Image.open(io.BytesIO(png)))
    assert np.array_equal(ours, stock_picture(stock, prompt, size, seed))


def test_a_picture_with_a_lora_equals_the_stock_pipelines(draw: Any, stock: Any, sugar: LoraChoice) -> None:
    stock.load_lora_weights(load_file(LORAS / "sugar.safetensors"), adapter_name="sugar")
    stock.set_adapters(["sugar"], adapter_weights=[sugar.weight])
    try:
        expected = stock_picture(stock, "a face", (64, 96), 7)
    finally:
        stock.unload_lora_weights()
    (png,) = draw("a face", loras=(sugar,)).pngs
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(png))), expected)
    assert not np.array_equal(expected, stock_picture(stock, "a face", (64, 96), 7))


def test_in_bfloat16_the_latents_equal_the_stock_pipelines_and_the_pixels_nearly() -> None:
    """Cards draw in bfloat16; our pixels leave it a step earlier than stock's, and so round less."""
    place = Place(torch.device("cpu"), "CPU", torch.bfloat16, "a card's format")
    pipeline = load_pipeline(WEIGHTS, place)
    noise = draw_noise(7, 16, 64, 96)
    *_, ours = denoise(pipeline, Text(pipeline, place.device).embed("a face"), noise, 8)
    options = {"width": 64, "height": 96, "num_inference_steps": 8, "guidance_scale": 0.0, "latents": noise}
    assert torch.equal(ours, pipeline("a face", output_type="latent", **options).images)
    pixels, is_finite = decode(pipeline.vae, ours)
    stock = np.asarray(pipeline("a face", **options).images[0]).astype(int)
    assert is_finite
    assert np.abs(pixels.astype(int) - stock).max() <= 2


def test_noise_depends_on_seed_and_size_alone() -> None:
    noise = draw_noise(7, 16, 64, 96)
    assert noise.shape == (1, 16, 12, 8)
    assert noise.dtype == torch.float32
    torch.manual_seed(1)
    assert torch.equal(noise, draw_noise(7, 16, 64, 96))
    assert torch.equal(draw_noise(2**32, 16, 64, 96), draw_noise(0, 16, 64, 96))
    assert not torch.equal(noise, draw_noise(8, 16, 64, 96))
