"""Old originals are replaced by previews; people can see that, and the work resumes after a crash."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.commands.values import Delete, Draw, Enlarge, Mine, Original, Pick
from bot.desk.files import save_pictures
from bot.desk.retention import originals as module
from bot.desk.retention.originals import OriginalsRetention
from bot.errors import OriginalsExpired, StartGone
from bot.messages import format_error, format_outcome
from bot.outcomes import History, JobState, Originals, Receipt
from bot.settings.sections import StorageSettings
from bot.store.rows import PictureForm, PictureRow
from tests.fakes.desk_harness import DeskHarness, a_context, is_delivered, open_harness, until
from tests.fakes.pictures import file_name_of

LARGE, SMALL = b"the original " * 50, b"the preview"


@pytest.fixture(autouse=True)
def previews(monkeypatch: pytest.MonkeyPatch) -> None:
    """A large picture has a preview; every other picture is small."""
    monkeypatch.setattr(module, "make_preview", lambda png: SMALL if png == LARGE else None)


class World:
    """A desk with one job of two pictures, the second of them large."""

    def __init__(self, harness: DeskHarness, **storage: Any) -> None:
        self.harness = harness
        self.storage = StorageSettings(**storage)
        self.retention = OriginalsRetention(
            store=harness.store,
            loose_files=harness.desk.parts.loose_files,
            space=harness.desk.parts.space,
            settings=lambda: self.storage,
            clock=harness.clock,
        )

    async def draw(self, event_id: str) -> str:
        """A delivered job of two pictures, the second of them large."""
        count = len(self.harness.chat.results)
        receipt = await self.harness.desk.handle(Draw(prompt="a face", count=2), a_context(event_id))
        assert isinstance(receipt, Receipt)
        await self.harness.chat.wait_for_results(count + 1)
        await until(lambda: is_delivered(self.harness.folder))
        rows = await self.harness.store.jobs.pictures_of([receipt.job_id])
        sha256 = hashlib.sha256(LARGE).hexdigest()
        async with self.harness.desk.parts.loose_files.holding([file_name_of(sha256)]):
            save_pictures([replace(rows[1], sha256=sha256)], [LARGE], self.folder)
            assert await self.harness.store.pictures.replace(rows[1], PictureForm.ORIGINAL, sha256)
        return receipt.job_id

    @property
    def folder(self) -> Path:
        return self.harness.folder / "pictures"

    async def content(self, job_id: str) -> bytes:
        """The content of the large picture's file."""
        return (await self.harness.picture_file(job_id, 1)).read_bytes()

    async def forms(self, job_id: str) -> list[PictureForm]:
        return [row.form for row in await self.harness.store.jobs.pictures_of([job_id])]


@asynccontextmanager
async def a_world(folder: Path, **storage: Any) -> AsyncIterator[World]:
    async with open_harness(folder) as harness, harness.running():
        yield World(harness, **storage)


