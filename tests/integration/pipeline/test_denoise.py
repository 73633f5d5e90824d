"""Pictures in a batch equal pictures drawn alone."""

from typing import Any

import pytest
import torch
from torch import Tensor

from engine.lora.adapter import LoraStack
from engine.lora.bank import Bank
from engine.lora.finder import LoraFinder
from engine.zimage.denoise import Denoiser, LatentRow
from engine.zimage.forward.forward import Forward
from engine.zimage.noise import draw_noise
from engine.zimage.schedule import ScheduleConfig, sigma_schedule
from tests.integration.pipeline.reference import (
    LIMIT,
    adapter_of,
    error_of,
    random_lora,
    stock_velocity,
)

EMBEDDING = torch.randn(70, 160, generator=torch.Generator().manual_seed(1))
# Of each picture: size in px, words of its prompt, steps, seed, LoRAs with strengths.
PICTURES = [
    ((64, 96), 20, 4, 1, [("a", 0.7)]),
    ((96, 64), 9, 3, 2, []),
    ((64, 64), 70, 5, 3, [("b", -1.0), ("a", 1.0)]),
    ((64, 96), 20, 4, 4, [("a", 0.7)]),
]
TURBO = ScheduleConfig(shift=2.0)  # of the built-in model


@pytest.fixture(scope="module")
def loras(forward: Forward) -> dict[str, dict[str, Tensor]]:
    return {"a": random_lora(forward, 1, 4), "b": random_lora(forward, 2, 3, "attention")}


@pytest.fixture
def denoiser(forward: Forward) -> Denoiser:
    return Denoiser(forward, Bank(forward.weights.matrices, LoraFinder()))


@pytest.fixture(scope="module")
def stacks(forward: Forward, loras: dict[str, dict[str, Tensor]]) -> list[LoraStack]:
    adapters = {name: adapter_of(forward, tensors) for name, tensors in loras.items()}
    return [tuple((adapters[name], strength) for name, strength in own) for *_, own in PICTURES]


def row_of(denoiser: Denoiser, stock_pipeline: Any, stacks: list[LoraStack], number: int) -> LatentRow:
    size, words, steps, seed, _ = PICTURES[number]
    caption = denoiser.refine_caption(EMBEDDING[:words], stacks[number])
    return LatentRow(caption, stacks[number], sigma_schedule(TURBO, steps), draw_noise(seed, 16, *size))


@pytest.fixture(scope="module")
def stock(stock_pipeline: Any, loras: dict[str, dict[str, Tensor]]) -> list[Tensor]:
    """The latents of each picture by the library's forward and the library's scheduler."""
    return [stock_latents(stock_pipeline, loras, number) for number in range(len(PICTURES))]


def stock_latents(stock_pipeline: Any, loras: dict[str, dict[str, Tensor]], number: int) -> Tensor:
    size, words, steps, seed, own = PICTURES[number]
    scheduler, latents = stock_pipeline.scheduler, draw_noise(seed, 16, *size)
    scheduler.set_timesteps(sigmas=torch.linspace(1, 1 / steps, steps).tolist())
    for moment in scheduler.timesteps:
        time = float((1000 - moment) / 1000)
        stack = [(loras[name], strength) for name, strength in own]
        velocity = stock_velocity(stock_pipeline, latents[0], time, EMBEDDING[:words], stack)
        latents = scheduler.step(-velocity[None], moment, latents, return_dict=False)[0]
    return latents


def finish(denoiser: Denoiser, rows: list[LatentRow]) -> None:
    for row in rows:
        denoiser.join(row)
    while not all(row.is_done for row in rows):
        denoiser.step()


@pytest.mark.parametrize("number", range(len(PICTURES)))
def test_one_picture_equals_the_stock_pipelines(
    denoiser: Denoiser, stock_pipeline: Any, stacks: list[LoraStack], stock: list[Tensor], number: int
) -> None:
    row = row_of(denoiser, stock_pipeline, stacks, number)
    finish(denoiser, [row])
    assert row.latents.shape == stock[number].shape
    assert error_of(row.latents, stock[number]) <= LIMIT


@pytest.mark.parametrize(
    "numbers", [[0, 3], [0, 1], [0, 1, 2, 3]], ids=["same LoRA", "one length", "any mix"]
)
def test_pictures_in_a_batch_equal_pictures_drawn_alone(
    denoiser: Denoiser, stock_pipeline: Any, stacks: list[LoraStack], stock: list[Tensor], numbers: list[int]
) -> None:
    rows = [row_of(denoiser, stock_pipeline, stacks, number) for number in numbers]
    finish(denoiser, rows)
    for row, number in zip(rows, numbers, strict=True):
        assert error_of(row.latents, stock[number]) <= LIMIT


def test_pictures_join_and_leave_between_steps(
    denoiser: Denoiser, stock_pipeline: Any, stacks: list[LoraStack], stock: list[Tensor]
) -> None:
    first = row_of(denoiser, stock_pipeline, stacks, 0)
    denoiser.join(first)
    denoiser.step()
    cancelled, late = (row_of(denoiser, stock_pipeline, stacks, number) for number in (1, 2))
    denoiser.step()  # not disturbed by what was merged to read the others' prompts
    denoiser.join(cancelled)
    denoiser.step()
    denoiser.leave(cancelled)
    denoiser.join(late)
    denoiser.step()
    assert (first.step, cancelled.step, late.step) == (4, 1, 1)
    assert first.is_done
    while not late.is_done:  # first has left by itself: another step of it would fail
        denoiser.step()
    assert (first.step, cancelled.step, late.step) == (4, 1, 5)
    denoiser.leave(first)
    assert error_of(first.latents, stock[0]) <= LIMIT
    assert error_of(late.latents, stock[2]) <= LIMIT
