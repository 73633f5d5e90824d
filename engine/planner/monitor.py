"""Keeps the readings of the last hour; reads in a thread, so a driver that hangs blocks no chat."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from engine.planner.card import CardSensors
from engine.planner.headroom import Headroom, HeadroomProbe

INTERVAL_S = 1.5  # as often as the page's panel asks
KEPT_EVERY_S = 15.0
KEPT = 240  # an hour


@dataclass(frozen=True, slots=True)
class WorkerShare:
    """What our worker has of the card, in bytes: in all, and how much of it is weights and LoRAs."""

    held_bytes: int = 0
    weights_bytes: int = 0
    lora_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CardReading:
    """The card at one moment; None for what the driver does not tell.

    Attributes:
        at_s: Unix time.
        weights_bytes: Of the model, with the copy that LoRAs are merged into.
        work_bytes: What the worker holds for the pictures themselves.
        other_bytes: What other programs use, the driver's context included.
        headroom_bytes: What a job may use now, our own memory included.
        utilisation: 0 … 1.
        waiting: Jobs that wait.
        is_card: Whether it is a card's memory, not the machine's.
    """

    at_s: float
    total_bytes: int
    weights_bytes: int
    lora_bytes: int
    work_bytes: int
    other_bytes: int
    headroom_bytes: int
    utilisation: float | None = None
    temperature_c: int | None = None
    power_w: float | None = None
    waiting: int = 0
    is_card: bool = True


class HeadroomMonitor:
    """Keeps the newest reading of a probe, and one in fifteen seconds for an hour.

    Args:
        probe: Reads the memory.
        read_sensors: Reads load, temperature and power; None without a card. May block.
        worker: Returns our worker's share.
        waiting: Returns how many jobs wait.
        clock: Unix time.

    Attributes:
        latest: The newest reading of memory; all zero before the first.
        sensors: The newest of the sensors.
        history: Oldest first.
        read_s: When ``latest`` was read, on the event loop's clock; None before the first reading.
    """

    def __init__(
        self,
        probe: HeadroomProbe,
        read_sensors: Callable[[], CardSensors | None] = lambda: None,
        worker: Callable[[], WorkerShare] = WorkerShare,
        waiting: Callable[[], int] = lambda: 0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._probe = probe
        self._read_sensors = read_sensors
        self._worker = worker
        self._waiting = waiting
        self._clock = clock
        self.latest = Headroom(0, 0, 0, device_name="", reason="not read yet")
        self.sensors: CardSensors | None = None
        self.read_s: float | None = None
        self.history: deque[CardReading] = deque(maxlen=KEPT)
        self._newest: CardReading | None = None

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            await self.read()
            await asyncio.sleep(INTERVAL_S)

    async def read(self) -> None:
        """Read once; keep the reading if the last one that was kept is old enough."""
        self.latest = await asyncio.to_thread(self._probe.read)
        self.sensors = await asyncio.to_thread(self._read_sensors)
        self.read_s = asyncio.get_running_loop().time()
        if not self.latest.is_known:
            return
        self._newest, last = self._reading(self._clock()), self.history[-1] if self.history else None
        if last is None or abs(self._newest.at_s - last.at_s) >= KEPT_EVERY_S:
            self.history.append(self._newest)

    def readings(self) -> tuple[CardReading, ...]:
        """The last hour up to the newest reading, for a chart that moves; oldest first."""
        kept, newest = tuple(self.history), self._newest
        return kept if newest is None or newest is kept[-1] else (*kept, newest)

    def _reading(self, now_s: float) -> CardReading:
        memory, sensors, ours = self.latest, self.sensors, self._worker()
        held = min(ours.held_bytes, memory.used_bytes)
        weights = min(ours.weights_bytes, held)
        loras = min(ours.lora_bytes, held - weights)
        return CardReading(
            at_s=now_s,
            total_bytes=memory.total_bytes,
            weights_bytes=weights,
            lora_bytes=loras,
            work_bytes=held - weights - loras,
            other_bytes=memory.used_bytes - held,
            headroom_bytes=memory.free_bytes,
            utilisation=sensors.utilisation if sensors else None,
            temperature_c=sensors.temperature_c if sensors else None,
            power_w=sensors.power_w if sensors else None,
            waiting=self._waiting(),
            is_card=memory.is_card,
        )
