"""What jobs of one card, version, model and plan take: curves over the size of a picture, learned from jobs.

* Bytes: what the worker keeps between jobs, as it last reported, and a picture's own memory by its size. That
  curve lies above everything measured: a higher value counts at once and is forgotten slowly, because a
  prediction that is too low costs a failed job.
* Seconds: a step and the rest of a picture, each by size. They follow the newest jobs both ways.

Between two measured sizes a curve is a straight line. Sizes above and below follow the prior. Pure.
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import astuple
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

from engine.request import Finished, RenderRequest

# Priors. Bytes of a picture beside what stays: stock diffusers in bf16 peaked 1.1 GiB above its 19.1 GiB of
# weights at 512 x 768 and 2.6 GiB at 1024 x 1024 (H200, 2026-11-22). Seconds: 8.4 a 512 x 768 picture of
# 8 steps with a LoRA on an A10, the slowest card with published figures.
FIXED_BYTES = 0.2 * 2**30
BYTES_A_PIXEL = 2.4 * 2**30 / 1024**2
BYTES_A_LORA = 160 * 2**20  # rank 32 on every linear of Z-Image-Turbo, bf16
COPY_SHARE = 0.56  # of the weights' memory: the merged copy of 11.3 of Z-Image-Turbo's 20.5 GB
REST_S = 0.5
S_A_PIXEL_STEP = 2.5e-6
FIXED_SHARE = 0.1  # of a step: it does not shrink with the picture

MARGIN = 0.01  # of the whole prediction of bytes
BYTES_RATE = 0.02  # part of an overestimate of bytes that one job corrects
SECONDS_RATE = 0.3  # part of an error in seconds that one job corrects
DOUBT_STEP = 1.1  # after a job runs out of memory, a picture's memory is predicted higher by this factor …
MAX_DOUBT = 1.5  # … up to this: if other programs fill the card, jobs fail that would fit
MOST_SIZES = 32  # sizes that a curve remembers; the one not drawn for longest is forgotten
NEWEST = 50  # jobs whose errors make the range of a wait …
OUTSIDE = 0.1  # … of which this part may be below it, and this part above
FEW = 9  # with fewer jobs than this the range has at least …
FEW_LOW, FEW_HIGH = 0.7, 1.5  # … these ends: a cautious guess, not measured
MIN_S = 1e-9  # everything counts as at least this long, so that every ratio is above zero
MOST_BYTES = 2**50  # no card has more

_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Bytes = Annotated[int, Field(ge=0, le=MOST_BYTES)]
_Curve = Annotated[dict[int, _Positive], Field(max_length=MOST_SIZES)]  # pixels → value; newest last


class CostModel(BaseModel):
    """What was learned, as the file has it; every change makes another one.

    Attributes:
        weights_bytes: Memory of the last worker's weights; 0 before one was ready.
        kept_bytes: What the worker keeps between jobs, as the last job reported; 0 before.
        lora_bytes: How much of that is LoRAs.
        yields_bytes: How much of that the worker gives up by itself if a job needs it.
        has_merged: Whether a picture with a LoRA was drawn, so that the memory for merging is kept already.
        picture_bytes: A picture's own memory.
        doubt: From jobs that ran out of memory: they needed more, but nobody knows how much.
        step_s, rest_s: Seconds of one step, and of everything else of one picture.
        ratios: Seconds taken ÷ seconds predicted, of the newest jobs, oldest first.
        jobs: How many people's jobs taught this; 0 after a calibration alone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    weights_bytes: _Bytes = 0
    kept_bytes: _Bytes = 0
    lora_bytes: _Bytes = 0
    yields_bytes: _Bytes = 0
    has_merged: bool = False
    picture_bytes: _Curve = {}
    doubt: Annotated[float, Field(ge=1, le=MAX_DOUBT)] = 1.0
    step_s: _Curve = {}
    rest_s: _Curve = {}
    ratios: Annotated[tuple[_Positive, ...], Field(max_length=NEWEST)] = ()
    jobs: Annotated[int, Field(ge=0)] = 0

    def restarted(self, weights_bytes: int) -> Self:
        """Note a new worker: it keeps only its weights."""
        fresh = {"weights_bytes": weights_bytes, "kept_bytes": 0, "lora_bytes": 0, "yields_bytes": 0}
        return self.model_copy(update=fresh | {"has_merged": False})

    def doubted(self) -> Self:
        """Note a job that ran out of memory."""
        return self.model_copy(update={"doubt": min(MAX_DOUBT, self.doubt * DOUBT_STEP)})

    def bytes_of(self, pixels: int, loras: int, *, keeps_two_copies: bool, cache_bytes: int | None) -> int:
        """Predict the most that the worker holds during a job.

        Args:
            pixels: Of one picture; a job's pictures are drawn one after the other.
            loras: How many the job has.
            keeps_two_copies: Whether the first LoRA makes the worker keep a merged copy of the weights.
            cache_bytes: The limit of the LoRAs that the worker keeps; None if unknown.
        """
        kept = self.kept_bytes or self.weights_bytes
        grows = loras * BYTES_A_LORA
        if cache_bytes is not None:
            grows = min(grows, max(cache_bytes, BYTES_A_LORA) - min(self.lora_bytes, cache_bytes))
        if loras and keeps_two_copies and not self.has_merged:
            grows += round(COPY_SHARE * self.weights_bytes)
        own = _above(self.picture_bytes, pixels) * self.doubt
        measured = 1 + MARGIN if self.picture_bytes else 1.0
        return round((kept + grows + own) * measured)

    def picture_s(self, pixels: int, steps: int) -> float:
        """Predict the seconds of one picture."""
        step_s = _along(self.step_s, pixels, _prior_step_s)
        return steps * step_s + _along(self.rest_s, pixels, lambda _: REST_S)

    def calibrated(self, request: RenderRequest, outcome: Finished) -> Self:
        """Learn from a picture that nobody waits for; a job's seconds replace what it teaches."""
        known = self._learn_bytes(request, outcome)
        if self.jobs:
            return self.model_copy(update=known)
        return self.model_copy(update=known | self._learn_seconds(request, outcome, rate=1.0))

    def learned(self, request: RenderRequest, outcome: Finished) -> Self:
        """Learn from a job."""
        taken = max(MIN_S, sum(astuple(outcome.timings)))
        changes = self._learn_bytes(request, outcome) | {"jobs": self.jobs + 1}
        if self.jobs:
            predicted = self.picture_s(request.width_px * request.height_px, request.steps) * request.count
            changes["ratios"] = (*self.ratios, taken / predicted)[-NEWEST:]
        changes |= self._learn_seconds(request, outcome, SECONDS_RATE if self.jobs else 1.0)
        return self.model_copy(update=changes)

    def range_of(self, seconds: float) -> tuple[float, float] | None:
        """Convert summed predictions into a range of seconds; None while nothing was measured."""
        if not self.jobs:
            return None
        low, high = FEW_LOW, FEW_HIGH
        if self.ratios:
            ratios = sorted(self.ratios)
            outside = max(0, int(OUTSIDE * (len(ratios) + 1)) - 1)
            low, high = ratios[outside], ratios[-1 - outside]
            if len(ratios) < FEW:
                low, high = min(low, FEW_LOW), max(high, FEW_HIGH)
        return seconds * low, seconds * high

    def _learn_bytes(self, request: RenderRequest, outcome: Finished) -> dict[str, object]:
        if not (outcome.peak_bytes and self.weights_bytes):
            return {}
        pixels = request.width_px * request.height_px
        # A worker that does not report what it keeps keeps its weights.
        own = max(1, outcome.peak_bytes - (outcome.kept_bytes or self.weights_bytes))
        known = self.picture_bytes.get(pixels, own)
        kept = min(outcome.kept_bytes, MOST_BYTES)
        return {
            "kept_bytes": kept,
            "lora_bytes": min(outcome.lora_bytes, kept),
            "yields_bytes": min(outcome.yields_bytes, kept),
            "has_merged": self.has_merged or bool(request.loras),
            "picture_bytes": _with(self.picture_bytes, pixels, max(own, known - BYTES_RATE * (known - own))),
            "doubt": self.doubt - BYTES_RATE * (self.doubt - 1),
        }

    def _learn_seconds(self, request: RenderRequest, outcome: Finished, rate: float) -> dict[str, object]:
        pixels, timings = request.width_px * request.height_px, outcome.timings
        step_s = timings.denoise_s / (request.count * request.steps)
        rest_s = (sum(astuple(timings)) - timings.denoise_s) / request.count
        changes: dict[str, object] = {}
        for name, measured in (("step_s", step_s), ("rest_s", rest_s)):
            curve: dict[int, float] = getattr(self, name)
            prior = _prior_step_s if name == "step_s" else lambda _: REST_S
            known = _along(curve, pixels, prior)
            weight = rate if pixels in curve else max(rate, 0.5)  # a new size teaches more
            changes[name] = _with(curve, pixels, max(MIN_S, known + weight * (measured - known)))
        return changes


