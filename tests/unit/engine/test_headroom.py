"""The memory probe, with an NVML that answers what a test tells it."""

from types import SimpleNamespace

import psutil
import pytest

from engine.headroom import HeadroomProbe

GIB = 2**30


class FakeNvml:
    """As much of ``pynvml`` as the probe uses; cards are (total, free) in GiB, by number and by UUID."""

    class NVMLError(Exception):
        pass

    def __init__(self, *cards: tuple[int, int]) -> None:
        self.cards = list(cards)
        self.opened = 0
        self.fails_at = ""

    def nvmlInit(self) -> None:
        self._may_fail("init")
        self.opened += 1

    def nvmlDeviceGetCount(self) -> int:
        return len(self.cards)

    def nvmlDeviceGetHandleByIndex(self, number: int) -> int:
        if number >= len(self.cards):
            raise self.NVMLError("Invalid Argument")
        return number

    def nvmlDeviceGetHandleByUUID(self, uuid: bytes) -> int:
        assert uuid.startswith(b"GPU-")
        return int(uuid[4:])

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> SimpleNamespace:
        self._may_fail("memory")
        total, free = self.cards[handle]
        return SimpleNamespace(total=total * GIB, free=free * GIB, used=(total - free) * GIB)

    def nvmlDeviceGetName(self, handle: int) -> str:
        return f"Card {handle}"

    def _may_fail(self, place: str) -> None:
        if self.fails_at == place:
            raise self.NVMLError("GPU is lost")


def make_probe(
    nvml: FakeNvml,
    device: str = "auto",
    *,
    reserve_gib: int = 0,
    held_gib: int = 0,
    visible: str | None = None,
) -> HeadroomProbe:
    environ = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    return HeadroomProbe(device, reserve_gib * GIB, lambda: held_gib * GIB, nvml=nvml, environ=environ)


def test_free_memory_is_what_nvml_says_less_the_reserve() -> None:
    reading = make_probe(FakeNvml((24, 10)), reserve_gib=1).read()
    assert (reading.free_bytes, reading.total_bytes, reading.used_bytes) == (9 * GIB, 24 * GIB, 14 * GIB)
    assert reading.device_name == "Card 0"
    assert reading.reserve_bytes == GIB
    assert "10.0 GiB of 24.0 GiB free on Card 0" in reading.reason


def test_what_our_own_worker_holds_counts_as_free_for_its_next_job() -> None:
    assert make_probe(FakeNvml((24, 4)), held_gib=19).read().free_bytes == 23 * GIB


def test_free_memory_is_never_below_zero_nor_above_the_card() -> None:
    assert make_probe(FakeNvml((24, 1)), reserve_gib=2).read().free_bytes == 0
    assert make_probe(FakeNvml((24, 20)), held_gib=19).read().free_bytes == 24 * GIB


@pytest.mark.parametrize(
    ("device", "visible", "card"),
    [
        ("cuda", None, "Card 0"),
        ("cuda:1", None, "Card 1"),
        ("cuda", "1", "Card 1"),
        ("cuda:1", "2, 0", "Card 0"),
        ("auto", "GPU-2", "Card 2"),
    ],
)
def test_the_card_is_the_one_that_cuda_means(device: str, visible: str | None, card: str) -> None:
    nvml = FakeNvml((24, 1), (40, 2), (80, 3))
    assert make_probe(nvml, device, visible=visible).read().device_name == card


@pytest.mark.parametrize(
    ("device", "visible"), [("cpu", None), ("auto", ""), ("auto", "-1"), ("cuda:3", None), ("cuda:1", "0")]
)
def test_without_a_visible_card_main_memory_is_read_and_the_reason_says_so(
    device: str, visible: str | None
) -> None:
    reading = make_probe(FakeNvml((24, 1)), device, visible=visible).read()
    assert reading.device_name == "CPU"
    assert reading.total_bytes == psutil.virtual_memory().total
    assert "main memory, because" in reading.reason


def test_a_machine_without_cards_reads_main_memory() -> None:
    assert make_probe(FakeNvml()).read().device_name == "CPU"


@pytest.mark.parametrize("place", ["init", "memory"])
def test_an_error_of_nvml_falls_back_with_its_reason_and_is_tried_again(place: str) -> None:
    nvml = FakeNvml((24, 10))
    probe = make_probe(nvml)
    nvml.fails_at = place
    assert "NVML does not answer: GPU is lost" in probe.read().reason
    nvml.fails_at = ""
    assert probe.read().device_name == "Card 0"


def test_nvml_is_opened_once() -> None:
    nvml = FakeNvml((24, 10))
    probe = make_probe(nvml)
    for _ in range(3):
        probe.read()
    assert nvml.opened == 1


def test_the_real_nvml_of_this_machine_is_read_without_error() -> None:
    reading = HeadroomProbe("auto", 0).read()
    assert 0 < reading.free_bytes <= reading.total_bytes
    assert reading.reason
