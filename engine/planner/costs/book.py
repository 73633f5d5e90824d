"""Predicts what a job takes on this machine, in bytes and seconds, from what earlier jobs took.

``CostModel`` is what was learned for one card, driver, engine version, model and plan: curves over the size
of a picture.

* Bytes: what the worker keeps between jobs, as it last reported, and a picture's own memory by its size. That
  curve lies above everything measured: a higher value counts at once and is forgotten slowly, because a
  prediction that is too low costs a failed job. Blocks that give way to large pictures and come back for
  small ones count as they did at this size.
* Seconds by size: a step, the rest of a picture, and the encoding of a start picture, once for a job. They
  follow the newest jobs both ways.

``CostBook`` keeps the last few models. Both know no clock and no card.
"""

import importlib.metadata
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, Self

import structlog
from pydantic import BaseModel, ConfigDict, Field

from engine.config import CONTEXT_BYTES, VAE_PARTS_SHARE, WHOLE_VAE_PIXELS, Plan, WeightLocation
from engine.planner.costs.priors import (
    BYTES_A_LORA,
    BYTES_A_PIXEL,
    COPY_SHARE,
    ENCODER_BYTES,
    FIXED_BYTES,
    REST_S,
    START_S,
    STEP_S,
)
from engine.request import (
    STEPS,
    Failed,
    FailReason,
    Finished,
    RenderRequest,
    Stopped,
    TimeEstimate,
    WorkerInfo,
    remaining_steps,
)

log = structlog.get_logger(__name__)

MOST_KEYS = 16  # a host with two cards and a few plans; the key not used for longest is forgotten
NEWS = 0.1  # a prediction of seconds that changed by more than this part is worth new costs for all who wait
KEY_CHARS = 400
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


def picture_bytes(pixels: int) -> float:
    """Return the bytes of a picture beside what stays."""
    return FIXED_BYTES + BYTES_A_PIXEL * max(min(pixels, WHOLE_VAE_PIXELS), VAE_PARTS_SHARE * pixels)


def value_at(prior: tuple[float, ...], pixels: float) -> float:
    """Return a prior's seconds at a size."""
    return sum([coefficient * pixels**power for power, coefficient in enumerate(prior)])


