"""A backup a night, within the free space, and a failure is reported."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import structlog

from bot.checks.finding import Level
from bot.checks.repairs import REPAIRS
from bot.checks.storage import check_backups
from bot.desk import backups as module
from bot.desk.backups import NightlyBackups, last_night_s, read_failure
from bot.messages.checks import format_finding
from bot.store.files import backup
from tests.fakes.desk_harness import open_harness, until


@asynccontextmanager
async def backing_up(folder: Path, **options: Any) -> AsyncIterator[Callable[[], list[Path]]]:
    """Nightly backups of a database in use while the block runs; says which there are."""
    nightly = NightlyBackups(
        folder / "sugarbot.db", folder / "backups", locale=lambda: "en", again_s=0.05, **options
    )
    task = asyncio.create_task(nightly.run(), name="back up")
    yield lambda: sorted((folder / "backups").glob("*.db"))
    assert not task.done()
    task.cancel()
    await asyncio.wait([task])


async def test_a_first_backup_is_made_at_once_and_no_second_the_same_night(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_harness(tmp_path):
        async with backing_up(tmp_path) as backups:
            await until(lambda: len(backups()) == 1)
        more: list[Path] = []
        monkeypatch.setattr(backup, "back_up", lambda database, folder, now_s: more.append(folder) or folder)
        async with backing_up(tmp_path):
            await asyncio.sleep(0.2)
        assert not more


async def test_a_backup_of_the_night_before_is_followed_by_this_nights(tmp_path: Path) -> None:
    async with open_harness(tmp_path):
        backup.back_up(tmp_path / "sugarbot.db", tmp_path / "backups", time.time() - 90_000)
        async with backing_up(tmp_path) as backups:
            await until(lambda: len(backups()) == 2)


async def test_a_folder_that_cannot_be_written_is_tried_again_and_doctor_tells_it_until_then(
    tmp_path: Path,
) -> None:
    (tmp_path / "backups").write_text("a file where the folder should be")
    async with open_harness(tmp_path), backing_up(tmp_path) as backups:
        await until(lambda: read_failure(tmp_path / "sugarbot.db") is not None)
        [finding] = check_backups(tmp_path / "sugarbot.db", tmp_path / "backups")
        assert (finding.code, finding.level) == ("backup_failed", Level.WRONG)
        assert "no such" not in format_finding(finding.code, finding.facts, "zh-CN")
        os.unlink(tmp_path / "backups")
        await until(lambda: len(backups()) == 1)
        await until(lambda: read_failure(tmp_path / "sugarbot.db") is None)


@pytest.mark.parametrize(
    "name", ["sugarbot-20360101-000000.db", "sugarbot-20251399-000000.db", "sugarbot-99991231-235959.db"]
)
async def test_a_backup_with_a_wrong_date_neither_postpones_nor_ends_anything(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / "backups").mkdir()
    (tmp_path / "backups" / name).touch()
    async with open_harness(tmp_path), backing_up(tmp_path) as backups:
        await until(lambda: len(backups()) == 2)
    assert (tmp_path / "backups" / name).exists()


async def test_an_unexpected_error_is_logged_and_the_work_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    back_up, faults = backup.back_up, [ZeroDivisionError("a test's")]

    def faulty(path: Path, folder: Path, now_s: float) -> Path:
        if faults:
            raise faults.pop()
        return back_up(path, folder, now_s)

    monkeypatch.setattr(backup, "back_up", faulty)
    with structlog.testing.capture_logs() as logs:
        async with open_harness(tmp_path), backing_up(tmp_path) as backups:
            await until(lambda: len(backups()) == 1)
    assert [log["event"] for log in logs if log["log_level"] == "error"] == ["no backup made"]


@pytest.mark.parametrize(
    ("now", "due"),
    [
        ("2026-11-29T03:59:59", "2026-11-28T04:00:00"),
        ("2026-11-29T04:00:00", "2026-11-29T04:00:00"),
        ("2026-11-29T23:00:00", "2026-11-29T04:00:00"),
        ("2026-03-01T00:30:00", "2026-02-28T04:00:00"),
    ],
)
def test_the_night_is_at_four_of_this_machine(now: str, due: str) -> None:
    assert last_night_s(datetime.fromisoformat(now).timestamp()) == datetime.fromisoformat(due).timestamp()


async def test_a_backup_that_would_cross_the_reserve_is_not_made_and_doctor_repairs_it_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = [10]
    monkeypatch.setattr(module, "free_and_needed_bytes", lambda folder, reserve: (free[0], reserve))
    async with open_harness(tmp_path), backing_up(tmp_path, reserve_bytes=lambda: 5) as backups:
        await until(lambda: read_failure(tmp_path / "sugarbot.db") is not None)
        assert backups() == []
        [finding] = check_backups(tmp_path / "sugarbot.db", tmp_path / "backups")
        assert "the disk is full" in format_finding(finding.code, finding.facts, "en")
        REPAIRS[finding.code](finding)
        assert len(backups()) == 1
        assert read_failure(tmp_path / "sugarbot.db") is None


@pytest.mark.parametrize("content", ["", "{", "7", "{}"])
def test_a_damaged_record_is_no_failure(tmp_path: Path, content: str) -> None:
    (tmp_path / "backup-failed.json").write_text(content)
    assert read_failure(tmp_path / "sugarbot.db") is None
