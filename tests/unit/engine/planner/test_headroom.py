"""The memory probe: a card's memory is known or unknown, never that of another device."""

import asyncio
import threading
import time
from collections.abc import Callable

import psutil
import pytest
import structlog

from engine.planner import headroom as headroom_module
from engine.planner.headroom import Headroom, HeadroomProbe
from tests.fakes.clock import FakeSeconds
from tests.fakes.nvml import GIB, FakeGpu, FakeNvml

CUDA = "cuda:0"


def a_card(total: float = 24, free: float = 10) -> FakeNvml:
    return FakeNvml(FakeGpu(total, free, name="NVIDIA A10"))


def make_probe(
    nvml: FakeNvml,
    device: str = "auto",
    *,
    reserve_gib: int = 0,
    held_gib: int = 0,
    visible: str | None = None,
    worker: str = "",
    clock: Callable[[], float] = lambda: 100.0,
) -> HeadroomProbe:
    environ = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    return HeadroomProbe(
        device,
        reserve_gib * GIB,
        lambda: held_gib * GIB,
        lambda: worker,
        nvml=nvml,
        environ=environ,
        clock=clock,
    )


def is_main_memory(reading: Headroom) -> bool:
    return reading.device_name == "CPU" and reading.total_bytes >= psutil.virtual_memory().total // 64


def test_free_memory_is_the_nvml_figure_less_the_reserve() -> None:
    reading = make_probe(a_card(), reserve_gib=1).read()
    assert (reading.free_bytes, reading.total_bytes, reading.used_bytes) == (9 * GIB, 24 * GIB, 14 * GIB)
    assert (reading.device_name, reading.is_card, reading.is_known) == ("NVIDIA A10", True, True)
    assert reading.reserve_bytes == GIB
    assert reading.reason == (
        "10.0 GiB of 24.0 GiB free on NVIDIA A10, and 0.0 GiB held by our worker, "
        "less 1.0 GiB for others (NVML)"
    )


def test_memory_that_our_worker_holds_counts_as_free_for_its_next_job() -> None:
    assert make_probe(a_card(24, 4), held_gib=19).read().free_bytes == 23 * GIB


def test_without_a_worker_nothing_is_held_and_the_card_is_read() -> None:
    reading = HeadroomProbe("auto", 0, nvml=a_card(24, 10), environ={}).read()
    assert (reading.free_bytes, reading.reserve_bytes, reading.is_card) == (10 * GIB, 0, True)


def test_free_memory_is_never_below_zero_nor_above_the_card() -> None:
    assert make_probe(a_card(24, 1), reserve_gib=2).read().free_bytes == 0
    assert make_probe(a_card(24, 20), held_gib=19).read().free_bytes == 24 * GIB


@pytest.mark.parametrize(("device", "name"), [("cuda", "A"), ("cuda:1", "B"), ("auto", "A")])
def test_the_setting_names_the_card(device: str, name: str) -> None:
    nvml = FakeNvml(FakeGpu(24, 1, name="A"), FakeGpu(24, 1, name="B"))
    assert make_probe(nvml, device).read().device_name == name


@pytest.mark.parametrize(
    ("device", "worker"), [("cpu", ""), ("cpu", CUDA), ("auto", "cpu")], ids=["set", "set twice", "found"]
)
def test_a_worker_that_draws_on_the_processor_needs_main_memory(device: str, worker: str) -> None:
    nvml = a_card()
    reading = make_probe(nvml, device, worker=worker).read()
    assert is_main_memory(reading)
    assert "main memory, because" in reading.reason
    assert (reading.is_card, reading.is_known, nvml.calls) == (False, True, [])


@pytest.mark.parametrize("visible", ["", "-1", "NoDevFiles"])
def test_before_the_worker_is_ready_a_machine_without_visible_card_counts_as_one_without(
    visible: str,
) -> None:
    assert is_main_memory(make_probe(a_card(), visible=visible).read())
    assert is_main_memory(make_probe(FakeNvml()).read())


@pytest.mark.parametrize(
    "code", [FakeNvml.NVML_ERROR_LIBRARY_NOT_FOUND, FakeNvml.NVML_ERROR_DRIVER_NOT_LOADED]
)
def test_a_machine_without_driver_counts_as_one_without_card_until_the_worker_reports_a_card(
    code: int,
) -> None:
    nvml = FakeNvml()
    nvml.fails_with = code
    assert is_main_memory(make_probe(nvml).read())
    assert not make_probe(nvml, worker=CUDA).read().is_known
    assert not make_probe(nvml, "cuda").read().is_known


