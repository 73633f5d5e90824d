"""Predicts what a job takes on this machine, in bytes and seconds, from what earlier jobs took.

What was learned holds for one card, driver, engine version, model and plan alone; the book keeps the last few
of them. Knows no clock and no card. The caller saves the book, in a thread; a broken file only means
learning again.
"""

import importlib.metadata
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engine.config import BaseLocation, Plan
from engine.durable import write_file
from engine.planner.cost_model import CostModel
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

MOST_KEYS = 16  # a host with two cards and a few plans; the key not used for longest is forgotten
NEWS = 0.1  # a prediction of seconds that changed by more than this part is worth new costs for all who wait
KEY_CHARS = 400


@dataclass(frozen=True, slots=True)
class Cost:
    """What a job will take.

    Attributes:
        bytes: The most that its worker will hold on the device, the weights included.
        seconds: From its start to its last picture.
        least_bytes: The same if the worker first gives up what it can do without; 0 means ``bytes``.
    """

    bytes: int
    seconds: float
    least_bytes: int = 0

    @property
    def needed_bytes(self) -> int:
        """What must be free, or held by the worker, before the job may start."""
        return self.least_bytes or self.bytes


class _File(BaseModel):
    """The content of the file: what was learned, by key; the key used last is the last one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    about: str
    models: Annotated[dict[str, CostModel], Field(max_length=MOST_KEYS)] = {}


class CostBook:
    """Predicts and learns the costs for one model on one device.

    Args:
        about: Names the model and the device setting; figures of another pair are not used. Until ``started``
            names card and plan, those of the last worker are used.

    Attributes:
        revision: Rises when predictions have changed so much that those made before are wrong.
    """

    def __init__(self, about: str = "") -> None:
        self.revision = 0
        self._about = about
        self._models: dict[str, CostModel] = {}
        self._key = ""
        self._model = self._priced = CostModel()  # the present key's: now, and when ``revision`` last rose
        self._plan: Plan | None = None

    @classmethod
    def load(cls, path: Path, about: str = "") -> "CostBook":
        """Open the book that ``save`` wrote; if it is missing or broken, start an empty one."""
        book = cls(about)
        try:
            content = _File.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return book
        except (OSError, ValidationError) as error:
            log.warning("cost book unreadable, learning again", path=str(path), error=type(error).__name__)
            return book
        if content.about == about and content.models:
            book._models = dict(content.models)
            book._key, book._model = list(content.models.items())[-1]
            book._priced = book._model
        return book

    def save(self, path: Path) -> None:
        """Write the book, whole or not at all.

        Raises:
            OSError: It could not be written; the old file is unchanged.
        """
        models = {key: model for key, model in self._models.items() if key != self._key}
        models = dict([*models.items(), (self._key, self._model)][-MOST_KEYS:])
        write_file(path, f"{_File(about=self._about, models=models).model_dump_json()}\n".encode())

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

    def predict(self, width_px: int, height_px: int, count: int, loras: int, steps: int = STEPS) -> Cost:
        """Predict a job of ``count`` pictures of this size with ``loras`` LoRAs."""
        model, plan, pixels = self._model, self._plan, width_px * height_px
        most = model.bytes_of(
            pixels,
            loras,
            keeps_two_copies=plan is not None and plan.base is BaseLocation.CARD,
            cache_bytes=plan.lora_cache_bytes if plan else None,
        )
        least = max(1, most - model.yields_bytes) if model.yields_bytes else 0
        return Cost(most, count * model.picture_s(pixels, steps), least)

    def estimate_of(self, seconds: float) -> TimeEstimate | None:
        """Convert summed predictions into a range of seconds; None while nothing was measured."""
        found = self._model.range_of(seconds)
        return None if found is None else TimeEstimate(*found)

    def learn(self, request: RenderRequest, outcome: Finished | Stopped | Failed) -> None:
        """Learn from a finished job or from one that ran out of memory; others teach nothing."""
        match outcome:
            case Finished():
                self._update(self._model.learned(request, outcome), request)
            case Failed(reason=FailReason.OUT_OF_MEMORY):
                self._update(self._model.doubted(), request)

    def calibrate(self, request: RenderRequest, outcome: Finished) -> None:
        """Learn from a picture that was drawn for this alone."""
        self._update(self._model.calibrated(request, outcome), request)

    def _update(self, model: CostModel, request: RenderRequest) -> None:
        self._model = model
        size = request.width_px * request.height_px, request.steps
        now_s, before_s = model.picture_s(*size), self._priced.picture_s(*size)
        if abs(now_s - before_s) > NEWS * before_s:
            self._priced = model
            self.revision += 1


def kind_of(plan: Plan | None) -> str:
    """Name what decides the costs of a plan; budget and number of resident blocks only shift them."""
    if plan is None:
        return "no plan"
    blocks = "all blocks" if plan.resident_blocks is None else "streamed blocks"
    decoder = ", tiles" if plan.tiles_vae else ""
    return f"{plan.weight_format}, base {plan.base}, {blocks}, encoder {plan.encoder}{decoder}"


def _key(worker: WorkerInfo, plan: Plan | None, driver: str) -> str:
    """Name everything that decides memory and speed."""
    libraries = (f"{name} {version}" for name, version in sorted(worker.versions.items()))
    try:
        engine = importlib.metadata.version("sugarbot")
    except importlib.metadata.PackageNotFoundError:  # run from a folder of sources
        engine = "unknown"
    card = (worker.device_name, f"driver {driver or 'unknown'}", f"sugarbot {engine}")
    return ", ".join((*card, worker.model_name, worker.dtype, kind_of(plan), *libraries))[:KEY_CHARS]
