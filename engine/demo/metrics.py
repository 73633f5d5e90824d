"""Evaluates the model: diffusers' pipeline draws an evaluation set, and the probe reads the pictures.

Everything is seeded: the same pipeline gives the same report.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import ZImagePipeline
from torch import Tensor

from engine.demo.captions import Caption, Language, make_rng, write_caption
from engine.demo.faces.traits import TRAIT, Faces, sample_faces
from engine.demo.networks import NATIVE, STEPS
from engine.demo.probe import STYLE_NAMES, Probe

EVALUATION_SEED = 2_000_000  # for faces and prompts outside the training data


@dataclass(frozen=True, slots=True)
class EvaluationSet:
    """Prompts, the faces that they describe, and the traits that each mentions."""

    faces: Faces
    captions: tuple[Caption, ...]


@dataclass(frozen=True, slots=True)
class TraitScore:
    """How often a trait was asked for, and how often the picture showed it."""

    asked: int
    seen: int

    @property
    def share(self) -> float:
        """``seen`` / ``asked``, 0 … 1."""
        return self.seen / self.asked if self.asked else 1.0


def make_evaluation_set(count: int, trigger: str = "", seed: int = EVALUATION_SEED) -> EvaluationSet:
    """Write ``count`` prompts, half of them Chinese and half English, in any order, some words missing."""
    faces = sample_faces(count, seed)
    rng = make_rng(seed)
    langs: tuple[Language, ...] = ("zh", "en")
    captions = [write_caption(faces.values(index), rng, langs[index % 2], trigger) for index in range(count)]
    return EvaluationSet(faces, tuple(captions))


def make_pictures(
    pipe: ZImagePipeline,
    prompts: Sequence[str],
    seed: int = 0,
    size: tuple[int, int] = NATIVE,
    batch: int = 50,
) -> Tensor:
    """Draw one picture per prompt, the i-th with seed ``seed + i`` → float [B, 3, H, W], 0 … 1."""
    parts = []
    for start in range(0, len(prompts), batch):
        some = list(prompts[start : start + batch])
        rng = [torch.Generator().manual_seed(seed + start + index) for index in range(len(some))]
        parts.append(
            pipe(
                some, width=size[0], height=size[1], num_inference_steps=STEPS, guidance_scale=0.0,
                generator=rng, output_type="pt",
            ).images.float().cpu()
        )  # fmt: skip
    return torch.cat(parts)


def score_traits(probe: Probe, evaluation_set: EvaluationSet, pictures: Tensor) -> dict[str, TraitScore]:
    """Score pictures against their prompts, trait by trait."""
    reading = probe.read(pictures)
    scores = {}
    for name in TRAIT:
        asked = torch.tensor([name in caption.mentioned for caption in evaluation_set.captions])
        right = (reading[name] == evaluation_set.faces.traits[name]) & asked
        scores[name] = TraitScore(int(asked.sum()), int(right.sum()))
    return scores


def style_accuracy(probe: Probe, pictures: Tensor, style: str) -> float:
    """Return the share of pictures that the probe classifies as this style, 0 … 1."""
    return float((probe.read(pictures)["style"] == STYLE_NAMES.index(style)).float().mean())


def load_lora(pipe: ZImagePipeline, path: Path | None, weight: float = 1.0) -> None:
    """Load one LoRA into the pipeline at ``weight`` instead of any earlier one; None unloads it."""
    pipe.unload_lora_weights()
    if path is not None:
        pipe.load_lora_weights(path.parent, weight_name=path.name, adapter_name=path.stem)
        pipe.set_adapters([path.stem], [weight])


def distance(a: Tensor, b: Tensor) -> float:
    """Return the mean absolute difference of two batches of pictures, 0 … 255."""
    return float((a - b).abs().mean() * 255)
