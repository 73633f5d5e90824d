"""LoRAs have an effect on one job only."""

import hashlib
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from engine.checkpoint.contents import linear_shapes, vector_lengths
from engine.demo.networks import LORAS, WEIGHTS
from engine.errors import LoraDamaged, LoraMissing, LoraRejected
from engine.lora import bank as bank_module
from engine.lora.adapter import Adapter
from engine.lora.bank import AdapterCache
from engine.lora.finder import FoundFile
from engine.request import LoraChoice, LoraSource, Progress
from engine.shelf import MAX_FILE_BYTES, LoraFile
from engine.zimage.pipeline import Pipeline


def state_of(pipeline: Pipeline) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in pipeline._parts.transformer.state_dict().items()}


@pytest.fixture
def put(lora_dir: Path) -> Callable[..., LoraChoice]:
    """Write a file of these tensors to the host's LoRA folder."""
    laid = []

    def put(name: str, tensors: dict[str, torch.Tensor], weight: float = 1.0) -> LoraChoice:
        path = lora_dir / f"{name}.safetensors"
        laid.append(path)
        save_file(tensors, path)
        return LoraChoice(name, hashlib.sha256(path.read_bytes()).hexdigest(), weight)

    yield put
    for path in laid:
        path.unlink(missing_ok=True)


@pytest.fixture(scope="module")
def tensors() -> dict[str, torch.Tensor]:
    """The tensors of the sugar LoRA, in peft's layout with diffusers' prefix."""
    return load_file(LORAS / "sugar.safetensors")


def test_a_lora_changes_the_picture_and_has_no_effect_afterwards(
    draw: Any, sugar: LoraChoice, pipeline: Pipeline
) -> None:
    base, weights = draw().pngs, state_of(pipeline)
    assert draw(loras=(sugar,)).pngs != base
    after = state_of(pipeline)
    assert after.keys() == weights.keys()
    assert all(torch.equal(after[name], weights[name]) for name in weights)
    assert not hasattr(pipeline._parts.transformer, "peft_config")
    assert draw().pngs == base


def test_a_then_b_then_a_draws_a_unchanged(draw: Any, sugar: LoraChoice, anime: LoraChoice) -> None:
    alone, other = draw(loras=(sugar,)).pngs, draw(loras=(anime,)).pngs
    assert draw(loras=(sugar,)).pngs == alone
    assert alone != other


def test_each_lora_of_a_stack_has_its_own_weight(draw: Any, sugar: LoraChoice, anime: LoraChoice) -> None:
    def with_weights(sugar_weight: float, anime_weight: float) -> list[bytes]:
        chosen = (
            LoraChoice("sugar", sugar.sha256, sugar_weight),
            LoraChoice("anime", anime.sha256, anime_weight),
        )
        return pictures(draw(loras=chosen).pngs)

    assert with_weights(0.8, 0.0) == pictures(draw(loras=(sugar,)).pngs)
    assert with_weights(0.0, 1.0) == pictures(draw(loras=(anime,)).pngs)
    assert with_weights(0.0, 0.0) == pictures(draw().pngs)
    different = [
        with_weights(0.8, 1.0),
        with_weights(1.0, 0.8),
        with_weights(0.8, 0.0),
        with_weights(-0.8, 1.0),
    ]
    assert len({each[0] for each in different}) == 4


def pictures(pngs: list[bytes]) -> list[bytes]:
    """The pixels alone, because the files differ in their settings."""
    return [png[png.index(b"IDAT") :] for png in pngs]


def test_the_same_lora_twice_counts_twice(draw: Any, sugar: LoraChoice) -> None:
    once = draw(loras=(LoraChoice("sugar", sugar.sha256, 0.4),)).pngs
    twice = draw(loras=(LoraChoice("sugar", sugar.sha256, 0.4),) * 2).pngs
    assert pictures(once) != pictures(twice)


