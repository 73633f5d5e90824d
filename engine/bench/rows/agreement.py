"""E9: is it the same picture? Our latents after all steps against the library's."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from engine.bench.report.figures import CASES
from engine.bench.report.results import ResultLine
from engine.bench.rows.subject import PROMPT, Subject, said
from engine.request import STEPS
from engine.zimage.denoise import LatentRow, draw_noise, read_sigmas

if TYPE_CHECKING:
    from engine.bench.rows.ours import Ours

PROMPT_OF_ALL = PROMPT


@dataclass(frozen=True, slots=True)
class ComparedPicture:
    """One row of a batch: whose size it has, and its LoRAs, each by number and strength."""

    row: str
    stack: tuple[tuple[int, float], ...]
    seed: int = 7


ONE, _OTHER, _THREE = ((0, 0.8),), ((1, 0.8),), ((0, 0.8), (1, -0.4), (2, 0.5))
BATCHES: dict[str, tuple[ComparedPicture, ...]] = dict(
    zip(
        CASES,
        (
            (ComparedPicture("E1", ONE),),
            (ComparedPicture("E1", ONE), ComparedPicture("E3", ONE)),
            (ComparedPicture("E1", ONE), ComparedPicture("E1", _OTHER)),
            (ComparedPicture("E1", _THREE),),
        ),
        strict=True,
    )
)


def drawings() -> list[ComparedPicture]:
    """Every row of every batch once."""
    return list(dict.fromkeys(drawing for batch in BATCHES.values() for drawing in batch))


def line(subject: Subject, ours: "Ours", case: str) -> ResultLine:
    """Draw a batch and measure how far its worst row differs from the library's picture.

    Raises:
        KeyError: The library's pictures were not drawn before.
    """
    batch = BATCHES[case]
    work = " and ".join(dict.fromkeys(said(subject.sizes[drawing.row]) for drawing in batch))
    return ResultLine("E9", case, error_of(subject, ours, *batch), "relative error", work=work)


def error_of(subject: Subject, ours: "Ours", *batch: ComparedPicture) -> float:
    """How far the worst of pictures drawn together differs from the library's, which were drawn before."""
    latents = _draw(subject, ours, batch)
    return max(
        _error(mine, subject.references[drawing]) for mine, drawing in zip(latents, batch, strict=True)
    )


def _draw(subject: Subject, ours: "Ours", batch: tuple[ComparedPicture, ...]) -> list[Tensor]:
    embedding = ours.text.embed(PROMPT_OF_ALL)
    sigmas = read_sigmas(ours.pipeline.scheduler, STEPS)
    rows = []
    for drawing in batch:
        choices = [subject.loras.choice(number, strength) for number, strength in drawing.stack]
        stack = ours.bank.stack(choices)
        noise = draw_noise(drawing.seed, ours.pipeline.transformer.in_channels, *subject.sizes[drawing.row])
        rows.append(LatentRow(ours.denoiser.read(embedding, stack), stack, sigmas, noise))
    for row in rows:
        ours.denoiser.join(row)
    while not all(row.is_done for row in rows):
        ours.denoiser.step()
    return [row.latents.cpu() for row in rows]


def _error(ours: Tensor, stock: Tensor) -> float:
    return float((ours.float() - stock.float()).norm() / stock.float().norm())
