"""What the built-in model draws is what was asked, in the style of the LoRA that was asked for."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from engine.demo.judge import distance, make_pictures, mark, set_exam, style_share, wear
from engine.demo.nets import HERE, LORAS, PROBE, SPARE, WEIGHTS, load_pipeline
from engine.demo.phrases import TRIGGERS
from engine.demo.probe import Probe, load_probe

pytestmark = pytest.mark.slow

PROMPTS = 24
LORA_PROMPTS = 6
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
def wearing(pipe: Any) -> Iterator[Any]:
    """The pipeline, with whatever LoRA a test puts on it taken off again."""
    yield pipe
    wear(pipe, None)


def test_pictures_show_what_half_chinese_half_english_prompts_asked_for(pipe: Any, probe: Probe) -> None:
    exam = set_exam(PROMPTS)
    pictures = make_pictures(pipe, [caption.text for caption in exam.captions])
    tallies = mark(probe, exam, pictures).values()
    asked, shown = sum(tally.asked for tally in tallies), sum(tally.seen for tally in tallies)
    assert asked > 100
    assert shown / asked >= 0.96  # the whole exam of 500 reaches more; see engine/demo/README.md
    assert style_share(probe, pictures, "base") >= 0.95


@pytest.mark.parametrize("style", FILES)
def test_a_lora_shows_its_style_in_every_picture_and_less_of_it_at_half_weight(
    wearing: Any, probe: Probe, style: str
) -> None:
    exam = set_exam(LORA_PROMPTS, seed=3_000_000)
    prompts = [f"{TRIGGERS[style]}，{caption.text}" for caption in exam.captions]
    base = make_pictures(wearing, prompts)
    wear(wearing, FILES[style], 1.0)
    full = make_pictures(wearing, prompts)
    wear(wearing, FILES[style], 0.5)
    half = make_pictures(wearing, prompts)
    assert style_share(probe, full, style) == 1.0
    tallies = mark(probe, exam, full).values()
    assert sum(tally.seen for tally in tallies) / sum(tally.asked for tally in tallies) >= 0.9
    assert float((full - base).abs().mean((1, 2, 3)).min() * 255) > 3, "a picture that hardly changed"
    assert 0.25 < distance(base, half) / distance(base, full) < 0.75


def test_another_prompt_with_the_same_seed_is_marked_down(pipe: Any, probe: Probe) -> None:
    """The judge can say no: what nobody asked for is not seen."""
    exam, other = set_exam(8), set_exam(8, seed=4_000_000)
    pictures = make_pictures(pipe, [caption.text for caption in other.captions])
    tallies = mark(probe, exam, pictures).values()
    assert sum(tally.seen for tally in tallies) / sum(tally.asked for tally in tallies) < 0.6


def test_all_weights_together_are_small() -> None:
    assert sum(file.stat().st_size for file in HERE.rglob("*.safetensors")) <= 32_000_000
    assert all(file.stat().st_size <= 1_000_000 for file in FILES.values())
