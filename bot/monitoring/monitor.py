"""Whether the bot lives, whether it can draw, and its figures for Prometheus.

Everything is read from memory, except one row of the database; a host that hangs delays only its own answer.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field

import psutil
import structlog
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from bot.monitoring.figures import REGISTRY
from engine.host import CAN_DRAW, HostState
from engine.planner.monitor import CardReading

log = structlog.get_logger("bot.monitoring")

ANSWER_S = 5.0  # the database answers in milliseconds
CANARY_EVERY_S = 1_800.0  # without a picture, where no idle card is given back
STALE_S = 2.5 * CANARY_EVERY_S  # a canary is late, or fails
READING_S = 60.0  # the memory is read every 1.5 s; a driver that hangs stops it


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of the bot at one moment.

    Attributes:
        worker: Its state.
        worker_pid: 0 without a worker.
        worker_ends: How often a worker ended, by the state that followed.
        drawn_ago_s: Seconds since the last job or calibration ended with pictures; None before the first.
        read_ago_s: Seconds since the memory was read; None before the first time.
        reading: The card, or the main memory where there is no card; None before the first reading.
        waiting, drawing: Jobs.
        is_closing: The bot is being stopped and takes no jobs.
        service: ``open``; or ``paused`` or ``draining``, by a host.
        draws_canaries: A small picture is drawn every ``CANARY_EVERY_S`` without jobs.
    """

    worker: HostState
    worker_pid: int = 0
    worker_ends: Mapping[HostState, int] = field(default_factory=Counter)
    drawn_ago_s: float | None = None
    read_ago_s: float | None = None
    reading: CardReading | None = None
    waiting: int = 0
    drawing: int = 0
    is_closing: bool = False
    service: str = "open"
    draws_canaries: bool = False


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether the bot can draw, and why; ``facts`` are plain values for JSON."""

    is_ready: bool
    facts: Mapping[str, object]


class Monitor:
    """Answers ``/livez``, ``/readyz`` and ``/metrics``.

    Args:
        take_snapshot: Reads the state from memory.
        ask_store: Returns when the database has answered.
    """

    def __init__(
        self, take_snapshot: Callable[[], Snapshot], ask_store: Callable[[], Awaitable[None]]
    ) -> None:
        self._take_snapshot = take_snapshot
        self._ask_store = ask_store

    async def is_alive(self) -> bool:
        """Whether the event loop, the database and the threads work; if not, only a restart helps."""
        read_ago_s = self._take_snapshot().read_ago_s
        if read_ago_s is not None and read_ago_s > READING_S:
            return False
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._ask_store()
        except Exception as error:  # noqa: BLE001 - supervision: whatever it raises, it does not work
            log.warning("the database does not answer", error=type(error).__name__)
            return False
        return True

    def readiness(self) -> Readiness:
        """Whether a job that comes now will be drawn; a ready worker must have proved it lately.

        ``last_picture_s`` is the age of the last picture, a canary included.
        """
        now = self._take_snapshot()
        is_idle_worker = now.worker is HostState.READY and not now.drawing
        is_stale = now.draws_canaries and is_idle_worker and (now.drawn_ago_s or 0.0) > STALE_S
        can_draw = now.worker in CAN_DRAW and not is_stale
        is_ready = can_draw and not now.is_closing and now.service == "open"
        age_s = None if now.drawn_ago_s is None else round(now.drawn_ago_s, 1)
        facts = {
            "ready": is_ready,
            "worker": now.worker.value,
            "last_picture_s": age_s,
            "waiting": now.waiting,
            "drawing": now.drawing,
            "closing": now.is_closing,
            "service": now.service,
        }
        return Readiness(is_ready, facts)

    async def render_figures(self, accept: str) -> tuple[bytes, str]:
        """Return the figures and their content type.

        Args:
            accept: The request's header, which names the formats that the scraper reads.
        """
        encode, content_type = choose_encoder(accept)
        return await asyncio.to_thread(encode, _Figures(self._take_snapshot())), content_type


class _Figures(Collector):
    """The figures of the process and those of a snapshot."""

    def __init__(self, now: Snapshot) -> None:
        self._now = now

    def collect(self) -> Iterator[Metric]:
        """Yield the figures of the process, then those of the queue, the worker and the card."""
        yield from REGISTRY.collect()
        now = self._now
        yield _gauge("sugarbot_queue_waiting", "Jobs that wait", now.waiting)
        yield _gauge("sugarbot_queue_drawing", "Jobs that are drawn", now.drawing)
        states = {state.value: float(state is now.worker) for state in HostState}
        yield _gauges("sugarbot_worker_state", "1 for the state of the drawing process", "state", states)
        ends = CounterMetricFamily(
            "sugarbot_worker_ends",
            "Ends of the drawing process: lost, moving (another plan) or released (idle card)",
            labels=["cause"],
        )
        for cause in (HostState.LOST, HostState.MOVING, HostState.RELEASED):
            ends.add_metric([cause.value], now.worker_ends.get(cause, 0))
        yield ends
        if now.drawn_ago_s is not None:
            at_s = time.time() - now.drawn_ago_s
            yield _gauge("sugarbot_last_picture_timestamp_seconds", "When the last job was drawn", at_s)
        if now.worker_pid and (resident_bytes := _resident_bytes(now.worker_pid)):
            text = "Main memory of the drawing process"
            yield _gauge("sugarbot_worker_resident_memory_bytes", text, resident_bytes)
        if now.reading is not None:
            yield from _card(now.reading)


def _card(reading: CardReading) -> Iterator[Metric]:
    kinds = {
        "weights": reading.weights_bytes,
        "loras": reading.lora_bytes,
        "work": reading.work_bytes,
        "other": reading.other_bytes,
    }
    text = "Memory of the device that is in use, by kind; other: other programs"
    yield _gauges("sugarbot_device_memory_used_bytes", text, "kind", kinds)
    yield _gauge("sugarbot_device_memory_bytes", "Memory of the device", reading.total_bytes)
    yield _gauge("sugarbot_device_headroom_bytes", "Memory that a job may use", reading.headroom_bytes)
    sensors = (
        ("sugarbot_device_utilisation_ratio", "Load of the card, 0 to 1", reading.utilisation),
        ("sugarbot_device_temperature_celsius", "Temperature of the card", reading.temperature_c),
        ("sugarbot_device_power_watts", "Power of the card", reading.power_w),
    )
    yield from (_gauge(name, text, value) for name, text, value in sensors if value is not None)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _gauges(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def _resident_bytes(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:  # it has just ended
        return 0
