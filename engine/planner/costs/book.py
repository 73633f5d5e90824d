"""Predicts what a job takes on this machine, in bytes and seconds, from what earlier jobs took.

The book keeps the last few models. It knows no clock and no card.
"""

import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import structlog

from engine.config import CONTEXT_BYTES, Plan, WeightLocation
from engine.planner.costs.model import FEW, FEW_HIGH, FEW_LOW, OUTSIDE, CostModel
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


@dataclass(frozen=True, slots=True)
class Cost:
    """What a job will take.

    Attributes:
        bytes: The most that its worker will hold on the device, the weights included.
        seconds: From its start to its last picture.
        needed_bytes: What must be free, or held by the worker, before the job may start: ``bytes`` without
            what the worker gives up by itself.
    """

    bytes: int
    seconds: float
    needed_bytes: int


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
        most = model.bytes_of(
            pixels,
            loras,
            extra_bytes=extra_bytes,
            keeps_two_copies=plan is not None and plan.base is WeightLocation.CARD,
            cache_bytes=plan.lora_cache_bytes if plan else None,
            has_start=has_start,
        )
        seconds = model.job_s(pixels, taken, count, has_start=has_start)
        needed = max(1, most - model.yields_at(pixels))
        if plan and plan.budget_bytes is not None:  # torch refuses more
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