async def test_an_original_stays_for_its_days_and_is_a_preview_after_them(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        job_id = await world.draw("1")
        world.harness.clock.advance(days=6)
        assert await world.retention.work() == 0
        assert await world.content(job_id) == LARGE
        original = await world.harness.picture_file(job_id, 1)
        world.harness.clock.advance(days=2)
        assert await world.retention.work() == 2
        assert await world.content(job_id) == SMALL
        assert not original.exists()
        assert await world.forms(job_id) == [PictureForm.SMALL, PictureForm.PREVIEW]
        assert await world.retention.work() == 0


async def test_an_original_that_a_younger_picture_needs_stays_for_that_one(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        old = await world.draw("1")
        world.harness.clock.advance(days=4)
        younger = await world.draw("2")
        world.harness.clock.advance(days=4)
        await world.retention.work()
        assert [await world.content(old), await world.content(younger)] == [SMALL, LARGE]
        world.harness.clock.advance(days=4)
        await world.retention.work()
        assert [await world.content(old), await world.content(younger)] == [SMALL, SMALL]
        contents = [path.read_bytes() for path in world.harness.picture_files]
        assert contents.count(SMALL) == 1
        assert LARGE not in contents


async def test_an_original_with_which_a_job_begins_that_was_accepted_meanwhile_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path) as world:
        job_id, harness, loop = await world.draw("1"), world.harness, asyncio.get_running_loop()
        world.harness.clock.advance(days=8)
        harness.desk.parts.queue.set_paused(True)
        preview_of = module._preview_of

        def preview_late(row: PictureRow, folder: Path) -> bytes | None:
            if row.idx == 1:
                enlarging = harness.desk.handle(Enlarge(job_id, 1), a_context("2"))
                asyncio.run_coroutine_threadsafe(enlarging, loop).result(5.0)
            return preview_of(row, folder)

        monkeypatch.setattr(module, "_preview_of", preview_late)
        await world.retention.work()
        assert await world.content(job_id) == LARGE
        harness.desk.parts.queue.set_paused(False)
        [_, enlarged] = await harness.chat.wait_for_results(2)
        assert enlarged.state is JobState.DONE
        assert await world.retention.work() == 1
        assert await world.content(job_id) == SMALL


async def test_people_are_told_what_has_expired_and_how_to_draw_it_again(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        job_id = await world.draw("1")
        world.harness.clock.advance(days=8)
        await world.retention.work()
        with pytest.raises(OriginalsExpired) as original:
            await world.harness.desk.handle(Original(job_id), a_context("2"))
        with pytest.raises(StartGone) as larger:
            await world.harness.desk.handle(Enlarge(job_id, 1), a_context("3"))
        await world.harness.desk.handle(Enlarge(job_id, 0), a_context("4"))
        shown = await world.harness.desk.handle(Pick(job_id, 1), a_context("5"))
        history = await world.harness.desk.handle(Mine(), a_context("6"))
        preview = await world.harness.picture_file(job_id, 1)
    assert shown.picture.path == preview  # type: ignore[union-attr]
    assert isinstance(history, History)
    assert [entry.previews for entry in history.entries if entry.job_id == job_id] == [1]
    for locale, expired in (("en", "originals expired"), ("zh-CN", "原图已过期")):
        assert expired in format_outcome(history, locale)
        assert f"/recipe {job_id}" in format_error(original.value, locale)
        assert f"/recipe {job_id}" in format_error(larger.value, locale)


async def test_without_days_originals_stay_as_long_as_their_pictures(tmp_path: Path) -> None:
    async with a_world(tmp_path, keep_originals_days=0) as world:
        job_id = await world.draw("1")
        world.harness.clock.advance(days=29)
        assert await world.retention.work() == 0
        found = await world.harness.desk.handle(Original(job_id), a_context("2"))
    assert isinstance(found, Originals)


async def test_on_a_full_disk_the_oldest_originals_go_first_but_not_what_was_just_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH", 2)
    async with a_world(tmp_path) as world:
        old = await world.draw("1")
        world.harness.clock.advance(days=1)
        newer = await world.draw("2")
        world.harness.clock.advance(days=1)
        newest = await world.draw("3")

        async def below_the_reserve() -> int:
            return -1

        monkeypatch.setattr(world.harness.desk.parts.space, "available_bytes", below_the_reserve)
        assert await world.retention.work() == 2
        assert PictureForm.PREVIEW in await world.forms(old)
        assert PictureForm.PREVIEW not in await world.forms(newer)
        assert await world.retention.work() == 2
        assert await world.retention.work() == 0
        assert PictureForm.PREVIEW not in await world.forms(newest)


async def test_what_is_not_delivered_yet_stays_as_it_was_drawn(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        job_id = await world.draw("1")
        await world.harness.store._run(
            "UPDATE outbox SET state = 'sending' WHERE job = :job", {"job": job_id}
        )
        world.harness.clock.advance(days=8)
        assert await world.retention.work() == 0


@pytest.mark.parametrize("is_written", [False, True])
async def test_a_crash_before_the_picture_names_its_preview_leaves_the_original(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_written: bool
) -> None:
    async with a_world(tmp_path) as world:
        job_id = await world.draw("1")
        world.harness.clock.advance(days=8)

        def crash(rows: list[PictureRow], previews: list[bytes], folder: Path) -> None:
            if is_written:
                save_pictures(rows, previews, folder)
            raise ZeroDivisionError

        with monkeypatch.context() as patch:
            patch.setattr(module, "save_pictures", crash)
            with pytest.raises(ZeroDivisionError):
                await world.retention.work()
        assert await world.content(job_id) == LARGE
        await world.harness.desk.parts.loose_files.delete()
        assert SMALL not in [path.read_bytes() for path in world.harness.picture_files]
        while await world.retention.work():
            pass
        rows = await world.harness.store.jobs.pictures_of([job_id])
        assert await world.content(job_id) == SMALL
        assert (rows[1].form, rows[1].sha256) == (PictureForm.PREVIEW, hashlib.sha256(SMALL).hexdigest())


async def test_a_job_that_is_deleted_meanwhile_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path) as world:
        job_id = await world.draw("1")
        world.harness.clock.advance(days=8)
        change = world.harness.store.pictures.replace

        async def delete_meanwhile(row: Any, form: PictureForm, sha256: str) -> bool:
            await world.harness.desk.handle(Delete(job_id), a_context("2"))
            while await world.harness.store.jobs.pictures_of([job_id]):
                await module.asyncio.sleep(0.01)
            return await change(row, form, sha256)

        monkeypatch.setattr(world.harness.store.pictures, "replace", delete_meanwhile)
        await world.retention.work()
        assert world.harness.picture_files == []


async def test_damage_of_an_original_is_not_hidden_by_a_preview(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        job_id = await world.draw("1")
        (await world.harness.picture_file(job_id, 1)).write_bytes(LARGE + b"x")
        world.harness.clock.advance(days=8)
        await world.retention.work()
        rows = await world.harness.store.jobs.pictures_of([job_id])
    assert rows[1].sha256 == hashlib.sha256(LARGE).hexdigest()
    assert rows[1].form is PictureForm.SMALL
