"""What the probe reads in the pictures of each format and placement.

The built-in model draws the same prompts with the same seeds in each. Prompt obedience is the share of traits
asked for that are seen; LoRA recognition the share of pictures with a LoRA whose style the probe names. A
placement must not change a pixel of its format.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from engine.config import Plan, WeightFormat, WeightLocation
from engine.demo.faces.styles import SHELF
from engine.demo.judge.drawer import Drawer
from engine.demo.metrics import EvaluationSet, make_evaluation_set, score_traits, style_accuracy
from engine.demo.phrases import TRIGGERS
from engine.demo.probe import Probe, load_probe

PLACEMENTS = {
    "card": Plan(),
    "one copy": Plan(base=WeightLocation.PINNED),
    "streamed": Plan(base=WeightLocation.PINNED, resident_blocks=2),
}
STYLED_SEED = 3_000_000  # of the prompts with a LoRA


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the probe says of one format and placement.

    Attributes:
        obedience, recognition: Shares, 0 … 1.
        has_same_pixels: Whether all pictures have the bits of those drawn with everything on the card.
    """

    weight_format: WeightFormat
    placement: str
    obedience: float
    recognition: float
    has_same_pixels: bool


def judge(
    device: str, formats: Sequence[WeightFormat], placements: Sequence[str], count: int, styled: int
) -> Iterator[Judgement]:
    """Draw and judge every format in every placement; the first placement of a format is its reference.

    Args:
        device: As for ``Drawer``.
        formats: At least one.
        placements: Keys of ``PLACEMENTS``.
        count: Pictures without a LoRA.
        styled: Pictures with each LoRA.
    """
    probe, asked = load_probe(), make_evaluation_set(count)
    styled_texts = [caption.text for caption in make_evaluation_set(styled, seed=STYLED_SEED).captions]
    for weight_format in formats:
        reference: list[Tensor] = []
        for placement in placements:
            drawer = Drawer(device, replace(PLACEMENTS[placement], weight_format=weight_format))
            pictures = [drawer.draw([caption.text for caption in asked.captions])]
            for style in SHELF:
                prompts = [f"{TRIGGERS[style]}，{text}" for text in styled_texts]
                pictures.append(drawer.draw(prompts, style))
            drawer.close()
            reference = reference or pictures
            shown = [style_accuracy(probe, *own) for own in zip(pictures[1:], SHELF, strict=True)]
            yield Judgement(
                weight_format, placement, obedience(probe, asked, pictures[0]), sum(shown) / len(shown),
                has_same_pixels=all(map(torch.equal, pictures, reference)),
            )  # fmt: skip


def obedience(probe: Probe, asked: EvaluationSet, pictures: Tensor) -> float:
    """Return the share of the traits asked for that the probe sees, 0 … 1."""
    scores = score_traits(probe, asked, pictures).values()
    return sum(score.seen for score in scores) / sum(score.asked for score in scores)
