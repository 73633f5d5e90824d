"""One GPU or MIG instance through NVML: the one that CUDA calls ``cuda:N`` in the worker.

The worker sets ``CUDA_DEVICE_ORDER=PCI_BUS_ID``, so that CUDA and NVML count GPUs in the same order.
"""

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from engine.planner.visible import visible_gpus

_OLD_MIG_NAME = re.compile(r"MIG-(GPU-[0-9A-Fa-f-]+)/(\d+)/(\d+)")  # of drivers before 470


@dataclass(frozen=True, slots=True)
class CardMemory:
    """One reading, in bytes."""

    free_bytes: int
    total_bytes: int
    device_name: str


class Card:
    """Reads one card; for one thread at a time.

    Args:
        number: N of ``cuda:N``.
        visible: Value of ``CUDA_VISIBLE_DEVICES``; None if it is not set.
        nvml: The module ``pynvml``, or a substitute.
    """

    def __init__(self, number: int, visible: str | None, nvml: Any) -> None:
        self._number = number
        self._visible = visible
        self._nvml = nvml
        self._is_open = False

    def read(self) -> CardMemory | None:
        """Read the card now; None if CUDA shows no such card.

        Raises:
            NVMLError: NVML does not answer. The next call opens it again.
        """
        try:
            if not self._is_open:  # opening takes longer than reading
                self._nvml.nvmlInit()
                self._is_open = True
            return self._read()
        except self._nvml.NVMLError:
            self._close()
            raise

    def _read(self) -> CardMemory | None:
        handle = self._handle()
        if handle is None:
            return None
        memory = self._nvml.nvmlDeviceGetMemoryInfo(handle)
        return CardMemory(int(memory.free), int(memory.total), str(self._nvml.nvmlDeviceGetName(handle)))

    def _close(self) -> None:
        if self._is_open:
            self._is_open = False
            with contextlib.suppress(self._nvml.NVMLError):
                self._nvml.nvmlShutdown()

    def _handle(self) -> Any | None:
        count = self._nvml.nvmlDeviceGetCount()
        if self._visible is not None and self._visible.startswith("MIG-"):
            return self._named_instance(count, self._visible.split(",")[0]) if self._number == 0 else None
        # Only UUIDs need every GPU: another one may have failed.
        is_by_uuid = self._visible is not None and self._visible.startswith("GPU-")
        uuids = [self._uuid(self._gpu(index)) if is_by_uuid else "" for index in range(count)]
        shown = visible_gpus(self._visible, uuids)
        if self._number >= len(shown):
            return None
        gpu = self._gpu(shown[self._number])
        # CUDA uses the first instance of a divided GPU, never the whole GPU.
        return next(self._instances(gpu), None) if self._is_divided(gpu) else gpu

    def _named_instance(self, count: int, wanted: str) -> Any | None:
        """Find the first entry of the setting; CUDA shows a process one MIG instance only."""
        found = [
            instance
            for gpu in map(self._gpu, range(count))
            if self._is_divided(gpu)
            for instance in self._instances(gpu)
            if self._is_called(instance, self._uuid(gpu), wanted)
        ]
        return found[0] if len(found) == 1 else None

    def _gpu(self, index: int) -> Any:
        return self._nvml.nvmlDeviceGetHandleByIndex(index)

    def _uuid(self, handle: Any) -> str:
        return str(self._nvml.nvmlDeviceGetUUID(handle))

    def _is_called(self, instance: Any, gpu_uuid: str, wanted: str) -> bool:
        if old := _OLD_MIG_NAME.fullmatch(wanted):
            ids = (
                self._nvml.nvmlDeviceGetGpuInstanceId(instance),
                self._nvml.nvmlDeviceGetComputeInstanceId(instance),
            )
            return gpu_uuid.lower().startswith(old[1].lower()) and ids == (int(old[2]), int(old[3]))
        return len(wanted) > len("MIG-") and self._uuid(instance).lower().startswith(wanted.lower())

    def _is_divided(self, gpu: Any) -> bool:
        try:
            current, _pending = self._nvml.nvmlDeviceGetMigMode(gpu)
        except self._nvml.NVMLError:
            return False  # a card that cannot be divided
        return bool(current == self._nvml.NVML_DEVICE_MIG_ENABLE)

    def _instances(self, gpu: Any) -> Iterator[Any]:
        for index in range(self._nvml.nvmlDeviceGetMaxMigDeviceCount(gpu)):
            with contextlib.suppress(self._nvml.NVMLError):  # indices without an instance
                yield self._nvml.nvmlDeviceGetMigDeviceHandleByIndex(gpu, index)
