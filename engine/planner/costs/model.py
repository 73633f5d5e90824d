"""What was learned for one card, driver, engine version, model and plan: curves over the size of a picture.

* Bytes: what the worker keeps between jobs, as it last reported, and a picture's own memory by its size. That
  curve lies above everything measured: a higher value counts at once and is forgotten slowly, because a
  prediction that is too low costs a failed job. Blocks that give way to large pictures and come back for
  small ones count as they did at this size.
* Seconds by size: a step, the rest of a picture, and the encoding of a start picture, once for a job. They
  follow the newest jobs both ways.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from engine.planner.costs.curves import (
    BYTES_A_LORA,
    COPY_SHARE,
    ENCODER_BYTES,
    REST_S,
    START_S,
    STEP_S,
    along,
    picture_bytes,
)
from engine.request import Finished, RenderRequest

T = TypeVar("T")

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

# Beyond all that jobs teach, and sums and products of a few such numbers are still finite.
_Positive = Annotated[float, Field(ge=1e-30, le=1e30)]
_Pixels = Annotated[int, Field(ge=1, le=2**32)]
_Bytes = Annotated[int, Field(ge=0, le=MOST_BYTES)]
_Curve = Annotated[dict[_Pixels, _Positive], Field(max_length=MOST_SIZES)]  # pixels → value; newest last


class CostModel(BaseModel):
    """What was learned, as the file has it; every change makes another one.

    Attributes:
        weights_bytes: Memory of the last worker's weights; 0 before one was ready.
        kept_bytes: What the worker keeps between jobs, as the last job reported; 0 before.
        lora_bytes: How much of that is LoRAs.
        yields_bytes: How much of that the worker gives up by itself if a job needs it.
        yields_by_size: The same after the last job of each size; empty before this worker's first.
        has_merged: Whether a picture with a LoRA was drawn, so that the memory for merging is kept already.
        has_encoder: Whether a start picture was encoded, so that the encoder is kept already.
        picture_bytes: A picture's own memory.
        doubt: From jobs that ran out of memory: they needed more, but nobody knows how much.
        step_s, rest_s: Seconds of one step, and of everything else of one picture but its start.
        start_s: Seconds of encoding a job's start picture.
        ratios: Seconds taken ÷ seconds predicted, of the newest jobs, oldest first.
        jobs: How many people's jobs taught this; 0 after a calibration alone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    weights_bytes: _Bytes = 0
    kept_bytes: _Bytes = 0
    lora_bytes: _Bytes = 0
    yields_bytes: _Bytes = 0
    yields_by_size: Annotated[dict[_Pixels, _Bytes], Field(max_length=MOST_SIZES)] = {}
    has_merged: bool = False
    has_encoder: bool = False
    picture_bytes: _Curve = {}
    doubt: Annotated[float, Field(ge=1, le=MAX_DOUBT)] = 1.0
    step_s: _Curve = {}
    rest_s: _Curve = {}
    start_s: _Curve = {}
    ratios: Annotated[tuple[_Positive, ...], Field(max_length=NEWEST)] = ()
    jobs: Annotated[int, Field(ge=0)] = 0

    def restarted(self, weights_bytes: int) -> Self:
        """Note a new worker: it keeps only its weights."""
        fresh = {"weights_bytes": weights_bytes, "kept_bytes": 0, "lora_bytes": 0, "yields_bytes": 0}
        return self.model_copy(
            update=fresh | {"yields_by_size": {}, "has_merged": False, "has_encoder": False}
        )

    def yields_at(self, pixels: int) -> int:
        """Predict what the worker could give up during a picture of this size, by the nearest size."""
        if not self.yields_by_size:
            return self.yields_bytes
        return self.yields_by_size[min(self.yields_by_size, key=lambda size: abs(size - pixels))]

    def doubted(self) -> Self:
        """Note a job that ran out of memory."""
        return self.model_copy(update={"doubt": min(MAX_DOUBT, self.doubt * DOUBT_STEP)})

    def bytes_of(
        self,
        pixels: int,
        loras: int,
        *,
        keeps_two_copies: bool,
        cache_bytes: int | None,
        extra_bytes: int = 0,
        has_start: bool = False,
    ) -> int:
        """Predict the most that the worker holds during a job.

        Args:
            pixels: Of one picture; a job's pictures are drawn one after the other.
            loras: How many the job has.
            keeps_two_copies: Whether the first LoRA makes the worker keep a merged copy of the weights.
            cache_bytes: The limit of the LoRAs that the worker keeps; None if unknown.
            extra_bytes: As ``CostBook.predict``.
            has_start: Whether the job begins with an earlier picture.
        """
        kept = (self.kept_bytes or self.weights_bytes) - self.yields_bytes + self.yields_at(pixels)
        grows = loras * BYTES_A_LORA + extra_bytes
        if cache_bytes is not None:  # a job's own LoRAs may exceed the limit
            grows = min(grows, max(cache_bytes, grows) - min(self.lora_bytes, cache_bytes))
        if loras and keeps_two_copies and not self.has_merged:
            grows += round(COPY_SHARE * self.weights_bytes)
        if has_start and not self.has_encoder:
            grows += ENCODER_BYTES
        curve, prior = self.picture_bytes, picture_bytes(pixels)
        smaller = [curve[size] for size in curve if size <= pixels]  # a picture needs no less than these
        own = max([along(curve, pixels, (prior,)), *smaller])
        own += max(0.0, prior - picture_bytes(max(curve, default=pixels)))
        measured = 1 + MARGIN if curve else 1.0
        return round((kept + grows + own * self.doubt) * measured)

    def job_s(self, pixels: int, steps: int, count: int = 1, *, has_start: bool = False) -> float:
        """Predict the seconds of a job whose pictures each take so many steps."""
        picture_s = steps * along(self.step_s, pixels, STEP_S) + along(self.rest_s, pixels, REST_S)
        return count * picture_s + (along(self.start_s, pixels, START_S) if has_start else 0.0)

    def learned(self, request: RenderRequest, outcome: Finished, *, is_job: bool = True) -> Self:
        """Learn from a job, or from a picture that nobody waits for: of that, a job replaces the seconds."""
        pixels, timings = request.width_px * request.height_px, outcome.timings
        taken, has_start = request.steps_taken, request.start is not None
        others_s = timings.lora_s + timings.text_s + timings.decode_s + timings.encode_s
        total_s = timings.denoise_s + timings.start_s + others_s
        changes: dict[str, Any] = {}
        values: dict[str, float] = {}  # of the curves, at this size
        if outcome.peak_bytes and self.weights_bytes:
            # A worker that does not report what it keeps keeps its weights.
            own = max(1, outcome.peak_bytes - (outcome.kept_bytes or self.weights_bytes))
            known = self.picture_bytes.get(pixels, own)
            values["picture_bytes"] = max(own, known - BYTES_RATE * (known - own))
            kept = min(outcome.kept_bytes, MOST_BYTES)
            changes |= {
                "kept_bytes": kept,
                "lora_bytes": min(outcome.lora_bytes, kept),
                "yields_bytes": (yields := min(outcome.yields_bytes, kept)),
                "yields_by_size": _newest(self.yields_by_size, pixels, yields),
                "has_merged": self.has_merged or bool(request.loras),
                "has_encoder": self.has_encoder or has_start,
                "doubt": self.doubt - BYTES_RATE * (self.doubt - 1),
            }
        if is_job:
            changes["jobs"] = self.jobs + 1
        if is_job and self.jobs:
            predicted_s = self.job_s(pixels, taken, request.count, has_start=has_start)
            changes["ratios"] = (*self.ratios, max(MIN_S, total_s) / predicted_s)[-NEWEST:]
        if is_job or not self.jobs:
            steps = taken * request.count
            if request.cells:
                steps = sum([cell.steps for cell in request.cells])
            step_s = timings.denoise_s / steps
            rest_s = others_s / request.count
            measured = [("step_s", self.step_s, STEP_S, step_s), ("rest_s", self.rest_s, REST_S, rest_s)]
            if has_start:
                measured.append(("start_s", self.start_s, START_S, timings.start_s))
            rate = SECONDS_RATE if self.jobs else 1.0
            for name, curve, prior, seconds in measured:
                known = along(curve, pixels, prior)
                weight = rate if pixels in curve else max(rate, 0.5)  # a new size teaches more
                values[name] = max(MIN_S, known + weight * (seconds - known))
        for name, value in values.items():
            changes[name] = _newest(getattr(self, name), pixels, value)
        return self.model_copy(update=changes)


def _newest(values: Mapping[int, T], pixels: int, value: T) -> dict[int, T]:
    """Return the values by size with this one as the newest, without the oldest of too many."""
    others = {size: known for size, known in values.items() if size != pixels}
    return dict([*others.items(), (pixels, value)][-MOST_SIZES:])
