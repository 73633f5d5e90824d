"""The gauge reads beside the loop."""

import asyncio
import threading

from engine.planner.headroom import Headroom
from engine.planner.monitor import HeadroomMonitor
from tests.fakes.desk_harness import FakeProbe, until


class HangingProbe(FakeProbe):
    """A driver that does not answer until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()

    def read(self) -> Headroom:
        self.go.wait(100)
        return super().read()


async def test_a_driver_that_hangs_holds_up_nothing_and_is_read_when_it_answers() -> None:
    probe = HangingProbe()
    headroom_monitor = HeadroomMonitor(probe)  # type: ignore[arg-type]
    reading = asyncio.create_task(headroom_monitor.run(), name="headroom_monitor")
    try:
        async with asyncio.timeout(30):
            await asyncio.sleep(0.05)
        assert headroom_monitor.latest.total_bytes == 0
        probe.go.set()
        await until(lambda: headroom_monitor.latest.total_bytes == 2**40)
    finally:
        probe.go.set()
        reading.cancel()
        await asyncio.wait([reading])
