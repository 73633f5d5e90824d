"""The monitor keeps an hour, one reading in fifteen seconds, and never more."""

from itertools import pairwise

import pytest

from engine.planner.card import CardMemory, CardSensors
from engine.planner.monitor import KEPT, HeadroomMonitor, WorkerShare
from tests.fakes.desk_harness import FakeProbe

GIB = 2**30


class Clock:
    now_s = 1e9

    def __call__(self) -> float:
        return self.now_s


def make(clock: Clock, worker: WorkerShare, sensors: CardSensors | None = None) -> HeadroomMonitor:
    probe = FakeProbe(free_bytes=8 * GIB, total_bytes=24 * GIB)
    return HeadroomMonitor(probe, lambda: sensors, lambda: worker, lambda: 2, clock)  # type: ignore[arg-type]


async def test_a_reading_in_fifteen_seconds_is_kept_for_an_hour() -> None:
    clock = Clock()
    monitor = make(clock, WorkerShare())
    for _ in range(4 * KEPT):
        await monitor.read()
        clock.now_s += 7.5
    assert len(monitor.history) == KEPT
    times = [each.at_s for each in monitor.history]
    assert {later - earlier for earlier, later in pairwise(times)} == {15.0}
    assert clock.now_s - times[0] == pytest.approx(3600, abs=30)


async def test_a_reading_says_who_uses_the_memory() -> None:
    memory = CardMemory(8 * GIB, 24 * GIB, "a card")
    sensors = CardSensors(memory=memory, utilisation=0.4, temperature_c=50, power_w=99.0)
    monitor = make(Clock(), WorkerShare(13 * GIB, 10 * GIB, GIB), sensors)
    await monitor.read()
    [reading] = monitor.history
    assert (reading.weights_bytes, reading.lora_bytes, reading.work_bytes) == (10 * GIB, GIB, 2 * GIB)
    assert (reading.other_bytes, reading.total_bytes) == (3 * GIB, 24 * GIB)
    assert (reading.utilisation, reading.temperature_c, reading.power_w) == (0.4, 50, 99.0)
    assert reading.waiting == 2
    assert monitor.sensors is sensors


async def test_a_worker_that_says_it_holds_more_than_is_used_takes_no_more_than_that() -> None:
    monitor = make(Clock(), WorkerShare(50 * GIB, 40 * GIB, 10 * GIB))
    await monitor.read()
    [reading] = monitor.history
    assert reading.other_bytes == 0
    assert reading.weights_bytes + reading.lora_bytes + reading.work_bytes == 16 * GIB


async def test_a_chart_ends_with_the_newest_reading_once() -> None:
    clock = Clock()
    monitor = make(clock, WorkerShare())
    assert monitor.readings() == ()
    await monitor.read()
    assert len(monitor.readings()) == 1
    clock.now_s += 1.5
    await monitor.read()
    clock.now_s += 1.5
    await monitor.read()
    assert [each.at_s - 1e9 for each in monitor.readings()] == [0.0, 3.0]
    assert len(monitor.history) == 1
