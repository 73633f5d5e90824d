"""One GPU or MIG instance through NVML: the one that CUDA calls ``cuda:N`` in the worker.

The worker sets ``CUDA_DEVICE_ORDER=PCI_BUS_ID``, so that CUDA and NVML count GPUs in the same order.
"""

import contextlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from engine.planner.visible import visible_gpus

T = TypeVar("T")

_OLD_MIG_NAME = re.compile(r"MIG-(GPU-[0-9A-Fa-f-]+)/(\d+)/(\d+)")  # of drivers before 470


@dataclass(frozen=True, slots=True)
class CardMemory:
    """One reading, in bytes."""

    free_bytes: int
    total_bytes: int
    device_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CardProperties:
    """What does not change while the machine runs; None or 0 for what the driver does not tell.

    WSL, vGPUs and MIG instances do not tell everything.

    Attributes:
        capability: Compute capability, like (8, 6).
        pcie_generation: The newest that card and slot both speak; an idle card uses an older one for a while.
        pcie_width: Lanes in use.
        cores_ghz: CUDA cores times their highest clock in GHz.
        memory_bytes_s: Rate of the card's memory: bus width times twice the highest clock.
        driver: Version of the driver.
    """

    memory: CardMemory
    capability: tuple[int, int] | None = None
    pcie_generation: int | None = None
    pcie_width: int | None = None
    cores_ghz: float = 0.0
    memory_bytes_s: float = 0.0
    driver: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardSensors:
    """What changes all the time; None for what the driver does not tell.

    Attributes:
        utilisation: Part of the last moment in which the card computed, 0 … 1.
        power_limit_w: The limit that holds now.
    """

    memory: CardMemory
    utilisation: float | None = None
    temperature_c: int | None = None
    power_w: float | None = None
    power_limit_w: float | None = None


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
        return self._opened(self._memory)

    def read_properties(self) -> CardProperties | None:
        """Read what does not change, with the memory now; None if CUDA shows no such card.

        Raises:
            NVMLError: As ``read``. What the card alone does not tell raises nothing.
        """
        return self._opened(self._properties)

    def read_sensors(self) -> CardSensors | None:
        """Read load, temperature and power, with the memory now; None and errors as ``read_properties``."""
        return self._opened(self._sensors)

    def _opened(self, read: Callable[[Any], T]) -> T | None:
        try:
            if not self._is_open:  # opening takes longer than reading
                self._nvml.nvmlInit()
                self._is_open = True
            handle = self._handle()
            return None if handle is None else read(handle)
        except self._nvml.NVMLError:
            self._close()
            raise

    def _memory(self, handle: Any) -> CardMemory:
        memory = self._nvml.nvmlDeviceGetMemoryInfo(handle)
        return CardMemory(int(memory.free), int(memory.total), str(self._nvml.nvmlDeviceGetName(handle)))

    def _properties(self, handle: Any) -> CardProperties:
        nvml, ask, whole = self._nvml, self._ask, self._whole(handle)
        capability = ask("nvmlDeviceGetCudaComputeCapability", handle)
        cores, core_mhz = (
            ask("nvmlDeviceGetNumGpuCores", whole),
            ask("nvmlDeviceGetMaxClockInfo", whole, nvml.NVML_CLOCK_SM),
        )
        bus_bits, memory_mhz = (
            ask("nvmlDeviceGetMemoryBusWidth", whole),
            ask("nvmlDeviceGetMaxClockInfo", whole, nvml.NVML_CLOCK_MEM),
        )
        return CardProperties(
            memory=self._memory(handle),
            capability=(int(capability[0]), int(capability[1])) if capability else None,
            pcie_generation=ask("nvmlDeviceGetMaxPcieLinkGeneration", whole) or None,
            pcie_width=ask("nvmlDeviceGetCurrPcieLinkWidth", whole) or None,
            cores_ghz=(cores or 0) * (core_mhz or 0) / 1000,
            memory_bytes_s=(bus_bits or 0) / 8 * 2 * (memory_mhz or 0) * 1e6,
            driver=str(ask("nvmlSystemGetDriverVersion") or ""),
        )

    def _sensors(self, handle: Any) -> CardSensors:
        ask, whole = self._ask, self._whole(handle)
        rates = ask("nvmlDeviceGetUtilizationRates", handle)
        power, limit = ask("nvmlDeviceGetPowerUsage", whole), ask("nvmlDeviceGetEnforcedPowerLimit", whole)
        return CardSensors(
            memory=self._memory(handle),
            utilisation=None if rates is None else rates.gpu / 100,
            temperature_c=ask("nvmlDeviceGetTemperature", whole, self._nvml.NVML_TEMPERATURE_GPU),
            power_w=None if power is None else power / 1000,
            power_limit_w=None if limit is None else limit / 1000,
        )

    def _whole(self, handle: Any) -> Any:
        """Return the GPU of a MIG instance, which alone has a link, a clock and sensors; else the handle."""
        return self._ask("nvmlDeviceGetDeviceHandleFromMigDeviceHandle", handle) or handle

    def _ask(self, function: str, *arguments: Any) -> Any | None:
        """Call a function of NVML; None if this card, driver or library does not have the answer."""
        try:
            return getattr(self._nvml, function)(*arguments)
        except self._nvml.NVMLError as error:
            if error.value in (
                self._nvml.NVML_ERROR_NOT_SUPPORTED,
                self._nvml.NVML_ERROR_FUNCTION_NOT_FOUND,
                self._nvml.NVML_ERROR_INVALID_ARGUMENT,  # a whole GPU has no GPU around it
                self._nvml.NVML_ERROR_NO_PERMISSION,
                self._nvml.NVML_ERROR_UNKNOWN,  # WSL
            ):
                return None
            raise

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
