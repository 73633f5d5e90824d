"""What a request will take on this machine: bytes and seconds, from what earlier ones took.

Both are lines, times a factor that is learned: bytes over the pixels of one picture (a job's pictures are
drawn one after the other), seconds over pixels x steps x pictures. The factor of bytes rises at once and
falls slowly, since guessing too low costs a failed job; that of seconds follows the newest jobs both ways.
How far the newest jobs lay from what was foretold is kept, so that a wait is told as a range.
Knows no clock and no card. The caller saves the book, in a thread; a broken file only means learning again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engine.durable import write_file
from engine.request import (
    STEPS,
    Failed,
    FailReason,
    Finished,
    RenderRequest,
    Stopped,
    TimeEstimate,
    WorkerInfo,
)

log = structlog.get_logger(__name__)

# Priors. Bytes above the weights: stock diffusers in bf16 peaked 1.1 GiB above its 19.1 GiB of weights at
# 512 x 768 and 2.6 GiB at 1024 x 1024 (H200, 2026-11-22). Seconds: 8.4 a 512 x 768 picture of 8 steps with a
# LoRA on an A10, the slowest card with published figures.
FIXED_BYTES = 0.2 * 2**30
BYTES_A_PIXEL = 2.4 * 2**30 / 1024**2
BYTES_A_LORA = 160 * 2**20  # rank 32 on every linear of Z-Image-Turbo, bf16
FIXED_S = 0.5
S_A_PIXEL_STEP = 2.5e-6
DOES_NOT_FIT = 1.1  # what ran out of memory is thought to need this much more …
MOST_DOUBT = 1.5  # … up to this: where other programs fill the card, jobs fail that fit it well
FALL = 0.02  # part of an overestimate of bytes that one job takes away
FOLLOW = 0.3  # part of an error in seconds that one job takes away
NEWEST = 50  # jobs whose errors make the range of a wait …
LOW, HIGH = 0.1, 0.9  # … between these quantiles of them
FEW = 8  # with fewer jobs than this the range is at least …
FEW_LEAST, FEW_MOST = 0.7, 1.5  # … so wide: not measured, a guess on the cautious side
Factor = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]
Ratios = Annotated[tuple[Factor, ...], Field(max_length=NEWEST)]


@dataclass(frozen=True, slots=True)
class Cost:
    """What a job will take.

    Attributes:
        bytes: The most its worker will hold on the device, the weights included.
        seconds: From its start to its last picture.
        work: The same before anything was learned: it never changes, so sums and comparisons of waiting jobs
            use it. ``CostBook.estimate_of`` turns it into a range of seconds.
    """

    bytes: int
    seconds: float
    work: float = 0.0


class _Learned(BaseModel):
    """What the file holds: the factors, and for which model, setting and card they hold.

    ``doubt`` comes from jobs that ran out of memory, which say that they needed more and not how much.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    about: str
    card: Annotated[str, Field(max_length=400)] = ""  # empty in files of versions that did not note it
    weights_bytes: Annotated[int, Field(ge=0)] = 0  # of the last worker
    bytes_factor: Factor = 1.0
    doubt: Annotated[float, Field(ge=1, le=MOST_DOUBT)] = 1.0
    seconds_factor: Factor = 1.0
    ratios: Ratios = ()  # seconds taken / seconds foretold, of the newest jobs, oldest first
    jobs: Annotated[int, Field(ge=0)] = 0