LAYOUTS = {
    "bare": lambda key: key.removeprefix("transformer."),
    "raw peft": lambda key: key.replace("transformer.", "base_model.model."),
    "ai-toolkit": lambda key: key.replace("transformer.", "diffusion_model."),
    "kohya": lambda key: (
        "lora_unet_"
        + key.removeprefix("transformer.").partition(".lora_")[0].replace(".", "_")
        + (".lora_down.weight" if "lora_A" in key else ".lora_up.weight")
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_same_lora_in_another_layout_draws_the_same_picture(
    draw: Any,
    put: Callable[..., LoraChoice],
    sugar: LoraChoice,
    tensors: dict[str, torch.Tensor],
    layout: str,
) -> None:
    choice = put("copy", {LAYOUTS[layout](key): tensor for key, tensor in tensors.items()}, sugar.weight)
    assert pictures(draw(loras=(choice,)).pngs) == pictures(draw(loras=(sugar,)).pngs)


def test_different_ranks_and_scaling_alphas_draw_the_same_picture(
    draw: Any, put: Callable[..., LoraChoice], sugar: LoraChoice, tensors: dict[str, torch.Tensor]
) -> None:
    changed: dict[str, torch.Tensor] = {}
    for key, tensor in tensors.items():
        bare = key.removeprefix("transformer.")
        if "feed_forward" not in key:
            changed[bare] = tensor
        elif "lora_A" in key:  # twice the rank, the new half zero; alpha as before, so doubled by up
            changed[bare] = torch.cat([tensor, torch.zeros_like(tensor)])
            changed[bare.replace("lora_A.weight", "alpha")] = torch.tensor(float(len(tensor)))
        else:
            changed[bare] = torch.cat([2 * tensor, torch.zeros_like(tensor)], dim=1)
    choice = put("copy", changed, sugar.weight)
    ours, expected = (pixels_of(draw(loras=(each,)).pngs[0]) for each in (choice, sugar))
    assert (ours.int() - expected.int()).abs().max() <= 1  # sums of another length round differently


def pixels_of(png: bytes) -> torch.Tensor:
    return torch.from_numpy(np.asarray(Image.open(io.BytesIO(png))).copy())


def test_a_lora_added_while_the_worker_runs_is_found(
    draw: Any, put: Callable[..., LoraChoice], tensors: dict[str, torch.Tensor]
) -> None:
    draw()
    choice = put("late", {key: -tensor for key, tensor in tensors.items()})
    assert draw(loras=(choice,)).pngs


def test_a_file_that_is_gone_from_one_place_is_read_from_the_next(
    pipeline: Pipeline,
    put: Callable[..., LoraChoice],
    tensors: dict[str, torch.Tensor],
    lora_dir: Path,
) -> None:
    choice = put("before", {key: 0.3 * tensor for key, tensor in tensors.items()})
    renamed = (lora_dir / "before.safetensors").rename(lora_dir / "after.safetensors")
    others = [lora_dir / f"{name}.safetensors" for name in ("before", "link", "model")]
    others[1].symlink_to(renamed)
    others[2].touch()
    os.truncate(others[2], MAX_FILE_BYTES + 1)  # a whole model has taken the name
    pipeline._finder.learn([LoraSource(choice.sha256, path) for path in (*others, renamed)])
    assert pipeline._bank.stack([choice])
    for path in (*others[1:], renamed):
        path.unlink()


def test_an_unknown_hash_is_missing(draw: Any) -> None:
    with pytest.raises(LoraMissing) as caught:
        draw(loras=(LoraChoice("sugar", "0" * 64),))
    assert caught.value.facts == {"name": "sugar"}


def test_a_file_replaced_after_acceptance_is_refused_until_it_is_restored(
    draw: Any, put: Callable[..., LoraChoice], tensors: dict[str, torch.Tensor], lora_dir: Path
) -> None:
    old = put("mine", {key: 0.5 * tensor for key, tensor in tensors.items()})
    path = lora_dir / "mine.safetensors"
    content = path.read_bytes()
    put("mine", {key: 0.7 * tensor for key, tensor in tensors.items()})
    with pytest.raises(LoraMissing):
        draw(loras=(old,))
    path.write_bytes(content)
    assert draw(loras=(old,)).pngs


@pytest.mark.parametrize("flaw", ["another model", "damaged", "second of two"])
def test_a_refused_lora_fails_the_job_before_its_first_step_and_does_not_change_the_model(
    draw: Any,
    pipeline: Pipeline,
    sugar: LoraChoice,
    tensors: dict[str, torch.Tensor],
    monkeypatch: pytest.MonkeyPatch,
    flaw: str,
) -> None:
    """The shelf already refuses such files by their header; this is the second check."""
    undisturbed = draw().pngs
    bad = {
        "another model": {"double_blocks.0.img_attn.qkv.lora_A.weight": torch.ones(4, 8)},
        "damaged": {key: tensor * float("nan") for key, tensor in tensors.items()},
        "second of two": {key: tensor[:1] for key, tensor in tensors.items()},
    }[flaw]

    def read(file: FoundFile, choice: LoraChoice, use: Any, *, is_pinned: bool) -> Any:
        return use(bad, {})

    steps = []
    with monkeypatch.context() as patch:
        patch.setattr(bank_module, "read_tensors", read)
        patch.setattr(pipeline._finder, "files_of", lambda choice: [FoundFile(Path(), Path("nowhere"))])
        loras = (sugar,) * (flaw == "second of two") + (LoraChoice("bad", "1" * 64),)
        with pytest.raises(LoraRejected) as caught:
            draw(loras=loras, cancel=lambda events: bool(steps.extend(events)))
    assert caught.value.facts["name"] == "bad"
    assert not any(isinstance(event, Progress) for event in steps)
    assert draw().pngs == undisturbed


def test_shelf_and_worker_know_the_same_layers_and_norms(pipeline: Pipeline) -> None:
    """Both prove a file against what they know: a file that one takes, the other takes too."""
    assert pipeline._bank._shapes == linear_shapes(WEIGHTS)
    norms = {name: length for name, length in vector_lengths(WEIGHTS).items() if name.endswith(".weight")}
    assert norms
    assert norms == {name: own for name, own in pipeline._bank._lengths.items() if name in norms}
    assert not {name for name in pipeline._bank._lengths.keys() - norms if name.endswith(".weight")}


def test_a_lora_is_read_once_while_it_is_cached(
    draw: Any, pipeline: Pipeline, sugar: LoraChoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw(loras=(sugar,))

    def refuse(*args: object) -> None:
        raise LoraDamaged()

    monkeypatch.setattr(bank_module, "read_tensors", refuse)
    assert draw(loras=(sugar,)).pngs


def test_the_cache_drops_the_least_recently_used_and_keeps_its_limit() -> None:
    cache = AdapterCache(limit_bytes=800)
    for name in ("a", "b"):
        cache.put(name, Adapter({}, torch.zeros(100)))
    assert cache.get("a") is not None
    cache.put("c", Adapter({}, torch.zeros(100)))
    assert (cache.get("a") is None, cache.get("b") is None, cache.get("c") is None) == (False, True, False)


def test_a_lora_larger_than_the_cache_is_usable() -> None:
    cache = AdapterCache(limit_bytes=1)
    cache.put("a", Adapter({}, torch.zeros(100)))
    assert cache.get("a") is not None
    cache.put("b", Adapter({}, torch.zeros(100)))
    assert cache.get("a") is None


def test_the_shelf_and_the_worker_agree_on_the_shipped_loras(draw: Any, files: dict[str, LoraFile]) -> None:
    for file in files.values():
        assert draw(loras=(LoraChoice(file.name, file.sha256, file.weight),)).pngs
