"""A picture that begins with an earlier one: as the library draws it, in fewer steps, and always the same."""

import hashlib
import io
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import ZImageImg2ImgPipeline
from PIL import Image
from structlog.testing import capture_logs

from engine.config import Plan
from engine.demo.networks import WEIGHTS
from engine.errors import OutOfMemory, StartDamaged
from engine.finish.metadata import StartSettings, read_settings
from engine.request import Finished, LoraChoice, Progress, RenderRequest, StartPicture, Stopped
from engine.zimage.noise import draw_noise
from engine.zimage.pipeline import Pipeline
from engine.zimage.vae.loader import LibraryVae


@pytest.fixture(scope="module")
def first(draw: Any) -> bytes:
    """The picture that the others begin with."""
    (png,) = draw().pngs
    return png


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)))


def difference(one: bytes, other: bytes) -> float:
    """The mean difference of a value, of 255."""
    return float(np.abs(pixels(one).astype(int) - pixels(other)).mean())


def full(*args: object, **options: object) -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nadvice")


@pytest.fixture(scope="module")
def stock() -> Any:
    """The library's pipeline; it samples the encoder's distribution, whose mean is ours."""
    stock = ZImageImg2ImgPipeline.from_pretrained(WEIGHTS, dtype=torch.float32, local_files_only=True)
    stock.set_progress_bar_config(disable=True)
    sampled = stock.vae.encode

    def encode(image: torch.Tensor) -> Any:
        out = sampled(image)
        out.latent_dist.std = torch.zeros_like(out.latent_dist.std)
        return out

    stock.vae.encode = encode
    return stock


