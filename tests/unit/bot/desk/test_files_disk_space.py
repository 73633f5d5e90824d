"""A full disk and a locked database: people learn it before anything is drawn, and nothing is lost."""

import asyncio
import contextlib
import errno
import sqlite3
from collections import namedtuple
from pathlib import Path

import pytest
import structlog

from bot.commands.values import Draw, PixelSize
from bot.desk import files
from bot.desk.iterating.continuation import DiskState
from bot.errors import CannotSave, NoDiskSpace
from bot.messages import format_caption, format_error
from bot.outcomes import JobState, Platform, Receipt
from engine.request import FailReason
from tests.fakes.desk_harness import DeskHarness, a_context, open_harness, until
from tests.fakes.renderer import BlockedRenderer

GIB, MIB = 2**30, 2**20
Usage = namedtuple("Usage", "total used free")  # as shutil.disk_usage returns it


class Disk:
    """A disk with this much free space, where the product measures it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.total, self.free = 100 * GIB, 50 * GIB
        self.measured = 0
        monkeypatch.setattr(files.shutil, "disk_usage", self._usage)
        monkeypatch.setattr(files, "SPACE_AGE_S", 0.0)
        monkeypatch.setattr("bot.desk.drawing.loop.NO_SPACE_WAIT_S", 0.01)

    def _usage(self, _: Path) -> Usage:
        self.measured += 1
        return Usage(self.total, self.total - self.free, self.free)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


@pytest.fixture
def _fast_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "SAVE_AGAIN_S", 0.02)
    monkeypatch.setattr(files, "_unsaved", files.LogLimiter("a test", clock=lambda: 0.0))


async def credits_of(harness: DeskHarness, user_id: str = "ann") -> int:
    person = await harness.store.people.find(Platform.CONSOLE, user_id)
    return 0 if person is None else (await harness.store.people.account(person)).credits


async def accept(harness: DeskHarness, event: str = "1", user: str = "ann") -> Receipt:
    return await harness.accept(event, user, size=PixelSize(512, 512))


async def test_a_request_that_the_disk_cannot_take_is_refused_before_it_is_charged(
    tmp_path: Path, disk: Disk
) -> None:
    async with open_harness(tmp_path, reserve_bytes=100 * MIB) as harness:
        earlier = await accept(harness)
        disk.free = 100 * MIB + 500_000  # the reserve, and less than one picture
        before = await credits_of(harness)
        with pytest.raises(NoDiskSpace) as refused:
            await accept(harness, "2")
        assert await credits_of(harness) == before
        assert "disk is full" in format_error(refused.value, "en")
        assert "磁盘已满" in format_error(refused.value, "zh-CN")
        assert (await accept(harness)).job_id == earlier.job_id  # the same message again gets its receipt
        disk.free += MIB
        await accept(harness, "3")


async def test_an_accepted_job_waits_while_the_disk_is_full_and_is_drawn_when_there_is_room(
    tmp_path: Path, disk: Disk
) -> None:
    with structlog.testing.capture_logs() as logs:
        async with open_harness(tmp_path, reserve_bytes=100 * MIB) as harness:
            await accept(harness)
            disk.free = 99 * MIB
            async with harness.running():
                looked = disk.measured
                await until(lambda: disk.measured > looked + 5)
                assert not harness.renderer.received
                disk.free = 50 * GIB
                [result] = await harness.chat.wait_for_results(1)
    assert (result.state, len(result.pictures)) == (JobState.DONE, 1)
    assert [log["event"] for log in logs].count("disk full: no job is drawn") == 1


async def test_a_picture_that_the_full_disk_refuses_is_refunded_and_its_person_reads_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with structlog.testing.capture_logs() as logs:
        async with open_harness(tmp_path) as harness, harness.running():
            monkeypatch.setattr("engine.durable.os.fsync", refuse)
            for number in range(3):
                await accept(harness, str(number))
            results = await harness.chat.wait_for_results(3)
            monkeypatch.undo()
            assert await credits_of(harness) == 40
    for result in results:
        assert (result.state, result.fail, result.pictures) == (JobState.FAILED, FailReason.DISK_FULL, ())
        assert result.refund == result.price
        assert "disk is full" in format_caption(result, "en")
        assert "磁盘已满" in format_caption(result, "zh-CN")
    assert not [path for path in (tmp_path / "pictures").rglob("*") if path.is_file()]
    assert [log["event"] for log in logs].count("disk full: drawn pictures were lost and refunded") == 1
    assert not any(log.get("exc_info") for log in logs)


async def test_a_small_disk_keeps_a_twentieth_free(disk: Disk, tmp_path: Path) -> None:
    disk.total = 40 * MIB
    assert files.free_and_needed_bytes(tmp_path / "not" / "there", 256 * MIB) == (50 * GIB, 2 * MIB)
    disk.total = 100 * GIB
    assert files.free_and_needed_bytes(tmp_path, 256 * MIB) == (50 * GIB, 256 * MIB)


async def test_the_disk_is_measured_once_a_second(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "SPACE_AGE_S", 1.0)
    now_s = 10.0
    space = files.PictureSpace(tmp_path, lambda: 0, clock=lambda: now_s)
    for _ in range(5):
        await space.available_bytes()
    assert disk.measured == 1
    now_s += 1.0
    await space.available_bytes()
    assert disk.measured == 2


async def test_the_database_takes_other_writes_while_the_disk_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []

    def write_meanwhile(_: Path) -> Usage:
        with contextlib.closing(sqlite3.connect(tmp_path / "sugarbot.db", timeout=0)) as other:
            other.execute("BEGIN IMMEDIATE")  # fails while the desk is inside a transaction
            other.rollback()
        written.append(True)
        return Usage(100 * GIB, 50 * GIB, 50 * GIB)

    monkeypatch.setattr(files.shutil, "disk_usage", write_meanwhile)
    async with open_harness(tmp_path) as harness:
        await accept(harness)
    assert written == [True]


async def test_a_disk_that_cannot_be_measured_refuses_no_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(files.shutil, "disk_usage", fail)
    async with open_harness(tmp_path, reserve_bytes=100 * MIB) as harness, harness.running():
        await accept(harness)
        [result] = await harness.chat.wait_for_results(1)
    assert result.state is JobState.DONE


def test_a_condition_that_lasts_is_logged_once_a_minute_with_its_count() -> None:
    now_s = 0.0
    limiter = files.LogLimiter("disk fault", clock=lambda: now_s)
    with structlog.testing.capture_logs() as logs:
        for now_s in (0.0, 1.0, 59.0, 60.0, 61.0):  # noqa: B007 - the clock reads it
            limiter.error(detail="x")
    assert [(log["event"], log["times"], log["detail"]) for log in logs] == [
        ("disk fault", 1, "x"),
        ("disk fault", 3, "x"),
    ]


@pytest.mark.usefixtures("_fast_retries")
async def test_a_lock_that_another_program_holds_is_waited_out(tmp_path: Path) -> None:
    """At every moment of a job: while it is accepted, drawn, ended and delivered."""
    renderer = BlockedRenderer()
    async with open_harness(tmp_path, renderer=renderer) as harness:
        await harness.store._run("PRAGMA busy_timeout = 5")
        host = sqlite3.connect(tmp_path / "sugarbot.db", isolation_level=None, check_same_thread=False)
        try:
            async with harness.running():
                first = await accept(harness)
                await until(lambda: bool(renderer.running))
                # In a thread: the desk may be inside a transaction, which needs the loop to end.
                await asyncio.to_thread(host.execute, "BEGIN IMMEDIATE")
                with pytest.raises(CannotSave) as refused:
                    await accept(harness, "2", "bob")
                assert "another program" in format_error(refused.value, "en")
                taking_in = asyncio.create_task(harness.desk.store_events(Platform.TELEGRAM, [("3", "{}")]))
                renderer.may_draw.set()
                await until(lambda: renderer.drawn == 1)
                await asyncio.sleep(0.2)  # its end cannot be saved
                assert not taking_in.done()
                assert not harness.chat.results
                host.execute("ROLLBACK")
                [result] = await harness.chat.wait_for_results(1)
                await taking_in
                second = await accept(harness, "2", "bob")
                await harness.chat.wait_for_results(2)
        finally:
            host.close()
        assert result.job_id == first.job_id
        assert {one.job_id for one in harness.chat.results} == {first.job_id, second.job_id}
        assert (await harness.store.survey()).is_sound


@pytest.mark.usefixtures("_fast_retries")
async def test_a_start_under_a_lock_goes_on_when_it_ends(tmp_path: Path) -> None:
    async with open_harness(tmp_path) as harness:
        await accept(harness)
        await harness.store._run("PRAGMA busy_timeout = 5")
        host = sqlite3.connect(tmp_path / "sugarbot.db", isolation_level=None)
        host.execute("BEGIN IMMEDIATE")
        try:
            async with harness.running():
                await asyncio.sleep(0.1)
                host.execute("ROLLBACK")
                [result] = await harness.chat.wait_for_results(1)
        finally:
            host.close()
    assert result.state is JobState.DONE


@pytest.mark.usefixtures("_fast_retries")
@pytest.mark.parametrize("part", ["links.people_of", "defaults.of_bot", "jobs.in_state", "inbox.unsettled"])
async def test_a_read_that_fails_at_the_start_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    table, query = part.split(".")
    async with open_harness(tmp_path) as harness:
        await accept(harness)
        await harness.desk.store_events(Platform.TELEGRAM, [("3", "{}")])
        asked = getattr(harness.store, table)
        ask, failures = getattr(asked, query), [CannotSave(detail="disk I/O error")]

        async def failing_once(*given: object) -> object:
            if failures:
                raise failures.pop()
            return await ask(*given)

        monkeypatch.setattr(asked, query, failing_once)
        async with harness.running():
            await harness.chat.wait_for_results(1)
            assert await harness.desk.pending_events(Platform.TELEGRAM) == (("3", "{}"),)
    assert not failures


async def test_another_failure_of_the_disk_is_not_called_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    async with open_harness(tmp_path) as harness, harness.running():
        monkeypatch.setattr("engine.durable.os.fsync", refuse)
        await accept(harness)
        [result] = await harness.chat.wait_for_results(1)
    assert (result.fail, result.refund) == (FailReason.WORKER_ERROR, result.price)


async def test_pictures_that_fit_exactly_are_accepted(tmp_path: Path) -> None:
    needed_bytes = 4 * (3 * 512 * 768 + 65_536)  # three bytes a pixel, and the settings beside them
    draw = Draw(prompt="a", count=4, size=PixelSize(512, 768))
    async with open_harness(tmp_path) as harness:
        accept = harness.desk.parts.acceptance.accept
        with pytest.raises(NoDiskSpace):
            async with harness.store.atomic():
                await accept(draw, a_context("1"), DiskState(needed_bytes - 1))
        async with harness.store.atomic():
            assert (await accept(draw, a_context("2"), DiskState(needed_bytes))).recipe.count == 4


async def test_a_measure_of_the_disk_is_good_for_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[Path] = []

    def usage(folder: Path) -> Usage:
        measured.append(folder)
        return Usage(100 * GIB, 50 * GIB, 50 * GIB)

    monkeypatch.setattr(files.shutil, "disk_usage", usage)
    now_s = 10.0
    space = files.PictureSpace(tmp_path, lambda: GIB, clock=lambda: now_s)
    for now_s, times in ((10.0, 1), (10.99, 1), (11.0, 2), (11.5, 2), (12.5, 3)):  # noqa: B007 - the clock reads it
        assert await space.available_bytes() == 49 * GIB
        assert len(measured) == times


async def test_a_disk_with_exactly_its_reserve_free_is_not_full_and_one_byte_less_is(
    tmp_path: Path, disk: Disk
) -> None:
    space = files.PictureSpace(tmp_path, lambda: 100 * MIB, clock=lambda: 0.0)
    with structlog.testing.capture_logs() as logs:
        disk.free = 100 * MIB
        assert await space.available_bytes() >= 0
        assert logs == []
        disk.free = 97 * MIB
        assert await space.available_bytes() < 0
    assert [(log["missing_mib"], log["folder"]) for log in logs] == [(3, str(tmp_path))]
    disk.free = 100 * MIB - 1
    assert await space.available_bytes() < 0


async def test_a_disk_that_cannot_be_measured_has_room_for_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(files.shutil, "disk_usage", fail)
    space = files.PictureSpace(tmp_path, lambda: 100 * MIB)
    assert await space.available_bytes() >= 0
    assert await space.available_bytes() >= 4 * (3 * 2048 * 2048 + 65_536)


@pytest.mark.usefixtures("_fast_retries")
async def test_the_log_says_once_that_nothing_can_be_saved_and_why() -> None:
    failures = [CannotSave(detail="disk full")] * 3

    async def work() -> str:
        if failures:
            raise failures.pop()
        return "saved"

    with structlog.testing.capture_logs() as logs:
        assert await files.retry_while_full(work) == "saved"
    assert [(log["event"], log["detail"]) for log in logs] == [("a test", "disk full")]
