"""Predicts what a job takes on this machine, in bytes and seconds, from what earlier jobs took.

Both are linear, times a learned factor: bytes in the pixels of one picture (a job's pictures are drawn one
after the other), seconds in pixels x steps x pictures. The factor of bytes rises at once and falls slowly,
because a prediction that is too low costs a failed job; the factor of seconds follows the newest jobs both
ways. The errors of the newest predictions are kept, so that a wait is a range. Knows no clock and no card.
The caller saves the book, in a thread; a broken file only means learning again.
"""

from dataclasses import astuple, dataclass
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
DOUBT_STEP = 1.1  # after a job runs out of memory, predictions of bytes rise by this factor …
MAX_DOUBT = 1.5  # … up to this: if other programs fill the card, jobs fail that would fit
BYTES_RATE = 0.02  # part of an overestimate of bytes that one job corrects
SECONDS_RATE = 0.3  # part of an error in seconds that one job corrects
NEWEST = 50  # jobs whose errors make the range of a wait …
LOW, HIGH = 0.1, 0.9  # … between these quantiles of them
FEW = 8  # with fewer jobs than this the range has at least …
FEW_LOW, FEW_HIGH = 0.7, 1.5  # … these ends: a cautious guess, not measured
MIN_S = 1e-6  # a job counts as at least this long, so that every factor is above zero
Factor = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Ratios = Annotated[tuple[Factor, ...], Field(max_length=NEWEST)]


@dataclass(frozen=True, slots=True)
class Cost:
    """What a job will take.

    Attributes:
        bytes: The most that its worker will hold on the device, the weights included.
        seconds: From its start to its last picture.
        work: Seconds by the prior alone. Learning never changes it, so sums and comparisons of waiting jobs
            use it; ``CostBook.estimate_of`` converts it into a range of seconds.
    """

    bytes: int
    seconds: float
    work: float = 0.0


class _Learned(BaseModel):
    """The content of the file: the factors, and the model, setting and card for which they hold.

    ``doubt`` comes from jobs that ran out of memory: they needed more, but nobody knows how much.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    about: str
    card: Annotated[str, Field(max_length=400)] = ""  # empty in files of older versions
    weights_bytes: Annotated[int, Field(ge=0)] = 0  # of the last worker
    bytes_factor: Factor = 1.0
    doubt: Annotated[float, Field(ge=1, le=MAX_DOUBT)] = 1.0
    seconds_factor: Factor = 1.0
    ratios: Ratios = ()  # seconds taken / seconds predicted, of the newest jobs, oldest first
    jobs: Annotated[int, Field(ge=0)] = 0


class CostBook:
    """Predicts and learns the costs for one model on one device.

    Args:
        about: Names the model and the device setting; figures of another pair are not used. Figures of
            another card are used until ``started`` names the card.
    """

    def __init__(self, about: str = "") -> None:
        self._learned = _Learned(about=about)

    @classmethod
    def load(cls, path: Path, about: str = "") -> "CostBook":
        """Open the book that ``save`` wrote; if it is missing or broken, start an empty one."""
        book = cls(about)
        try:
            learned = _Learned.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return book
        except (OSError, ValidationError) as error:
            log.warning("cost book unreadable, learning again", path=str(path), error=type(error).__name__)
            return book
        if learned.about == about:
            book._learned = learned
        return book

    def save(self, path: Path) -> None:
        """Write the book, whole or not at all.

        Raises:
            OSError: It could not be written; the old file is unchanged.
        """
        write_file(path, f"{self._learned.model_dump_json()}\n".encode())

    @property
    def knows_weights(self) -> bool:
        """Whether a worker of this run or an earlier one has reported the memory of the weights.

        Until then every prediction of bytes is too low by that much.
        """
        return self._learned.weights_bytes > 0

    def started(self, worker: WorkerInfo) -> None:
        """Note the worker's card and the memory of its weights; forget what another card taught."""
        versions = (f"{name} {version}" for name, version in sorted(worker.versions.items()))
        # Everything that decides speed and size.
        card = ", ".join((worker.device_name, worker.dtype, *versions))[:400]
        if self._learned.card not in ("", card):
            log.info("costs are learned again on another card", card=card, before=self._learned.card)
            self._learned = _Learned(about=self._learned.about)
        self._learned = self._learned.model_copy(update={"card": card, "weights_bytes": worker.weights_bytes})

    def predict(self, width_px: int, height_px: int, count: int, loras: int, steps: int = STEPS) -> Cost:
        """Predict a job of ``count`` pictures of this size with ``loras`` LoRAs."""
        learned, pixels = self._learned, width_px * height_px
        above_bytes = FIXED_BYTES + BYTES_A_PIXEL * pixels + BYTES_A_LORA * loras
        above_bytes *= learned.bytes_factor * learned.doubt
        work = FIXED_S + S_A_PIXEL_STEP * pixels * steps * count
        return Cost(learned.weights_bytes + round(above_bytes), work * learned.seconds_factor, work)

    def work_of(self, seconds: float) -> float:
        """Convert seconds that a job took into the unit of ``Cost.work``."""
        return seconds / self._learned.seconds_factor

    def estimate_of(self, work: float) -> TimeEstimate | None:
        """Convert summed work into a range of seconds; None while nothing was measured."""
        learned = self._learned
        if not learned.jobs:
            return None
        low, high = FEW_LOW, FEW_HIGH
        if learned.ratios:
            ratios = sorted(learned.ratios)
            low, high = (ratios[round(part * (len(ratios) - 1))] for part in (LOW, HIGH))
            if len(ratios) < FEW:
                low, high = min(low, FEW_LOW), max(high, FEW_HIGH)
        return TimeEstimate(work * learned.seconds_factor * low, work * learned.seconds_factor * high)

    def learn(self, request: RenderRequest, outcome: Finished | Stopped | Failed) -> None:
        """Learn from a finished job or from one that ran out of memory; others teach nothing."""
        learned = self._learned
        if isinstance(outcome, Failed) and outcome.reason is FailReason.OUT_OF_MEMORY:
            doubt = min(MAX_DOUBT, learned.doubt * DOUBT_STEP)
            self._learned = learned.model_copy(update={"doubt": doubt})
        if not isinstance(outcome, Finished):
            return
        prior = _EMPTY_BOOK.predict(
            request.width_px, request.height_px, request.count, len(request.loras), request.steps
        )
        factor = max(MIN_S, sum(astuple(outcome.timings))) / prior.work
        changes: dict[str, object] = {"jobs": learned.jobs + 1, "seconds_factor": factor}
        if learned.jobs:
            known = learned.seconds_factor
            changes["seconds_factor"] = known + SECONDS_RATE * (factor - known)
            changes["ratios"] = (*learned.ratios, factor / known)[-NEWEST:]
        if outcome.peak_bytes and learned.weights_bytes:
            factor = max(0, outcome.peak_bytes - learned.weights_bytes) / prior.bytes
            known = learned.bytes_factor
            changes["bytes_factor"] = max(factor, known - BYTES_RATE * (known - factor))
            changes["doubt"] = learned.doubt - BYTES_RATE * (learned.doubt - 1)
        self._learned = learned.model_copy(update=changes)


_EMPTY_BOOK = CostBook()  # predicts by the priors alone, above weights of zero bytes
