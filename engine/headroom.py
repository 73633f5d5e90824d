"""How much memory a job may take now, and why: the only reader of NVML.

On a card: what NVML calls free, plus what our own worker already holds and will use again, minus the reserve
for others. Without a card, or where NVML does not answer, the same of main memory; ``reason`` says which.
Read at every claim, for other programs share the card. Blocking, but short: call it in a thread.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import psutil
import pynvml

_PROCESSOR = "CPU"


@dataclass(frozen=True, slots=True)
class Headroom:
    """One reading; all figures in bytes.

    Attributes:
        free_bytes: What one job's whole worker may hold now, its weights included; >= 0.
        total_bytes: What the card (or the machine) has.
        used_bytes: What everybody uses, ourselves included; for people to see.
        device_name: For people: ``NVIDIA A10``, ``CPU``.
        reason: One sentence for the log.
        reserve_bytes: Kept free for others; no job can ever have it.
    """

    free_bytes: int
    total_bytes: int
    used_bytes: int
    device_name: str
    reason: str
    reserve_bytes: int = 0

    @property
    def is_card(self) -> bool:
        """Whether it is a card's memory, not the machine's."""
        return self.device_name != _PROCESSOR


class HeadroomProbe:
    """Reads the memory of one device.

    Args:
        device: As in ``EngineConfig``: ``auto``, ``cuda``, ``cuda:1`` or ``cpu``.
        reserve_bytes: Kept free for other programs.
        held_bytes: Says what our worker holds on the device now; pass ``Host.held_bytes``. Without it a job's
            whole footprint would have to fit beside the weights that are already loaded.
        nvml: The module ``pynvml``, or one that answers like it.
        environ: Where ``CUDA_VISIBLE_DEVICES`` may stand.
    """

    def __init__(
        self,
        device: str,
        reserve_bytes: int,
        held_bytes: Callable[[], int] = lambda: 0,
        *,
        nvml: Any = pynvml,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._device = device
        self._reserve_bytes = reserve_bytes
        self._held_bytes = held_bytes
        self._nvml = nvml
        self._visible_devices = environ.get("CUDA_VISIBLE_DEVICES")
        self._is_open = False

    def read(self) -> Headroom:
        """Read the device now; never raises, for without an answer from NVML it reads main memory."""
        if self._device == "cpu":
            return self._main_memory("the device is cpu")
        try:
            if not self._is_open:  # opening takes longer than reading, so it is left open
                self._nvml.nvmlInit()
                self._is_open = True
            return self._card()
        except self._nvml.NVMLError as error:
            self._is_open = False
            return self._main_memory(f"NVML does not answer: {error}")

    def _card(self) -> Headroom:
        handle = self._handle()
        if handle is None:
            return self._main_memory("no card is visible")
        memory = self._nvml.nvmlDeviceGetMemoryInfo(handle)
        name = self._nvml.nvmlDeviceGetName(handle)
        return self._headroom(int(memory.total), int(memory.free), str(name), "NVML")

    def _handle(self) -> Any | None:
        """Find the card that CUDA calls ``cuda:N``: NVML counts every card, CUDA only those it is shown.

        The worker sets ``CUDA_DEVICE_ORDER=PCI_BUS_ID``, so that both count in the same order.
        """
        number = int(self._device.partition(":")[2] or 0)
        if self._visible_devices is None:
            count = self._nvml.nvmlDeviceGetCount()
            return self._nvml.nvmlDeviceGetHandleByIndex(number) if number < count else None
        shown = [each.strip() for each in self._visible_devices.split(",")]
        if number >= len(shown) or shown[number] in ("", "-1"):
            return None
        if shown[number].isdecimal():
            return self._nvml.nvmlDeviceGetHandleByIndex(int(shown[number]))
        return self._nvml.nvmlDeviceGetHandleByUUID(shown[number].encode())

    def _main_memory(self, why: str) -> Headroom:
        memory = psutil.virtual_memory()
        return self._headroom(memory.total, memory.available, _PROCESSOR, f"main memory, because {why}")

    def _headroom(self, total: int, free: int, device_name: str, source: str) -> Headroom:
        held = self._held_bytes()
        ours = min(free + held, total)
        reason = (
            f"{_gib(free)} of {_gib(total)} free on {device_name}, and {_gib(held)} held by our worker, "
            f"less {_gib(self._reserve_bytes)} for others ({source})"
        )
        return Headroom(
            max(0, ours - self._reserve_bytes), total, total - free, device_name, reason, self._reserve_bytes
        )


def _gib(count: int) -> str:
    return f"{count / 2**30:.1f} GiB"
