"""Keeps the newest reading of the card's memory; reads in a thread, so a driver that hangs blocks no chat."""

import asyncio

from engine.planner.headroom import Headroom, HeadroomProbe

INTERVAL_S = 1.5  # as often as the page's panel asks


class HeadroomMonitor:
    """Keeps the newest reading of a probe.

    Attributes:
        latest: The newest reading; all zero before the first.
    """

    def __init__(self, probe: HeadroomProbe) -> None:
        self._probe = probe
        self.latest = Headroom(0, 0, 0, device_name="", reason="not read yet")

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            self.latest = await asyncio.to_thread(self._probe.read)
            await asyncio.sleep(INTERVAL_S)
