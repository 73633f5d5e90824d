"""Our pipeline draws the same pictures as diffusers' from the same weights and noise.

They are not bit-identical: our matrices are fused, and one wide product rounds differently than three narrow
ones. In float32 a pixel's value sometimes rounds to the other side of a half, never further.
"""

import io
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import ZImagePipeline
from PIL import Image
from safetensors.torch import load_file

from engine.demo.networks import LORAS, WEIGHTS
from engine.lora.bank import Bank
from engine.lora.finder import LoraFinder
from engine.request import LoraChoice
from engine.zimage.denoise import Denoiser, LatentRow
from engine.zimage.device import Placement, choose_placement
from engine.zimage.forward.forward import Forward
from engine.zimage.model_loader import load_pipeline
from engine.zimage.noise import draw_noise
from engine.zimage.schedule import sigma_schedule
from engine.zimage.text.prompt import Text
from engine.zimage.vae.decode import decode


@pytest.fixture(scope="module")
def stock() -> Any:
    stock_pipeline = ZImagePipeline.from_pretrained(WEIGHTS, dtype=torch.float32, local_files_only=True)
    stock_pipeline.set_progress_bar_config(disable=True)
    return stock_pipeline


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


def furthest(one: np.ndarray, other: np.ndarray) -> int:
    """The largest difference of a pixel's value, of 255."""
    return int(np.abs(one.astype(int) - other.astype(int)).max())


@pytest.mark.parametrize(
    ("prompt", "size", "seed"),
    [("Sugar面部, 清透水光肌", (128, 192), 7), ("a face", (64, 256), 2**32 - 1), ("", (80, 112), 0)],
)
def test_a_picture_equals_the_stock_pipelines(
    draw: Any, stock: Any, prompt: str, size: tuple[int, int], seed: int
) -> None:
    (png,) = draw(prompt, width_px=size[0], height_px=size[1], seed=seed).pngs
    ours = np.asarray(Image.open(io.BytesIO(png)))
    assert furthest(ours, stock_picture(stock, prompt, size, seed)) <= 1


def test_a_picture_with_a_lora_equals_the_stock_pipelines(draw: Any, stock: Any, sugar: LoraChoice) -> None:
    stock.load_lora_weights(load_file(LORAS / "sugar.safetensors"), adapter_name="sugar")
    stock.set_adapters(["sugar"], adapter_weights=[sugar.weight])
    try:
        expected = stock_picture(stock, "a face", (64, 96), 7)
    finally:
        stock.unload_lora_weights()
    (png,) = draw("a face", loras=(sugar,)).pngs
    assert furthest(np.asarray(Image.open(io.BytesIO(png))), expected) <= 1
    assert furthest(expected, stock_picture(stock, "a face", (64, 96), 7)) > 20


def test_in_bfloat16_the_latents_equal_the_stock_pipelines_within_the_formats_precision() -> None:
    """Cards draw in bfloat16, where a different order of sums changes the third digit."""
    place = Placement(torch.device("cpu"), "CPU", torch.bfloat16, "a card's format")
    parts = load_pipeline(WEIGHTS, place)
    stock_pipeline = ZImagePipeline.from_pretrained(WEIGHTS, dtype=torch.bfloat16, local_files_only=True)
    noise = draw_noise(7, 16, 64, 96)
    options = {"width": 64, "height": 96, "num_inference_steps": 8, "guidance_scale": 0.0, "latents": noise}
    stock = stock_pipeline("a face", output_type="latent", **options).images
    stock_pixels = np.asarray(stock_pipeline("a face", **options).images[0])
    forward = Forward(stock_pipeline.transformer)
    denoiser = Denoiser(forward, Bank(forward.weights.matrices, LoraFinder()))
    caption = denoiser.refine_caption(Text(parts.tokenizer, parts.text_encoder).embed("a face"), ())
    row = LatentRow(caption, (), sigma_schedule(parts.schedule, 8), noise)
    denoiser.join(row)
    while not row.is_done:
        denoiser.step()
    assert (row.latents - stock).norm() / stock.norm() <= 2e-2
    pixels = decode(parts.vae, row.latents).wait()
    assert furthest(pixels, stock_pixels) <= 8


@pytest.mark.parametrize("prompt", ["", "a face", "Sugar面部, 清透水光肌, " * 20])
def test_a_prompts_embedding_equals_the_stock_pipelines(stock: Any, prompt: str) -> None:
    (expected,), _ = stock.encode_prompt(prompt, device="cpu", do_classifier_free_guidance=False)
    parts = load_pipeline(WEIGHTS, choose_placement("cpu"))
    ours = Text(parts.tokenizer, parts.text_encoder).embed(prompt)
    assert ours.shape == expected.shape
    assert (ours - expected).norm() / expected.norm() <= 1e-5


def test_noise_depends_on_seed_and_size_alone() -> None:
    noise = draw_noise(7, 16, 64, 96)
    assert noise.shape == (1, 16, 12, 8)
    assert noise.dtype == torch.float32
    torch.manual_seed(1)
    assert torch.equal(noise, draw_noise(7, 16, 64, 96))
    assert torch.equal(draw_noise(2**32, 16, 64, 96), draw_noise(0, 16, 64, 96))
    assert not torch.equal(noise, draw_noise(8, 16, 64, 96))
