import asyncio
import os

import pytest

from bot.monitoring import monitor as monitor_module
from bot.monitoring.monitor import READING_S, STALE_S, Monitor, Snapshot
from engine.host import HostState
from engine.planner.monitor import CardReading

READING = CardReading(
    at_s=1.0, total_bytes=100, weights_bytes=40, lora_bytes=10, work_bytes=20, other_bytes=5,
    headroom_bytes=25, utilisation=0.5, temperature_c=None, power_w=70.0,
)  # fmt: skip


async def answers() -> None:
    pass


def monitor_of(snapshot: Snapshot) -> Monitor:
    return Monitor(lambda: snapshot, answers)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (HostState.READY, True),
        (HostState.MOVING, True),
        (HostState.RELEASED, True),
        (HostState.LOADING, False),
        (HostState.LOST, False),
    ],
)
def test_a_bot_is_ready_when_a_job_that_comes_now_will_be_drawn(state: HostState, expected: bool) -> None:
    readiness = monitor_of(Snapshot(state, drawn_ago_s=12.34)).readiness()

    assert readiness.is_ready is expected
    assert (readiness.facts["worker"], readiness.facts["last_picture_s"]) == (state.value, 12.3)


@pytest.mark.parametrize(
    ("snapshot", "expected"),
    [
        (Snapshot(HostState.READY, drawn_ago_s=STALE_S + 1, draws_canaries=True), False),
        (Snapshot(HostState.READY, drawn_ago_s=STALE_S - 1, draws_canaries=True), True),
        (Snapshot(HostState.READY, drawn_ago_s=STALE_S + 1, draws_canaries=True, drawing=1), True),
        (Snapshot(HostState.READY, drawn_ago_s=STALE_S + 1), True),
        (Snapshot(HostState.READY, draws_canaries=True), True),
        (Snapshot(HostState.RELEASED, drawn_ago_s=STALE_S + 1, draws_canaries=True), True),
    ],
)
def test_where_canaries_are_drawn_a_ready_worker_must_have_drawn_lately(
    snapshot: Snapshot, expected: bool
) -> None:
    assert monitor_of(snapshot).readiness().is_ready is expected


def test_a_bot_that_is_being_stopped_is_not_ready() -> None:
    assert not monitor_of(Snapshot(HostState.READY, is_closing=True)).readiness().is_ready


@pytest.mark.parametrize(("read_ago_s", "expected"), [(None, True), (1.0, True), (READING_S + 1, False)])
async def test_a_bot_whose_threads_hang_does_not_live(read_ago_s: float | None, expected: bool) -> None:
    assert await monitor_of(Snapshot(HostState.READY, read_ago_s=read_ago_s)).is_alive() is expected


async def test_a_bot_whose_database_fails_or_hangs_does_not_live(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails() -> None:
        raise OSError

    async def hangs() -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(monitor_module, "ANSWER_S", 0.01)
    for store in (fails, hangs):
        assert not await Monitor(lambda: Snapshot(HostState.READY), store).is_alive()


async def test_figures_have_the_state_of_the_moment() -> None:
    now = Snapshot(
        HostState.MOVING, os.getpid(), {HostState.LOST: 2}, drawn_ago_s=5.0, reading=READING, waiting=3
    )

    text = (await monitor_of(now).render_figures(""))[0].decode()

    for line in (
        "sugarbot_queue_waiting 3.0",
        'sugarbot_worker_state{state="moving"} 1.0',
        'sugarbot_worker_state{state="ready"} 0.0',
        'sugarbot_worker_ends_total{cause="lost"} 2.0',
        'sugarbot_worker_ends_total{cause="released"} 0.0',
        'sugarbot_device_memory_used_bytes{kind="weights"} 40.0',
        'sugarbot_device_memory_used_bytes{kind="other"} 5.0',
        "sugarbot_device_headroom_bytes 25.0",
        "sugarbot_device_utilisation_ratio 0.5",
        "sugarbot_device_power_watts 70.0",
    ):
        assert line in text.splitlines()
    assert "sugarbot_device_temperature_celsius" not in text
    assert "sugarbot_worker_resident_memory_bytes" in text


async def test_figures_of_a_bot_that_has_just_started() -> None:
    text = (await monitor_of(Snapshot(HostState.LOADING, worker_pid=2**22 + 1)).render_figures(""))[
        0
    ].decode()

    assert 'sugarbot_worker_state{state="loading"} 1.0' in text
    assert "sugarbot_last_picture_timestamp_seconds" not in text
    assert "sugarbot_worker_resident_memory_bytes" not in text


async def test_a_scraper_gets_the_format_that_it_reads() -> None:
    monitor = monitor_of(Snapshot(HostState.READY))

    _, plain = await monitor.render_figures("text/plain")
    figures, modern = await monitor.render_figures("application/openmetrics-text;version=1.0.0")

    assert plain.startswith("text/plain")
    assert modern.startswith("application/openmetrics-text")
    assert figures.endswith(b"# EOF\n")
