"""Reads how much memory a job may take now, and why.

On a card: the free memory that NVML reports, plus what the worker holds and will use again, minus the reserve
for others. Without a card: the same for main memory. Whatever takes a job reads it, because other programs
share the card. If NVML does not answer, the card's memory is unknown: the last reading stays, with its age.
"""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pynvml
import structlog

from engine.formatting import format_gib
from engine.planner.bounded import BoundedCall
from engine.planner.card import Card, CardMemory
from engine.planner.main_memory import read_main_memory

READ_TIMEOUT_S = 2.0  # a reading takes about a millisecond; a driver that has failed may never answer

log = structlog.get_logger(__name__)

_PROCESSOR = "CPU"


@dataclass(frozen=True, slots=True)
class Headroom:
    """One reading; all figures in bytes.

    Attributes:
        free_bytes: What the worker of one job may hold now, its weights included; >= 0.
        total_bytes: The memory of the card (or the machine).
        used_bytes: What all programs use, ours included; for people to see.
        device_name: For people: ``NVIDIA A10``, ``CPU``.
        reason: One sentence for the log.
        reserve_bytes: Kept free for other programs.
        unknown_s: None for a current reading. Otherwise NVML has not answered for so many seconds, and the
            figures are those of its last answer; all zero if it never answered.
    """

    free_bytes: int
    total_bytes: int
    used_bytes: int
    device_name: str
    reason: str
    reserve_bytes: int = 0
    unknown_s: float | None = None

    @property
    def is_known(self) -> bool:
        """Whether the figures are current."""
        return self.unknown_s is None

    @property
    def is_card(self) -> bool:
        """Whether it is a card's memory, not the machine's."""
        return self.device_name != _PROCESSOR


class HeadroomProbe:
    """Reads the memory of one device; for several threads.

    Args:
        device: As in ``EngineConfig``: ``auto``, ``cuda``, ``cuda:1`` or ``cpu``.
        reserve_bytes: Kept free for other programs.
        held_bytes: Returns what our worker holds on the device now; pass ``Host.held_bytes``. Without it a
            whole job would have to fit beside the weights that are already loaded.
        worker_device: Returns the worker's device, ``cuda:0`` or ``cpu``, and nothing before it is ready;
            pass ``Host.device``. Decides between card and main memory if ``device`` is ``auto``.
        nvml: The module ``pynvml``, or a substitute.
        environ: May have ``CUDA_VISIBLE_DEVICES``.
        clock: Seconds; monotonic.
    """

    def __init__(
        self,
        device: str,
        reserve_bytes: int,
        held_bytes: Callable[[], int] = lambda: 0,
        worker_device: Callable[[], str] = lambda: "",
        *,
        nvml: Any = pynvml,
        environ: Mapping[str, str] = os.environ,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._device = device
        self._reserve_bytes = reserve_bytes
        self._held_bytes = held_bytes
        self._worker_device = worker_device
        self._nvml = nvml
        self._clock = clock
        number = int(device.partition(":")[2] or 0)
        card = Card(number, environ.get("CUDA_VISIBLE_DEVICES"), nvml)
        self._read_card = BoundedCall(card.read, READ_TIMEOUT_S)
        self._last: Headroom | None = None
        self._unknown_since_s: float | None = None

    def read(self) -> Headroom:
        """Read the device now, within ``READ_TIMEOUT_S``; never raises."""
        if self._device == "cpu" or self._worker_device() == "cpu":
            return self._main_memory("the worker draws on the processor")
        try:
            memory = self._read_card()
        except TimeoutError:
            return self._unknown("NVML does not answer in time")
        except self._nvml.NVMLError as error:
            if self._may_be_cpu() and self._has_no_driver(error):
                return self._main_memory("the machine has no NVIDIA driver")
            return self._unknown(f"NVML does not answer: {error}")
        if memory is None:
            if self._may_be_cpu():
                return self._main_memory("no card is visible")
            return self._unknown(f"NVML shows no card for {self._device}")
        return self._known(memory)

    def _may_be_cpu(self) -> bool:
        return self._device == "auto" and not self._worker_device()

    def _has_no_driver(self, error: Exception) -> bool:
        code = getattr(error, "value", None)
        return code in (self._nvml.NVML_ERROR_LIBRARY_NOT_FOUND, self._nvml.NVML_ERROR_DRIVER_NOT_LOADED)

    def _known(self, memory: CardMemory) -> Headroom:
        if self._unknown_since_s is not None:
            log.info("card memory is known again", unknown_s=round(self._clock() - self._unknown_since_s, 1))
            self._unknown_since_s = None
        self._last = self._headroom(memory.total_bytes, memory.free_bytes, memory.device_name, "NVML")
        return self._last

    def _unknown(self, why: str) -> Headroom:
        if self._unknown_since_s is None:
            self._unknown_since_s = self._clock()
            log.warning("card memory is unknown", why=why)
        age_s = self._clock() - self._unknown_since_s
        if self._last is None:
            return Headroom(0, 0, 0, self._device, f"{why}; no reading yet", self._reserve_bytes, age_s)
        reason = f"{self._last.reason}; that was {age_s:.0f} s ago, since then {why}"
        return replace(self._last, reason=reason, unknown_s=age_s)

    def _main_memory(self, why: str) -> Headroom:
        total, free = read_main_memory()
        return self._headroom(total, free, _PROCESSOR, f"main memory, because {why}")

    def _headroom(self, total: int, free: int, device_name: str, source: str) -> Headroom:
        held = self._held_bytes()
        ours = min(free + held, total)
        reason = (
            f"{format_gib(free)} of {format_gib(total)} free on {device_name}, and {format_gib(held)} held "
            f"by our worker, less {format_gib(self._reserve_bytes)} for others ({source})"
        )
        return Headroom(
            max(0, ours - self._reserve_bytes), total, total - free, device_name, reason, self._reserve_bytes
        )