def along(curve: Mapping[int, float], pixels: int, prior: tuple[float, ...]) -> float:
    """Return the value at a size by what was measured at others.

    Between two measured sizes the curve is a straight line, bent as the prior is. Outside of them the
    nearest one counts, scaled as the prior is. Without any the prior itself counts.

    Args:
        curve: Pixels → the measured values.
        pixels: The size.
        prior: As ``STEP_S``.
    """
    if not curve:
        return value_at(prior, pixels)
    sizes = sorted(curve)
    nearest = min(max(pixels, sizes[0]), sizes[-1])
    index = bisect_left(sizes, nearest)
    above, below = sizes[index], sizes[max(0, index - 1)]
    if not below < nearest < above:
        return curve[above] * value_at(prior, pixels) / value_at(prior, nearest)
    part = (nearest - below) / (above - below)
    line = curve[below] + (curve[above] - curve[below]) * part
    low, high = value_at(prior, below), value_at(prior, above)
    return line * value_at(prior, nearest) / (low + (high - low) * part)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a job will take.

    Attributes:
        bytes: The most that its worker will hold on the device, the weights included.
        seconds: From its start to its last picture.
        needed_bytes: What must be free, or held by the worker, before the job may start: the least with
            which the worker can do the job.
    """

    bytes: int
    seconds: float
    needed_bytes: int


class CostModel(BaseModel):
    """What was learned, as the file has it; every change makes another one.

    Attributes:
        weights_bytes: Memory of the last worker's weights; 0 before one was ready.
        kept_bytes: What the worker keeps between jobs, as the last job reported; 0 before.
        lora_bytes: How much of that is LoRAs.
        yields_bytes: How much of that the worker gives up by itself if a job needs it.
        yields_by_size: The same after the last job of each size; empty before this worker's first, so that
            the file does not have it.
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
    yields_by_size: Annotated[dict[_Pixels, _Bytes], Field(exclude=True)] = {}
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
    ) -> tuple[int, int]:
        """Predict the most that the worker holds during a job, and what of it the worker can do without.

        Args:
            pixels: Of one picture; a job's pictures are drawn one after the other.
            loras: How many the job has.
            keeps_two_copies: Whether the first LoRA makes the worker keep a merged copy of the weights.
            cache_bytes: The limit of the LoRAs that the worker keeps; None if unknown.
            extra_bytes: As ``CostBook.predict``.
            has_start: Whether the job begins with an earlier picture.
        """
        yields = self.yields_bytes
        if self.yields_by_size and not keeps_two_copies:  # the second copy does not change with the size
            _, yields = min([(abs(size - pixels), found) for size, found in self.yields_by_size.items()])
        kept = (self.kept_bytes or self.weights_bytes) - self.yields_bytes
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
        return round((kept + grows + own * self.doubt) * measured) + yields, yields

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
        values: dict[str, float] = {}  # at this size
        if outcome.peak_bytes and self.weights_bytes:
            # A worker that does not report what it keeps keeps its weights.
            own = max(1, outcome.peak_bytes - (outcome.kept_bytes or self.weights_bytes))
            known = self.picture_bytes.get(pixels, own)
            values["picture_bytes"] = max(own, known - BYTES_RATE * (known - own))
            kept = min(outcome.kept_bytes, MOST_BYTES)
            values["yields_by_size"] = min(outcome.yields_bytes, kept)
            changes |= {
                "kept_bytes": kept,
                "lora_bytes": min(outcome.lora_bytes, kept),
                "yields_bytes": min(outcome.yields_bytes, kept),
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
            points = {size: known for size, known in getattr(self, name).items() if size != pixels}
            changes[name] = dict([*points.items(), (pixels, value)][-MOST_SIZES:])
        return self.model_copy(update=changes)


class CostBook:
    """Predicts and learns the costs for one model on one device.

    Args:
        about: Names the model and the device setting.
        models: What was learned, by key. Until ``started`` names card and plan, the last one is used.

    Attributes:
        revision: Rises when predictions have changed so much that those made before are wrong.
    """

    def __init__(self, about: str = "", models: Mapping[str, CostModel] = MappingProxyType({})) -> None:
        self.revision = 0
        self.about = about
        self._models = dict(models)
        self._key = list(models)[-1] if models else ""
        # The present key's: now, and when ``revision`` last rose.
        self._model = self._priced = self._models.get(self._key, CostModel())
        self._plan: Plan | None = None

    @property
    def models(self) -> dict[str, CostModel]:
        """The newest ``MOST_KEYS`` of what was learned, by key; the present key is the last one."""
        others = {key: model for key, model in self._models.items() if key != self._key}
        return dict([*others.items(), (self._key, self._model)][-MOST_KEYS:])

    @property
    def knows_weights(self) -> bool:
        """Whether a worker of this run or an earlier one has reported the memory of the weights.

        Until then every prediction of bytes is too low by that much.
        """
        return self._model.weights_bytes > 0

    @property
    def is_calibrated(self) -> bool:
        """Whether a picture was measured on this card, with this driver, version, model and plan."""
        return bool(self._model.picture_bytes)

    def started(self, worker: WorkerInfo, plan: Plan | None = None, driver: str = "") -> None:
        """Note a new worker: use what was learned under its key, if anything.

        Args:
            worker: As it reports itself.
            plan: What it carries out.
            driver: The version of the card's driver.
        """
        self._models[self._key] = self._model
        key = _key(worker, plan, driver)
        if key != self._key:
            log.info("costs are those of another card or plan", now=key, before=self._key)
        self._key, self._plan = key, plan
        self._model = self._models.pop(key, CostModel()).restarted(worker.weights_bytes)
        self._models.pop("", None)
        self._priced = self._model
        self.revision += 1

    def predict(
        self,
        width_px: int,
        height_px: int,
        count: int,
        loras: int,
        steps: int = STEPS,
        *,
        strength: float | None = None,
        extra_bytes: int = 0,
    ) -> Cost:
        """Predict a job of ``count`` pictures of this size with ``loras`` LoRAs.

        ``strength`` is that of its start picture, None without one; ``extra_bytes`` is what the LoRAs take of
        the card beyond ``BYTES_A_LORA`` each.
        """
        model, plan, pixels = self._model, self._plan, width_px * height_px
        has_start = strength is not None
        taken = steps if strength is None else remaining_steps(steps, strength)
        most, yields = model.bytes_of(
            pixels,
            loras,
            extra_bytes=extra_bytes,
            keeps_two_copies=plan is not None and plan.base is WeightLocation.CARD,
            cache_bytes=plan.lora_cache_bytes if plan else None,
            has_start=has_start,
        )
        seconds = model.job_s(pixels, taken, count, has_start=has_start)
        needed = max(1, most - yields)
        if plan and plan.budget_bytes is not None:  # torch allocates no more than this
            most = max(needed, min(most, plan.budget_bytes - CONTEXT_BYTES))
        return Cost(most, seconds, needed)

    def estimate_of(self, seconds: float) -> TimeEstimate | None:
        """Convert summed predictions into a range of seconds; None while no job was measured."""
        if not self._model.jobs:
            return None
        low, high = FEW_LOW, FEW_HIGH
        if self._model.ratios:
            ratios = sorted(self._model.ratios)
            outside = max(0, int(OUTSIDE * (len(ratios) + 1)) - 1)
            low, high = ratios[outside], ratios[-1 - outside]
            if len(ratios) < FEW:
                low, high = min(low, FEW_LOW), max(high, FEW_HIGH)
        return TimeEstimate(seconds * low, seconds * high)

    def learn(
        self, request: RenderRequest, outcome: Finished | Stopped | Failed, *, is_job: bool = True
    ) -> None:
        """Learn from what has finished or has run out of memory; other ends teach nothing.

        Args:
            request: What was to be drawn.
            outcome: What became of it.
            is_job: False for a picture that is drawn for this alone.
        """
        match outcome:
            case Finished():
                self._model = self._model.learned(request, outcome, is_job=is_job)
            case Failed(reason=FailReason.OUT_OF_MEMORY):
                self._model = self._model.doubted()
        size = request.width_px * request.height_px, request.steps_taken
        now_s, before_s = self._model.job_s(*size), self._priced.job_s(*size)
        if abs(now_s - before_s) > NEWS * before_s:
            self._priced = self._model
            self.revision += 1


def _key(worker: WorkerInfo, plan: Plan | None, driver: str) -> str:
    """Name everything that decides memory and speed."""
    libraries = (f"{name} {version}" for name, version in sorted(worker.versions.items()))
    try:
        engine = importlib.metadata.version("sugarbot")
    except importlib.metadata.PackageNotFoundError:  # run from a folder of sources
        engine = "unknown"
    card = (worker.device_name, f"driver {driver or 'unknown'}", f"sugarbot {engine}")
    model = (worker.model_name, worker.dtype, plan.kind if plan else "no plan")
    return ", ".join((*card, *model, *libraries))[:KEY_CHARS]
