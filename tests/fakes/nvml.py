"""An NVML with the answers that a test sets: cards, MIG instances, errors and hangs."""

import threading
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

GIB = 2**30


@dataclass(eq=False)
class FakeGpu:
    """A GPU, or one MIG instance of a GPU; memory in GiB."""

    total: float
    free: float
    uuid: str = ""
    name: str = "NVIDIA Test"
    instances: list["FakeGpu | None"] = field(default_factory=list)  # None: a place without an instance
    place: tuple[int, int] = (0, 0)  # GPU instance, compute instance
    is_lost: bool = False
    answers: dict[str, Any] = field(
        default_factory=dict
    )  # a property → its value; the others are ``missing``


class FakeNvml:
    """As much of ``pynvml`` as the product uses.

    Attributes:
        fails_with: Every call from now on raises this error; None for none.
        hangs: Cleared, calls wait for it.
        opened: How often it was opened.
        calls: The name of every call.
    """

    NVML_ERROR_LIBRARY_NOT_FOUND = 12
    NVML_ERROR_DRIVER_NOT_LOADED = 9
    NVML_ERROR_LIB_RM_VERSION_MISMATCH = 18
    NVML_ERROR_NOT_SUPPORTED = 3
    NVML_ERROR_NOT_FOUND = 6
    NVML_ERROR_GPU_IS_LOST = 15
    NVML_ERROR_INVALID_ARGUMENT = 2
    NVML_ERROR_NO_PERMISSION = 4
    NVML_ERROR_FUNCTION_NOT_FOUND = 13
    NVML_ERROR_UNKNOWN = 999
    NVML_DEVICE_MIG_ENABLE = 1
    NVML_CLOCK_SM = 1
    NVML_CLOCK_MEM = 2
    NVML_TEMPERATURE_GPU = 0

    class NVMLError(Exception):
        """As in ``pynvml``: ``value`` is NVML's code."""

        def __init__(self, value: int) -> None:
            super().__init__(f"NVML error {value}")
            self.value = value

    def __init__(self, *gpus: FakeGpu) -> None:
        self.gpus = list(gpus)
        self.fails_with: int | None = None
        self.hangs = threading.Event()
        self.hangs.set()
        self.opened = 0
        self.is_open = False
        self.calls: list[str] = []

    def nvmlInit(self) -> None:
        self._called("init")
        self.opened += 1
        self.is_open = True

    def nvmlShutdown(self) -> None:
        self.is_open = False

    def nvmlDeviceGetCount(self) -> int:
        self._called("count")
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, number: int) -> FakeGpu:
        self._called("handle")
        if self.gpus[number].is_lost:
            raise self.NVMLError(self.NVML_ERROR_GPU_IS_LOST)
        return self.gpus[number]

    def nvmlDeviceGetUUID(self, gpu: FakeGpu) -> str:
        return gpu.uuid

    def nvmlDeviceGetMemoryInfo(self, gpu: FakeGpu) -> SimpleNamespace:
        self._called("memory")
        return SimpleNamespace(total=int(gpu.total * GIB), free=int(gpu.free * GIB))

    def nvmlDeviceGetName(self, gpu: FakeGpu) -> str:
        return gpu.name

    def nvmlDeviceGetMigMode(self, gpu: FakeGpu) -> list[int]:
        if not gpu.instances:
            raise self.NVMLError(self.NVML_ERROR_NOT_SUPPORTED)
        return [self.NVML_DEVICE_MIG_ENABLE, self.NVML_DEVICE_MIG_ENABLE]

    def nvmlDeviceGetMaxMigDeviceCount(self, gpu: FakeGpu) -> int:
        return len(gpu.instances)

    def nvmlDeviceGetMigDeviceHandleByIndex(self, gpu: FakeGpu, index: int) -> FakeGpu:
        instance = gpu.instances[index]
        if instance is None:
            raise self.NVMLError(self.NVML_ERROR_NOT_FOUND)
        return instance

    def nvmlDeviceGetGpuInstanceId(self, instance: FakeGpu) -> int:
        return instance.place[0]

    def nvmlDeviceGetComputeInstanceId(self, instance: FakeGpu) -> int:
        return instance.place[1]

    def nvmlDeviceGetCudaComputeCapability(self, gpu: FakeGpu) -> tuple[int, int]:
        return self._answer(gpu, "capability")

    def nvmlDeviceGetNumGpuCores(self, gpu: FakeGpu) -> int:
        return self._answer(gpu, "cores")

    def nvmlDeviceGetMaxClockInfo(self, gpu: FakeGpu, clock: int) -> int:
        return self._answer(gpu, "core_mhz" if clock == self.NVML_CLOCK_SM else "memory_mhz")

    def nvmlDeviceGetMemoryBusWidth(self, gpu: FakeGpu) -> int:
        return self._answer(gpu, "bus_bits")

    def nvmlDeviceGetMaxPcieLinkGeneration(self, gpu: FakeGpu) -> int:
        return self._answer(gpu, "pcie_generation")

    def nvmlDeviceGetCurrPcieLinkWidth(self, gpu: FakeGpu) -> int:
        return self._answer(gpu, "pcie_width")

    def nvmlSystemGetDriverVersion(self) -> str:
        return "580.1"

    def nvmlDeviceGetUtilizationRates(self, gpu: FakeGpu) -> SimpleNamespace:
        return SimpleNamespace(gpu=self._answer(gpu, "utilisation"))

    def nvmlDeviceGetTemperature(self, gpu: FakeGpu, _sensor: int) -> int:
        return self._answer(gpu, "temperature")

    def nvmlDeviceGetPowerUsage(self, gpu: FakeGpu) -> int:
        return self._answer(gpu, "power_mw")

    def nvmlDeviceGetEnforcedPowerLimit(self, gpu: FakeGpu) -> int:
        return self._answer(gpu, "limit_mw")

    def nvmlDeviceGetDeviceHandleFromMigDeviceHandle(self, handle: FakeGpu) -> FakeGpu:
        found = [gpu for gpu in self.gpus if handle in gpu.instances]
        if not found:
            raise self.NVMLError(self.NVML_ERROR_INVALID_ARGUMENT)
        return found[0]

    def _answer(self, gpu: FakeGpu, name: str) -> Any:
        answer = gpu.answers.get(name)
        if answer is None:
            raise self.NVMLError(gpu.answers.get("missing", self.NVML_ERROR_NOT_SUPPORTED))
        return answer

    def _called(self, name: str) -> None:
        self.calls.append(name)
        self.hangs.wait()
        if self.fails_with is not None:
            raise self.NVMLError(self.fails_with)
        if name not in ("init", "shutdown") and not self.is_open:
            raise self.NVMLError(1)  # uninitialised
