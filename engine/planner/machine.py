"""This machine as the planner wants it, and the plan of the worker that is about to start on it."""

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pynvml
import structlog

from engine.checkpoint.model import ModelInfo
from engine.checkpoint.part_sizes import read_model_sizes
from engine.config import EngineConfig
from engine.errors import NoPlanFits
from engine.formatting import format_gib
from engine.planner.bounded import BoundedCall
from engine.planner.card import Card, CardProperties, CardSensors
from engine.planner.headroom import READ_TIMEOUT_S
from engine.planner.main_memory import read_main_memory
from engine.planner.placement.cards import find_card, rates_of
from engine.planner.placement.choose import choose_plan, formats_of
from engine.planner.placement.values import (
    LANE_BYTES_S,
    CardInfo,
    NoPlan,
    Placed,
    Situation,
    WantedSize,
)

USUAL_SIZE = (1024, 1024)  # beside a model's native and largest sizes
UNKNOWN_LINK = (3, 16)  # WSL and vGPUs tell no link, and most such machines have at least this

log = structlog.get_logger(__name__)


class CardProbe:
    """Reads the properties of one card; for several threads.

    Args:
        device: As in ``EngineConfig``.
        reserve_bytes: Kept free for other programs.
        nvml: The module ``pynvml``, or a substitute.
        environ: May have ``CUDA_VISIBLE_DEVICES``.
    """

    def __init__(
        self,
        device: str,
        reserve_bytes: int,
        *,
        nvml: Any = pynvml,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._is_cpu = device == "cpu"
        self._reserve_bytes = reserve_bytes
        self._nvml = nvml
        number = int(device.partition(":")[2] or 0)
        card = Card(number, environ.get("CUDA_VISIBLE_DEVICES"), nvml)
        self._read = BoundedCall(card.read_properties, READ_TIMEOUT_S)
        sensors = Card(number, environ.get("CUDA_VISIBLE_DEVICES"), nvml)  # each is for one thread at a time
        self._read_sensors = BoundedCall(sensors.read_sensors, READ_TIMEOUT_S)

    def read(self, held_bytes: int = 0) -> CardInfo | None:
        """Read the card now; None without a card, or if NVML does not answer.

        Args:
            held_bytes: What our worker holds and will use again.
        """
        if self._is_cpu:
            return None
        try:
            properties = self._read()
        except TimeoutError:
            log.warning("no plan, because NVML does not answer in time")
            return None
        except self._nvml.NVMLError as error:
            log.info("no plan, because NVML shows no card", detail=str(error))
            return None
        return None if properties is None else card_info(properties, held_bytes, self._reserve_bytes)

    def read_sensors(self) -> CardSensors | None:
        """Read load, temperature and power; None without a card, or if NVML does not answer."""
        try:
            return None if self._is_cpu else self._read_sensors()
        except (TimeoutError, self._nvml.NVMLError):
            return None

    def read_driver(self) -> str:
        """Return the version of the driver; empty without a card, or if NVML does not answer."""
        try:
            properties = None if self._is_cpu else self._read()
        except (TimeoutError, self._nvml.NVMLError):
            return ""
        return properties.driver if properties else ""


def card_info(properties: CardProperties, held_bytes: int, reserve_bytes: int) -> CardInfo:
    """Return a card as the planner wants it.

    Args:
        properties: As the driver tells them.
        held_bytes: What our worker holds and will use again.
        reserve_bytes: Kept free for other programs.
    """
    memory = properties.memory
    known = find_card(memory.device_name)
    generation, width = known.pcie if known else UNKNOWN_LINK
    generation = properties.pcie_generation or generation
    free_bytes = min(memory.free_bytes + held_bytes, memory.total_bytes) - reserve_bytes
    return CardInfo(
        name=memory.device_name,
        total_bytes=memory.total_bytes,
        free_bytes=max(0, free_bytes),
        pcie_generation=min(max(generation, min(LANE_BYTES_S)), max(LANE_BYTES_S)),
        pcie_width=properties.pcie_width or width,
        rates=rates_of(
            memory.device_name,
            properties.capability,
            total_bytes=memory.total_bytes,
            cores_ghz=properties.cores_ghz,
            memory_bytes_s=properties.memory_bytes_s,
        ),
    )


class WorkerPlanner:
    """Plans for one model on one device; for several threads.

    Args:
        model: Is on the disk.
        config: Names device, reserve and precision.
        probe: Reads the card.
        read_ram: Returns the bytes of main memory in all, and the free ones.

    Attributes:
        placed: The answer for the newest worker; None before one started, or without a card.
    """

    def __init__(
        self,
        model: ModelInfo,
        config: EngineConfig,
        probe: CardProbe | None = None,
        read_ram: Callable[[], tuple[int, int]] = read_main_memory,
    ) -> None:
        self._model = model
        self._sizes = read_model_sizes(model.folder)
        self._config = config
        self._probe = probe or CardProbe(config.device, config.reserve_bytes)
        self._read_ram = read_ram
        self.placed: Placed | None = None

    def situation(self, held_bytes: int = 0, held_ram_bytes: int = 0) -> Situation | None:
        """Read the machine now; None without a card.

        Args:
            held_bytes: What our worker holds on the card.
            held_ram_bytes: What it holds in main memory.
        """
        card = self._probe.read(held_bytes)
        if card is None:
            return None
        return Situation(
            card=card,
            ram_free_bytes=self._read_ram()[1] + held_ram_bytes,
            model=self._sizes,
            sizes=wanted_sizes(self._model),
            formats=formats_of(self._config.precision),
            steps=self._model.steps,
        )

    def choose(self) -> Placed | NoPlan | None:
        """Choose the plan of a worker that starts now; None without a card."""
        situation = self.situation()
        return None if situation is None else choose_plan(situation)

    def place(self, config: EngineConfig) -> EngineConfig:
        """Return the configuration with the plan; pass it to ``Host``.

        Raises:
            NoPlanFits: Too little of the card is free.
        """
        answer = self.choose()
        self.placed = answer if isinstance(answer, Placed) else None
        if answer is None:
            return replace(config, plan=None)
        if isinstance(answer, NoPlan):
            raise NoPlanFits(needed_bytes=answer.needed_bytes, missing_bytes=answer.missing_bytes)
        log.info("plan", layout=answer.reason.code, hint=answer.reason.hint, **_as_text(answer))
        return replace(config, plan=answer.plan)


def wanted_sizes(model: ModelInfo) -> tuple[WantedSize, ...]:
    """Return the sizes that a plan must serve: the native one first, then larger ones that are allowed."""
    width, height = model.native_width_px, model.native_height_px
    times = math.isqrt(model.max_area_px // (width * height))
    sizes = ((width, height), USUAL_SIZE, (width * times, height * times))
    return tuple(dict.fromkeys(size for size in sizes if model.allows(*size)))


def _as_text(answer: Placed) -> dict[str, str]:
    plan, usual = answer.plan, answer.option.predictions[0]
    return {
        "format": plan.weight_format.value,
        "base": plan.base.value,
        "encoder": plan.encoder.value,
        "blocks": "all" if plan.resident_blocks is None else str(plan.resident_blocks),
        "needs": format_gib(answer.option.bytes),
        "free": format_gib(plan.budget_bytes or 0),
        "seconds": f"{usual.picture_s + usual.prompt_s:.2f}",
    }