def _prior_step_s(pixels: int) -> float:
    return S_A_PIXEL_STEP * (pixels + FIXED_SHARE * 512 * 768) / (1 + FIXED_SHARE)


def _above(curve: Mapping[int, float], pixels: int) -> float:
    """Return the memory of a picture: no less than that of any smaller one that was measured."""
    sizes = sorted(curve)
    if not sizes:
        return FIXED_BYTES + BYTES_A_PIXEL * pixels
    smaller = [curve[size] for size in sizes if size <= pixels]
    if pixels > sizes[-1]:
        return max(smaller) + BYTES_A_PIXEL * (pixels - sizes[-1])
    return max([*smaller, _between(curve, sizes, pixels)])


def _along(curve: Mapping[int, float], pixels: int, prior: Callable[[int], float]) -> float:
    """Return the value at this size; outside the measured sizes the nearest one, scaled as the prior is."""
    sizes = sorted(curve)
    if not sizes:
        return prior(pixels)
    nearest = min(max(pixels, sizes[0]), sizes[-1])
    return _between(curve, sizes, nearest) * prior(pixels) / prior(nearest)


def _between(curve: Mapping[int, float], sizes: list[int], pixels: int) -> float:
    """Return the value on the straight line between the two nearest sizes; below the first, that of it."""
    index = bisect_left(sizes, pixels)
    above = sizes[index]
    if index == 0 or above == pixels:
        return curve[above]
    below = sizes[index - 1]
    return curve[below] + (curve[above] - curve[below]) * (pixels - below) / (above - below)


def _with(curve: Mapping[int, float], pixels: int, value: float) -> dict[int, float]:
    """Set one point as the newest."""
    newer = {size: known for size, known in curve.items() if size != pixels} | {pixels: value}
    return dict(list(newer.items())[-MOST_SIZES:])
