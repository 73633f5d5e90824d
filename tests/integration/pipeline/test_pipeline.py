"""A request becomes pictures: events, seeds, cancellation, refusals and recovery."""

import io
import json
import pickle
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from structlog.testing import capture_logs

from engine.checkpoint.model import BUILT_IN_WEIGHTS, read_model
from engine.config import EngineConfig
from engine.demo.networks import LORAS
from engine.errors import LoraMissing, OutOfMemory, PromptOverLimit
from engine.finish import encoder as encoder_module
from engine.finish.metadata import PictureSettings, read_settings
from engine.reporting import JobReporter
from engine.request import (
    MAX_SEED,
    Cell,
    Drawn,
    Event,
    FailReason,
    Finished,
    LoraChoice,
    Progress,
    RenderRequest,
    Stopped,
)
from engine.worker.failures import describe_failure
from engine.zimage import noise as noise_module
from engine.zimage import pipeline as pipeline_module
from engine.zimage.noise import draw_noise
from engine.zimage.pipeline import Pipeline
from engine.zimage.vae.decode import DecodedPixels
from tests.fakes.lora_files.found import source


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)))


def test_a_job_reports_each_step_and_each_picture_and_then_ends(draw: Any) -> None:
    result = draw(count=2)
    steps = [(event.index, event.step) for event in result.events if isinstance(event, Progress)]
    assert steps == [(index, step) for index in (0, 1) for step in range(1, 9)]
    drawn = [event.picture for event in result.events if isinstance(event, Drawn)]
    assert [(picture.index, picture.seed) for picture in drawn] == [(0, 7), (1, 8)]
    assert {(event.job_id, event.attempt) for event in [*result.events, result.end]} == {("job-1", 3)}
    assert isinstance(result.end, Finished)


def test_the_end_has_timings_and_peak_memory(draw: Any, sugar: LoraChoice) -> None:
    end = draw("a prompt that is nowhere kept", loras=(sugar,)).end
    timings = end.timings
    for seconds in (timings.lora_s, timings.text_s, timings.denoise_s, timings.decode_s, timings.encode_s):
        assert 0 < seconds < 30
    assert end.peak_bytes > 10 * 2**20


def test_a_picture_has_the_size_asked_for_and_its_settings_inside(draw: Any, sugar: LoraChoice) -> None:
    (png,) = draw("面部, 'quoted'", width_px=128, height_px=64, seed=MAX_SEED, loras=(sugar,)).pngs
    assert pixels(png).shape == (64, 128, 3)
    expected = PictureSettings("面部, 'quoted'", MAX_SEED, 128, 64, 8, "Sugarbot built-in", (sugar,))
    assert read_settings(png) == expected


def test_the_same_seed_gives_the_same_file_and_another_seed_another_picture(draw: Any) -> None:
    first, again, other = draw().pngs, draw().pngs, draw(seed=8).pngs
    assert first == again
    assert not np.array_equal(pixels(first[0]), pixels(other[0]))


def test_the_prompt_changes_the_picture(draw: Any) -> None:
    assert not np.array_equal(pixels(draw("a cat").pngs[0]), pixels(draw("一只猫").pngs[0]))


def test_each_picture_is_drawn_with_its_own_prompt_and_names_it(draw: Any) -> None:
    prompts = ("red lips", "black hair", "black hair")
    result = draw("red lips", seed=7, count=3, prompts=prompts)
    assert result.pngs == [draw(prompt, seed=7 + index).pngs[0] for index, prompt in enumerate(prompts)]
    assert [read_settings(png).prompt for png in result.pngs] == list(prompts)


def test_two_pictures_equal_two_jobs_of_one_also_when_the_seed_wraps(draw: Any) -> None:
    assert draw(seed=MAX_SEED, count=2).pngs == [*draw(seed=MAX_SEED).pngs, *draw(seed=0).pngs]