class CostBook:
    """Predicts costs for one model on one device, and learns them.

    Args:
        about: Names the model and the device setting; figures of another pair are not used. Those of another
            card are used until ``started`` names the card.
    """

    def __init__(self, about: str = "") -> None:
        self._learned = _Learned(about=about)

    @classmethod
    def load(cls, path: Path, about: str = "") -> "CostBook":
        """Open the book that ``save`` wrote; without one, or with a broken one, begin anew."""
        book = cls(about)
        try:
            learned = _Learned.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return book
        except (OSError, ValidationError) as error:
            log.warning("cost book unreadable, learning anew", path=str(path), error=type(error).__name__)
            return book
        if learned.about == about:
            book._learned = learned
        return book

    def save(self, path: Path) -> None:
        """Write the book, whole or not at all.

        Raises:
            OSError: It could not be written; the old file stands.
        """
        write_file(path, f"{self._learned.model_dump_json()}\n".encode())

    @property
    def knows_weights(self) -> bool:
        """Whether a worker, of this run or an earlier one, has said how much memory the weights take.

        Until then every prediction of bytes is too low by that much.
        """
        return self._learned.weights_bytes > 0

    def started(self, worker: WorkerInfo) -> None:
        """Note the worker's card and what it holds at rest; what was learned on another card is dropped."""
        card = _card_of(worker)
        if self._learned.card not in ("", card):
            log.info("costs are learned anew on another card", card=card, before=self._learned.card)
            self._learned = _Learned(about=self._learned.about)
        self._learned = self._learned.model_copy(update={"card": card, "weights_bytes": worker.weights_bytes})

    def predict(self, width_px: int, height_px: int, count: int, loras: int) -> Cost:
        """Say what a job of ``count`` pictures of this size, with ``loras`` LoRAs, will take."""
        learned = self._learned
        above = _bytes_above_weights(width_px, height_px, loras) * learned.bytes_factor * learned.doubt
        work = _seconds(width_px, height_px, count, STEPS)
        return Cost(learned.weights_bytes + round(above), work * learned.seconds_factor, work)

    def work_of(self, seconds: float) -> float:
        """Convert seconds that a job took into the unit of ``Cost.work``."""
        return seconds / self._learned.seconds_factor

    def estimate_of(self, work: float) -> TimeEstimate | None:
        """How long so much work (``Cost.work``, summed) takes; None while nothing was measured."""
        learned = self._learned
        if not learned.jobs:
            return None
        least, most = _quantiles(learned.ratios)
        return TimeEstimate(work * learned.seconds_factor * least, work * learned.seconds_factor * most)

    def learn(self, request: RenderRequest, outcome: Finished | Stopped | Failed) -> None:
        """Take in how a job went; only finished ones and those that ran out of memory teach something."""
        if isinstance(outcome, Finished):
            self._learn_seconds(request, outcome.timings.total_s)
            if outcome.peak_bytes and self.knows_weights:
                self._learn_bytes(request, max(0, outcome.peak_bytes - self._learned.weights_bytes))
        elif isinstance(outcome, Failed) and outcome.reason is FailReason.OUT_OF_MEMORY:
            self._change(doubt=min(MOST_DOUBT, self._learned.doubt * DOES_NOT_FIT))

    def _learn_seconds(self, request: RenderRequest, seconds: float) -> None:
        prior = _seconds(request.width_px, request.height_px, request.count, request.steps)
        seen, known = seconds / prior, self._learned.seconds_factor
        follow = FOLLOW if self._learned.jobs else 1.0
        if self._learned.jobs:  # before that nothing was foretold
            newest = (*self._learned.ratios, _bounded(seen / known))[-NEWEST:]
            self._learned = self._learned.model_copy(update={"ratios": newest})
        self._change(seconds_factor=known + follow * (seen - known), jobs=self._learned.jobs + 1)

    def _learn_bytes(self, request: RenderRequest, above_bytes: int) -> None:
        seen = above_bytes / _bytes_above_weights(request.width_px, request.height_px, len(request.loras))
        known, doubt = self._learned.bytes_factor, self._learned.doubt
        self._change(
            bytes_factor=seen if seen > known else known - FALL * (known - seen),
            doubt=doubt - FALL * (doubt - 1),
        )

    def _change(self, **facts: float) -> None:
        bounded = {name: _bounded(value) for name, value in facts.items() if name != "jobs"}
        self._learned = self._learned.model_copy(update={**facts, **bounded})


def _card_of(worker: WorkerInfo) -> str:
    """Name all that decides how fast and how large a job is, besides the model."""
    versions = (f"{name} {version}" for name, version in sorted(worker.versions.items()))
    return ", ".join((worker.device_name, worker.dtype, *versions))[:400]


def _quantiles(ratios: Sequence[float]) -> tuple[float, float]:
    """The low and the high quantile; wide ones where there are few."""
    if not ratios:
        return FEW_LEAST, FEW_MOST
    low, high = (sorted(ratios)[round(part * (len(ratios) - 1))] for part in (LOW, HIGH))
    return (low, high) if len(ratios) >= FEW else (min(low, FEW_LEAST), max(high, FEW_MOST))


def _bounded(factor: float) -> float:
    return min(max(factor, 1e-6), 1e6)


def _bytes_above_weights(width_px: int, height_px: int, loras: int) -> float:
    return FIXED_BYTES + BYTES_A_PIXEL * width_px * height_px + BYTES_A_LORA * loras


def _seconds(width_px: int, height_px: int, count: int, steps: int) -> float:
    return FIXED_S + S_A_PIXEL_STEP * width_px * height_px * steps * count