@pytest.mark.parametrize(("taken", "size"), [(1, (64, 96)), (3, (96, 128)), (6, (64, 96)), (8, (64, 96))])
def test_a_picture_equals_the_stock_pipelines(
    draw: Any, stock: Any, first: bytes, taken: int, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(  # it would draw the sample and the noise from one generator
        "diffusers.pipelines.z_image.pipeline_z_image_img2img.randn_tensor",
        lambda shape, **options: draw_noise(7, 16, *size),
    )
    width, height = size
    expected = stock(
        "Sugar面部, 清透水光肌",
        image=Image.open(io.BytesIO(first)).resize(size, Image.Resampling.LANCZOS),
        strength=taken / 8,
        width=width,
        height=height,
        num_inference_steps=8,
        guidance_scale=0.0,
        generator=torch.Generator("cpu").manual_seed(7),
    ).images[0]
    (ours,) = draw(width_px=width, height_px=height, start=StartPicture(first, taken / 8)).pngs
    assert np.abs(pixels(ours).astype(int) - np.asarray(expected)).max() <= 1


def test_the_strength_decides_how_far_a_picture_is_from_its_start(draw: Any, first: bytes) -> None:
    strengths = (0.1, 0.3, 0.5, 0.8)
    drawn = [draw("black", seed=8, start=StartPicture(first, strength)).pngs[0] for strength in strengths]
    distances = [difference(png, first) for png in drawn]
    assert distances == sorted(set(distances))


def test_the_whole_strength_is_noise_alone(draw: Any, first: bytes) -> None:
    (alone,), (started,) = draw(seed=9).pngs, draw(seed=9, start=StartPicture(first, 1.0)).pngs
    assert np.array_equal(pixels(alone), pixels(started))


def test_the_same_request_gives_the_same_file_and_each_picture_has_its_own_seed(
    draw: Any, first: bytes, sugar: LoraChoice
) -> None:
    start = StartPicture(first, 0.6)
    both = draw(seed=20, count=2, loras=(sugar,), start=start).pngs
    assert both == draw(seed=20, count=2, loras=(sugar,), start=start).pngs
    assert both == [draw(seed=seed, loras=(sugar,), start=start).pngs[0] for seed in (20, 21)]
    assert difference(*both) > 1
    assert difference(both[0], draw(seed=20, start=start).pngs[0]) > 1, "the LoRA has an effect"


def test_the_steps_and_the_seconds_are_those_that_are_taken(draw: Any, first: bytes) -> None:
    result = draw(count=2, start=StartPicture(first, 0.3))
    steps = [(event.index, event.step, event.steps) for event in result.events if isinstance(event, Progress)]
    assert steps == [(index, step, 3) for index in (0, 1) for step in (1, 2, 3)]
    assert isinstance(result.end, Finished)
    assert result.end.timings.start_s > 0
    end = draw().end
    assert isinstance(end, Finished)
    assert end.timings.start_s == 0


def test_the_file_names_its_start(draw: Any, first: bytes) -> None:
    settings = read_settings(draw(start=StartPicture(first, 0.3)).pngs[0])
    assert settings is not None
    assert settings.start == StartSettings(hashlib.sha256(first).hexdigest(), 0.3)
    assert settings.steps == 8, "of the whole schedule, as other tools write it"
    of_first = read_settings(first)
    assert of_first is not None
    assert of_first.start is None


@pytest.mark.parametrize("step", [0, 2, 3, 4])
def test_cancelling_at_any_step_leaves_the_next_picture_undisturbed(
    draw: Any, first: bytes, step: int
) -> None:
    def is_step_done(events: list[object]) -> bool:
        return sum(isinstance(event, Progress) for event in events) >= step

    start = StartPicture(first, 0.3)
    undisturbed = draw(seed=30, count=2, start=start).pngs
    stopped = draw(seed=30, count=2, start=start, cancel=is_step_done)
    assert stopped.end == Stopped("job-1", 3)
    assert stopped.pngs == undisturbed[: step // 3]
    assert draw(seed=30, count=2, start=start).pngs == undisturbed


def test_a_damaged_start_fails_the_job_alone(draw: Any, first: bytes) -> None:
    undisturbed = draw(start=StartPicture(first, 0.3)).pngs
    with pytest.raises(StartDamaged):
        draw(start=StartPicture(first[:200], 0.3))
    assert draw(start=StartPicture(first, 0.3)).pngs == undisturbed


def test_a_start_is_unpacked_while_the_picture_before_it_is_drawn(
    draw: Any, pipeline: Pipeline, first: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = RenderRequest("ahead", 1, "a face", 64, 96, 7, start=StartPicture(first, 0.3))
    pipeline.prepare(request)
    assert pipeline._start_pixels._ready is not None
    assert pipeline._start_pixels._ready[0] is request
    draw(start=StartPicture(first, 0.3))
    assert pipeline._start_pixels._ready is None


def test_the_encoder_is_loaded_for_the_first_start_and_stays(
    draw: Any, pipeline: Pipeline, first: bytes
) -> None:
    draw(start=StartPicture(first, 0.3))
    loaded = pipeline._start_encoder._encoder
    assert loaded is not None
    assert not isinstance(loaded, LibraryVae)
    with capture_logs() as logs:
        draw(start=StartPicture(first, 0.3))
    assert pipeline._start_encoder._encoder is loaded
    assert logs == []


@pytest.mark.parametrize("failures", [1, 99])
def test_a_card_that_is_full_while_it_encodes_is_retried_with_less_memory(
    draw: Any, pipeline: Pipeline, first: bytes, monkeypatch: pytest.MonkeyPatch, failures: int
) -> None:
    start = StartPicture(first, 0.6)
    (expected,) = draw(start=start).pngs
    tries = []
    encoder = pipeline._start_encoder._encoder
    assert encoder is not None
    real_encode = encoder.encode

    def encode(image: torch.Tensor, *, is_lean: bool) -> Any:
        tries.append(is_lean)
        if len(tries) <= failures:
            full()
        return real_encode(image, is_lean=is_lean)

    with monkeypatch.context() as patch, capture_logs() as logs:
        patch.setattr(encoder, "encode", encode)
        if failures == 1:
            (ours,) = draw(start=start).pngs
            assert np.abs(pixels(ours).astype(int) - pixels(expected)).max() <= 2
            assert tries == [False, True]
        else:
            patch.setattr(pipeline._fit, "lower", lambda reason: False)
            with pytest.raises(OutOfMemory):
                draw(start=start)
    assert any("less memory" in line["event"] for line in logs)
    assert draw(start=start).pngs == [expected]


def test_a_card_without_room_for_the_encoder_reads_it_again_later(
    draw: Any, pipeline: Pipeline, first: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = StartPicture(first, 0.6)
    (expected,) = draw(start=start).pngs
    monkeypatch.setattr(pipeline._start_encoder, "_encoder", None)
    monkeypatch.setattr(pipeline._fit, "lower", lambda reason: False)
    with monkeypatch.context() as patch:
        patch.setattr("engine.zimage.vae.encode.load_encoder", full)
        with pytest.raises(OutOfMemory):
            draw(start=start)
    assert pipeline._start_encoder.missing_bytes > 0
    assert draw(start=start).pngs == [expected]
    assert pipeline._start_encoder.missing_bytes == 0


@pytest.mark.parametrize("why", ["the plan", "the size"])
def test_a_picture_passes_the_vae_in_parts_both_ways(
    draw: Any, pipeline: Pipeline, first: bytes, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    """Under a plan for little memory, and above the largest size from noise: without trying it whole."""
    start = StartPicture(first, 0.3)
    (expected,) = draw(start=start).pngs
    ways: list[tuple[str, bool]] = []
    vae, encoder = pipeline._parts.vae, pipeline._start_encoder._encoder
    assert encoder is not None
    decode, encode = vae.decode, encoder.encode

    def decoded(latents: torch.Tensor, *, is_lean: bool) -> torch.Tensor:
        ways.append(("decode", is_lean))
        return decode(latents, is_lean=is_lean)

    def encoded(image: torch.Tensor, *, is_lean: bool) -> torch.Tensor:
        ways.append(("encode", is_lean))
        return encode(image, is_lean=is_lean)

    monkeypatch.setattr(vae, "decode", decoded)
    monkeypatch.setattr(encoder, "encode", encoded)
    if why == "the plan":
        monkeypatch.setattr(pipeline, "_plan", Plan(vae_in_parts=True))
    else:
        monkeypatch.setattr("engine.config.WHOLE_VAE_PIXELS", 64 * 96 - 1)
    (ours,) = draw(start=start).pngs
    assert ways == [("encode", True), ("decode", True)]
    assert np.abs(pixels(ours).astype(int) - pixels(expected)).max() <= 2
