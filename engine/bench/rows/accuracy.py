"""E9: the relative error of our latents after all steps against diffusers'."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from engine.bench.report.results import ResultLine
from engine.bench.report.targets import CASES
from engine.bench.rows.workload import PROMPT, Workload, format_size
from engine.request import STEPS
from engine.zimage.denoise import LatentRow
from engine.zimage.noise import draw_noise
from engine.zimage.schedule import sigma_schedule

if TYPE_CHECKING:
    from engine.bench.rows.own_pipeline import OwnPipeline

SHARED_PROMPT = PROMPT


@dataclass(frozen=True, slots=True)
class ComparedPicture:
    """One row of a batch: the row whose size it has, and its LoRAs by number and strength."""

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


def compared_pictures() -> list[ComparedPicture]:
    """Return every row of every batch once."""
    return list(dict.fromkeys(compared for batch in BATCHES.values() for compared in batch))


def line(workload: Workload, ours: "OwnPipeline", case: str) -> ResultLine:
    """Draw a batch and measure the largest error of its rows against the library's pictures.

    Raises:
        KeyError: The library's pictures were not drawn before.
    """
    batch = BATCHES[case]
    work = " and ".join(dict.fromkeys(format_size(workload.sizes[compared.row]) for compared in batch))
    return ResultLine("E9", case, error_of(workload, ours, *batch), "relative error", work=work)


def error_of(workload: Workload, ours: "OwnPipeline", *batch: ComparedPicture) -> float:
    """Draw pictures in one batch; return their largest error against the library's pictures."""
    latents = _draw(workload, ours, batch)
    return max(
        _error(mine, workload.references[compared]) for mine, compared in zip(latents, batch, strict=True)
    )


def _draw(workload: Workload, ours: "OwnPipeline", batch: tuple[ComparedPicture, ...]) -> list[Tensor]:
    embedding = ours.text.embed(SHARED_PROMPT)
    sigmas = sigma_schedule(ours.parts.schedule, STEPS)
    rows = []
    for compared in batch:
        choices = [workload.loras.choice(number, strength) for number, strength in compared.stack]
        stack = ours.bank.stack(choices)
        noise = draw_noise(compared.seed, ours.parts.transformer.in_channels, *workload.sizes[compared.row])
        rows.append(LatentRow(ours.denoiser.refine_caption(embedding, stack), stack, sigmas, noise))
    for row in rows:
        ours.denoiser.join(row)
    while not all(row.is_done for row in rows):
        ours.denoiser.step()
    return [row.latents.cpu() for row in rows]


def _error(ours: Tensor, stock: Tensor) -> float:
    return float((ours.float() - stock.float()).norm() / stock.float().norm())
