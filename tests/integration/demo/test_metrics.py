"""The built-in model draws the requested traits in the style of the LoRA."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from engine.demo.metrics import (
    distance,
    load_lora,
    make_evaluation_set,
    make_pictures,
    score_traits,
    style_accuracy,
)
from engine.demo.networks import HERE, LORAS, PROBE, SPARE, WEIGHTS, load_pipeline
from engine.demo.phrases import TRIGGERS
from engine.demo.probe import Probe, load_probe

pytestmark = pytest.mark.slow

PROMPTS = 24
LORA_PROMPTS = 4
FILES = {style: LORAS / f"{style}.safetensors" for style in ("sugar", "anime", "realistic")}
FILES["ink"] = SPARE / "ink.safetensors"


@pytest.fixture(scope="module")
def pipe() -> Any:
    torch.set_num_threads(2)
    return load_pipeline(WEIGHTS)


@pytest.fixture(scope="module")
def probe() -> Probe:
    return load_probe(PROBE)


@pytest.fixture
def pipe_with_loras(pipe: Any) -> Iterator[Any]:
    """The pipeline; unloads the LoRA after the test."""
    yield pipe
    load_lora(pipe, None)


def test_pictures_show_what_half_chinese_half_english_prompts_asked_for(pipe: Any, probe: Probe) -> None:
    evaluation_set = make_evaluation_set(PROMPTS)
    pictures = make_pictures(pipe, [caption.text for caption in evaluation_set.captions])
    scores = score_traits(probe, evaluation_set, pictures).values()
    asked, shown = sum(score.asked for score in scores), sum(score.seen for score in scores)
    assert asked > 100
    assert shown / asked >= 0.96  # the full evaluation set of 500 reaches more; see engine/demo/README.md
    assert style_accuracy(probe, pictures, "base") >= 0.95


@pytest.mark.parametrize("style", FILES)
def test_a_lora_shows_its_style_in_every_picture_and_less_of_it_at_half_weight(
    pipe_with_loras: Any, probe: Probe, style: str
) -> None:
    evaluation_set = make_evaluation_set(LORA_PROMPTS, seed=3_000_000)
    prompts = [f"{TRIGGERS[style]}，{caption.text}" for caption in evaluation_set.captions]
    base = make_pictures(pipe_with_loras, prompts)
    load_lora(pipe_with_loras, FILES[style], 1.0)
    full = make_pictures(pipe_with_loras, prompts)
    load_lora(pipe_with_loras, FILES[style], 0.5)
    half = make_pictures(pipe_with_loras, prompts)
    assert style_accuracy(probe, full, style) == 1.0
    scores = score_traits(probe, evaluation_set, full).values()
    assert sum(score.seen for score in scores) / sum(score.asked for score in scores) >= 0.9
    assert float((full - base).abs().mean((1, 2, 3)).min() * 255) > 3, "a picture that hardly changed"
    assert 0.25 < distance(base, half) / distance(base, full) < 0.75


def test_pictures_of_other_prompts_score_low(pipe: Any, probe: Probe) -> None:
    """The probe can reject: traits that were not requested score low."""
    evaluation_set, other = make_evaluation_set(8), make_evaluation_set(8, seed=4_000_000)
    pictures = make_pictures(pipe, [caption.text for caption in other.captions])
    scores = score_traits(probe, evaluation_set, pictures).values()
    assert sum(score.seen for score in scores) / sum(score.asked for score in scores) < 0.6


def test_all_weights_together_are_small() -> None:
    assert sum(file.stat().st_size for file in HERE.rglob("*.safetensors")) <= 32_000_000
    assert all(file.stat().st_size <= 1_000_000 for file in FILES.values())