@pytest.mark.parametrize(
    ("device", "visible", "worker"),
    [("cuda", "", ""), ("cuda:3", None, ""), ("cuda:1", "0", ""), ("auto", "", CUDA), ("cuda", "0,0", "")],
)
def test_a_cuda_device_that_nvml_does_not_show_is_unknown_and_never_main_memory(
    device: str, visible: str | None, worker: str
) -> None:
    reading = make_probe(a_card(), device, visible=visible, worker=worker).read()
    assert (reading.is_known, reading.unknown_s, reading.total_bytes, reading.free_bytes) == (False, 0, 0, 0)
    assert reading.is_card
    assert "no reading yet" in reading.reason


def test_an_error_keeps_the_last_reading_with_its_age_and_the_next_answer_counts_again() -> None:
    nvml, clock = a_card(24, 10), FakeSeconds()
    probe = make_probe(nvml, reserve_gib=1, clock=clock)
    known = probe.read()
    nvml.fails_with = nvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH
    assert probe.read().unknown_s == 0
    clock.now_s += 90
    reading = probe.read()
    assert (reading.unknown_s, reading.free_bytes, reading.total_bytes) == (90, 9 * GIB, 24 * GIB)
    assert known.reason in reading.reason
    assert "90 s ago, since then NVML does not answer: NVML error 18" in reading.reason
    nvml.fails_with, nvml.gpus[0].free = None, 5
    reading = probe.read()
    assert (reading.is_known, reading.free_bytes, nvml.opened) == (True, 4 * GIB, 2)
    nvml.fails_with = nvml.NVML_ERROR_GPU_IS_LOST
    assert probe.read().unknown_s == 0  # a new outage


def test_an_outage_writes_two_log_lines() -> None:
    nvml, clock = a_card(), FakeSeconds()
    probe = make_probe(nvml, clock=clock)
    with structlog.testing.capture_logs() as logs:
        for code in (None, 18, 18, 15, None, None):
            nvml.fails_with = code
            probe.read()
            clock.now_s += 1.52
    assert [(entry["log_level"], entry["event"]) for entry in logs] == [
        ("warning", "card memory is unknown"),
        ("info", "card memory is known again"),
    ]
    assert (logs[0]["why"], logs[1]["unknown_s"]) == ("NVML does not answer: NVML error 18", 4.6)


def test_nvml_that_hangs_is_unknown_for_every_caller_and_its_answer_is_not_awaited(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(headroom_module, "READ_TIMEOUT_S", 0.25)
    nvml = a_card()
    probe = make_probe(nvml)
    nvml.hangs.clear()
    began_s = time.monotonic()
    readings = [probe.read() for _ in range(40)]
    assert time.monotonic() - began_s < 9  # the first waits; the others know already: 40 waits take 10 s
    assert not any(reading.is_known for reading in readings)
    assert "in time" in readings[0].reason
    threads = [thread for thread in threading.enumerate() if thread.name == "read NVML"]
    assert len(threads) == 1
    assert threads[0].daemon  # the end of the process does not wait for it
    nvml.hangs.set()
    threads[0].join(60)
    monkeypatch.setattr(headroom_module, "READ_TIMEOUT_S", 60.0)  # a busy machine may need longer than 50 ms
    assert probe.read().is_known


def test_the_end_of_a_loop_does_not_wait_for_a_reading_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(headroom_module, "READ_TIMEOUT_S", 0.05)
    nvml = a_card()
    nvml.hangs.clear()
    probe = make_probe(nvml)

    async def read_and_leave() -> None:
        reading = asyncio.create_task(asyncio.to_thread(probe.read))
        await asyncio.sleep(0)
        reading.cancel()

    began_s = time.monotonic()
    asyncio.run(read_and_leave())
    assert time.monotonic() - began_s < 10  # it hangs until it is set
    nvml.hangs.set()


def test_two_threads_that_ask_at_once_share_a_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(headroom_module, "READ_TIMEOUT_S", 60.0)  # the machine may be busy
    nvml = a_card()
    probe = make_probe(nvml)
    nvml.hangs.clear()
    readings: list[Headroom] = []
    threads = [threading.Thread(target=lambda: readings.append(probe.read())) for _ in range(4)]
    for thread in threads:
        thread.start()
    while not nvml.calls:
        time.sleep(0.001)
    time.sleep(0.05)
    nvml.hangs.set()
    for thread in threads:
        thread.join(60)
    assert [reading.is_known for reading in readings] == [True] * 4
    assert nvml.calls.count("init") == 1


def test_the_time_limit_of_a_reading_counts_from_its_start() -> None:
    assert headroom_module.READ_TIMEOUT_S == 2.0


def test_the_real_nvml_of_this_machine_is_read_without_error() -> None:
    reading = HeadroomProbe("auto", 0).read()
    assert 0 < reading.free_bytes <= reading.total_bytes
    assert reading.reason
