"""The health of a desk and a host at one moment."""

import time
from pathlib import Path

import pytest

from bot.commands.values import PauseDrawing
from bot.desk.alerts.watch import HealthWatch
from bot.outcomes import Platform
from engine.config import EngineConfig
from engine.host import Host, HostState, WorkerError
from engine.request import FailReason
from tests.fakes.desk_harness import HOST, DeskHarness, a_context, open_harness, until
from tests.fakes.renderer import Act


def watch_of(harness: DeskHarness, host: Host, **options: object) -> HealthWatch:
    arguments: dict[str, object] = {
        "desk": harness.desk,
        "host": host,
        "folder": harness.folder,
        "backups": harness.folder / "backups",
        "reserve_bytes": lambda: 10**18,
        "offline_s": lambda: {Platform.DISCORD: 7.0},
        "faults": lambda: 5,
        "clock": lambda: harness.clock() / 1_000,
    }
    return HealthWatch(**arguments | options)  # type: ignore[arg-type]


async def test_it_reads_the_queue_the_worker_the_disk_and_the_chats(tmp_path: Path) -> None:
    async with open_harness(tmp_path) as harness:
        host = Host(EngineConfig(tmp_path, tmp_path))
        watch = watch_of(harness, host)
        await harness.accept("1")
        harness.clock.advance(seconds=600)
        await harness.accept("2")
        now_s = harness.clock() / 1_000
        host.errors.extend([WorkerError(now_s - 3_601, "old"), WorkerError(now_s - 10, "new")])
        host.failed_starts = 4

        health = await watch.read()

        assert (health.losses, health.failed_starts, health.can_draw) == (1, 4, False)
        assert (health.waiting, health.longest_wait_s, health.is_drawing) == (2, 600.0, False)
        assert (health.up_s, health.backup_age_s, health.drawn_ago_s) == (600.0, 600.0, None)
        assert health.offline_s == {Platform.DISCORD: 7.0}
        assert health.faults == 5
        assert health.free_bytes is not None
        assert health.needed_bytes > 0
        host.state = HostState.RELEASED
        assert (await watch.read()).can_draw
        await harness.desk.handle(PauseDrawing(), a_context("pause", HOST))
        assert (await watch.read()).waiting == 0


async def test_it_knows_the_age_of_the_newest_backup(tmp_path: Path) -> None:
    async with open_harness(tmp_path) as harness:
        watch = watch_of(harness, Host(EngineConfig(tmp_path, tmp_path)), clock=time.time)
        backups = tmp_path / "backups"
        backups.mkdir()
        made_s = time.time() - 7_200
        (backups / time.strftime("sugarbot-%Y%m%d-%H%M%S.db", time.gmtime(made_s))).touch()
        assert (await watch.read()).backup_age_s == pytest.approx(7_200, abs=60)


async def test_it_counts_jobs_that_lacked_memory_within_an_hour(tmp_path: Path) -> None:
    async with open_harness(tmp_path) as harness:
        harness.renderer.acts.extend([Act.FAIL, Act.DRAW])
        harness.renderer.fail_reason = FailReason.OUT_OF_MEMORY
        watch = watch_of(harness, Host(EngineConfig(tmp_path, tmp_path)))
        async with harness.running():
            await harness.accept("1")
            await harness.accept("2")
            await until(lambda: len(harness.chat.results) == 2)
        assert (await watch.read()).out_of_memory == 1
        harness.clock.advance(seconds=3_601)
        assert (await watch.read()).out_of_memory == 0