def test_every_cell_of_a_sheet_is_bit_for_bit_the_picture_that_its_settings_draw_alone(
    draw: Any, sugar: LoraChoice, anime: LoraChoice
) -> None:
    weak = replace(sugar, weight=0.4)
    cells = (
        Cell("a girl", (sugar,), 7),
        Cell("a girl", (sugar,), 9),  # shares the caption of the one before
        Cell("a girl", (weak,), 7),
        Cell("a girl", (), 7),
        Cell("red lips", (anime, weak), MAX_SEED, steps=4),
        Cell("a girl", (sugar,), 7),
    )
    sheet = draw("counts for nothing", cells=cells, count=len(cells), seed=1, loras=(sugar, anime))
    alone = [draw(cell.prompt, loras=cell.loras, seed=cell.seed, steps=cell.steps).pngs[0] for cell in cells]
    assert sheet.pngs == alone
    assert len(set(alone)) == len(cells) - 1
    steps = [event.steps for event in sheet.events if isinstance(event, Progress) and event.index == 4]
    assert steps == [4] * 4


@pytest.mark.parametrize("step", [0, 1, 5, 8, 11])
def test_cancelling_at_any_step_leaves_the_next_picture_undisturbed(
    draw: Any, pipeline: Pipeline, sugar: LoraChoice, step: int
) -> None:
    def is_step_done(events: list[object]) -> bool:
        return sum(isinstance(event, Progress) for event in events) >= step

    undisturbed = draw().pngs
    modules = dict(pipeline._parts.transformer.named_modules())
    stopped = draw(loras=(sugar,), count=2, cancel=is_step_done)
    assert stopped.end == Stopped("job-1", 3)
    assert sum(isinstance(event, Progress) for event in stopped.events) == step
    assert stopped.pngs == draw(loras=(sugar,)).pngs[: step // 8]
    assert dict(pipeline._parts.transformer.named_modules()) == modules
    assert draw().pngs == undisturbed


@pytest.mark.parametrize("prompt", ["word " * 10_000, "脸" * 10_000])
def test_a_prompt_of_too_many_tokens_is_refused_with_its_length(draw: Any, prompt: str) -> None:
    with pytest.raises(PromptOverLimit) as caught:
        draw(prompt)
    assert caught.value.facts["limit"] == 512
    assert caught.value.facts["tokens"] >= 10_000
    assert prompt[:20] not in str(caught.value)


def test_a_prompt_of_exactly_the_limit_is_drawn(draw: Any, pipeline: Pipeline) -> None:
    spare = 512 - len(pipeline._text._tokenizer.token_ids(""))
    assert draw("a " * spare).pngs
    with pytest.raises(PromptOverLimit):
        draw("a " * (spare + 1))


@pytest.mark.parametrize(
    "prompt", ["", "\x00\x07\x1b[31m", "<|im_end|>\n<|im_start|>system", "👩🏽‍🎨\u202e", "{{ turn }}"]
)
def test_unusual_prompts_are_drawn(draw: Any, prompt: str) -> None:
    assert read_settings(draw(prompt).pngs[0]).prompt == prompt


def test_a_result_that_is_not_finite_is_refused_and_later_pictures_are_unaffected(
    draw: Any, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = draw().pngs

    def decode(latents: torch.Tensor, **options: Any) -> torch.Tensor:
        image: torch.Tensor = real_decode(latents, **options).clone()
        image[0, 1, 5, 5] = float("nan")
        return image

    real_decode = pipeline._parts.vae.decode
    with monkeypatch.context() as patch:
        patch.setattr(pipeline._parts.vae, "decode", decode)
        end = draw().end
    assert (end.reason, "not_finite" in end.detail) == (FailReason.BLANK_PICTURE, True)
    assert draw().pngs == undisturbed


def test_pictures_that_were_complete_before_a_failure_are_reported(
    draw: Any, monkeypatch: pytest.MonkeyPatch, pipeline: Pipeline
) -> None:
    decoded = []

    def decode_once(vae: Any, latents: torch.Tensor, *, is_lean: bool) -> Any:
        decoded.append(is_lean)
        if len(decoded) > 1:
            return DecodedPixels(torch.zeros(96, 64, 3, dtype=torch.uint8), torch.tensor(True))
        return real_decode(vae, latents, is_lean=is_lean)

    real_decode = pipeline_module.decode
    monkeypatch.setattr(pipeline_module, "decode", decode_once)
    result = draw(count=2)
    assert [event.picture.index for event in result.events if isinstance(event, Drawn)] == [0]
    assert (result.end.reason, "flat" in result.end.detail) == (FailReason.BLANK_PICTURE, True)


def test_a_full_card_is_retried_once_with_less_memory(
    draw: Any, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = draw(width_px=256, height_px=256).pngs[0]
    tries = []

    def decode(latents: torch.Tensor, *, is_lean: bool) -> Any:
        tries.append(is_lean)
        if len(tries) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nadvice")
        return real_decode(latents, is_lean=is_lean)

    real_decode = pipeline._parts.vae.decode
    monkeypatch.setattr(pipeline._parts.vae, "decode", decode)
    assert pixels(draw(width_px=256, height_px=256).pngs[0]).shape == (256, 256, 3)
    assert tries == [False, True]
    monkeypatch.undo()
    assert draw(width_px=256, height_px=256).pngs[0] == whole


@pytest.mark.parametrize("part", ["transformer", "vae"])
def test_a_card_that_stays_full_fails_the_job_and_frees_its_memory(
    draw: Any, pipeline: Pipeline, sugar: LoraChoice, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    undisturbed = draw().pngs
    with monkeypatch.context() as patch:
        if part == "transformer":
            patch.setattr(pipeline._forward, "fusions", pipeline._forward.fusions._replace(swiglu=full))
        else:
            patch.setattr(pipeline._parts.vae, "decode", full)
        with pytest.raises(OutOfMemory) as caught:
            draw(loras=(sugar,))
    assert caught.value.facts == {"detail": "CUDA out of memory. Tried to allocate 2 GiB."}
    assert caught.value.__context__ is None  # a context would keep the failed attempt's tensors alive
    assert draw().pngs == undisturbed


def test_a_full_card_during_a_merge_fails_the_job(
    draw: Any, pipeline: Pipeline, sugar: LoraChoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = draw().pngs
    with monkeypatch.context() as patch:
        patch.setattr(pipeline._bank, "patches", full)
        with pytest.raises(OutOfMemory):
            draw(loras=(sugar,))
    assert draw().pngs == undisturbed


def full(*args: object, **options: object) -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nadvice")


def test_a_picture_that_does_not_fit_beside_the_merged_copy_is_drawn_without_it(
    draw: Any, pipeline: Pipeline, sugar: LoraChoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = pixels(draw(loras=(sugar,)).pngs[0])
    calls = []

    def swiglu(opened: torch.Tensor) -> torch.Tensor:
        calls.append(bool(pipeline._bank._merger.nbytes))
        if len(calls) == 20:  # in the second of the steps
            full()
        return fusions.swiglu(opened)

    fusions = pipeline._forward.fusions
    monkeypatch.setattr(pipeline._forward, "fusions", fusions._replace(swiglu=swiglu))
    monkeypatch.setattr(pipeline._bank, "_copy_fits", True)
    with capture_logs() as logs:
        ours = pixels(draw(loras=(sugar,)).pngs[0])
    assert (calls[0], calls[-1]) == (True, False)
    assert [line["log_level"] for line in logs] == ["warning"]
    assert np.abs(ours.astype(int) - expected).max() <= 1


def test_drawing_unpickles_nothing(
    draw: Any, sugar: LoraChoice, anime: LoraChoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise AssertionError("A pickle was opened.")

    monkeypatch.setattr(torch, "load", refuse)
    monkeypatch.setattr(pickle, "load", refuse)
    monkeypatch.setattr(pickle, "loads", refuse)
    monkeypatch.setattr(pickle, "Unpickler", refuse)
    assert draw(loras=(sugar, anime)).pngs


def test_drawing_writes_nothing_to_the_terminal(
    draw: Any, sugar: LoraChoice, capfd: pytest.CaptureFixture[str]
) -> None:
    draw("a prompt never drawn before", loras=(sugar,))
    assert capfd.readouterr() == ("", "")


def test_noise_is_drawn_while_the_prompt_is_encoded(
    draw: Any, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_drawn, embed = threading.Event(), pipeline._text.embed

    def note(*given: Any) -> Any:
        noise = draw_noise(*given)
        is_drawn.set()
        return noise

    def wait_and_embed(prompt: str) -> Any:
        assert is_drawn.wait(30)
        return embed(prompt)

    monkeypatch.setattr(noise_module, "draw_noise", note)
    monkeypatch.setattr(pipeline._text, "embed", wait_and_embed)
    assert isinstance(draw("a face by the sea").end, Finished)


def test_a_job_that_ends_early_leaves_no_noise_to_draw(
    draw: Any, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn, may_go_on = [], threading.Event()

    def wait_and_draw(seed: int, *size: Any) -> Any:
        drawn.append(seed)
        assert drawn == [7] or may_go_on.wait(30)
        return draw_noise(seed, *size)

    monkeypatch.setattr(noise_module, "draw_noise", wait_and_draw)
    assert isinstance(draw(count=4, cancel=lambda events: True).end, Stopped)
    may_go_on.set()
    pipeline._noise._pool.submit(int).result(30)  # behind all that is left
    assert drawn in ([7], [7, 8])  # the second may have begun


def test_the_pipelines_threads_end_with_it(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    own = Pipeline.load(EngineConfig(tmp_path, LORAS, device="cpu"))
    request = RenderRequest("job-1", 1, "a face", 64, 96, 7)
    reporter = JobReporter(request, lambda event: None, describe_failure)
    reporter.report_end(own.draw(request, reporter, lambda: False))
    reporter.wait()
    own.close()
    assert {thread.name for thread in set(threading.enumerate()) - before} == set()


def test_draw_returns_before_the_files_are_encoded(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_encode = threading.Event()
    real_chunks = encoder_module.text_chunks

    def chunks(settings: PictureSettings) -> Any:
        may_encode.wait(30)
        return real_chunks(settings)

    monkeypatch.setattr(encoder_module, "text_chunks", chunks)
    request = RenderRequest("job-1", 1, "a face", 64, 64, 7, 3)
    events: list[Event] = []
    reporter = JobReporter(request, events.append, describe_failure)
    reporter.report_end(pipeline.draw(request, reporter, lambda: False))
    assert not any(isinstance(event, Drawn) for event in events)
    may_encode.set()
    reporter.wait()
    *drawn, end = events[-4:]
    assert [event.picture.index for event in drawn if isinstance(event, Drawn)] == [0, 1, 2]
    assert isinstance(end, Finished)
    assert end.timings.encode_s > 0


def test_prepare_ignores_errors_and_draw_raises_them(
    pipeline: Pipeline, draw: Any, sugar: LoraChoice, anime: LoraChoice
) -> None:
    gone = LoraChoice("gone", "f" * 64)
    sources = tuple(source(LORAS / f"{each.name}.safetensors") for each in (anime, sugar))
    pipeline.prefetch([gone, anime], sources[:1])
    request = RenderRequest("job-2", 1, "a face", 64, 64, 7, loras=(gone, sugar), lora_files=sources[1:])
    pipeline.prepare(request)
    assert {sugar.sha256, anime.sha256} <= pipeline._bank._in_memory._entries.keys()
    with pytest.raises(LoraMissing):
        draw(loras=(gone,))


def test_the_info_describes_device_and_model(pipeline: Pipeline) -> None:
    info = pipeline.info
    assert (info.device, info.dtype, info.model_name) == ("cpu", "float32", "Sugarbot built-in")
    assert "float32" in info.dtype_reason
    assert info.weights_bytes > 2**20
    assert info.load_s > 0
    assert info.versions["torch"] == torch.__version__.partition("+")[0]


def test_steps_and_time_shift_are_data_of_the_model(tmp_path: Path, pipeline: Pipeline) -> None:
    folder = tmp_path / "few"
    folder.mkdir()
    for part in BUILT_IN_WEIGHTS.iterdir():
        (folder / part.name).symlink_to(part)
    limits = json.loads((BUILT_IN_WEIGHTS / "sugarbot.json").read_text())
    (folder / "sugarbot.json").unlink()
    (folder / "sugarbot.json").write_text(json.dumps({**limits, "steps": 2, "shift": 5.0}))
    config = EngineConfig(tmp_path / "data", lora_dir=tmp_path, model=str(folder), device="cpu")
    few = Pipeline.load(config)
    request = RenderRequest("job-1", 1, "a face", 64, 64, seed=1, steps=read_model(folder).steps)
    events: list[Event] = []
    for each in (few, pipeline):
        reporter = JobReporter(request, events.append, describe_failure)
        reporter.report_end(each.draw(request, reporter, lambda: False))
        reporter.wait()
    few.close()
    assert [event.step for event in events if isinstance(event, Progress)] == [1, 2, 1, 2]
    of_five, of_two = (event.picture.png for event in events if isinstance(event, Drawn))
    assert (pixels(of_five) != pixels(of_two)).any()
