"""Files of earlier versions get the names of their contents, whatever happens meanwhile."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bot.commands.values import Delete, Draw, Original
from bot.desk.retention import originals
from bot.desk.retention import renaming as module
from bot.outcomes import Originals, Receipt
from bot.settings.sections import StorageSettings
from bot.store.rows import PictureForm, PictureRow
from tests.fakes.desk_harness import DeskHarness, a_context, is_delivered, open_harness, until


class World:
    """A desk whose pictures have earlier names, as before migration 0026."""

    def __init__(self, harness: DeskHarness) -> None:
        self.harness = harness
        self.folder = harness.folder / "pictures"

    async def draw(self, event_id: str = "1", *, with_hash: bool = True) -> tuple[str, Path, Path]:
        """A job with an earlier name; its id, its file, and the file that it gets."""
        receipt = await self.harness.desk.handle(Draw(prompt="a face", seed=5), a_context(event_id))
        assert isinstance(receipt, Receipt)
        await self.harness.chat.wait_for_results(int(event_id))
        await until(lambda: is_delivered(self.harness.folder))
        job_id = receipt.job_id
        new, earlier = await self.harness.picture_file(job_id), self.folder / f"{job_id}-0.png"
        earlier.write_bytes(new.read_bytes())
        hash_of = "sha256" if with_hash else "''"
        await self.harness.store._run(
            f"UPDATE picture SET earlier_name = :name, sha256 = {hash_of} WHERE job = :job",  # noqa: S608
            {"name": earlier.name, "job": job_id},
        )
        new.unlink(missing_ok=True)
        return job_id, earlier, new

    async def rename(self) -> None:
        parts = self.harness.desk.parts
        await module.rename_earlier_files(self.harness.store, parts.loose_files, parts.space)


@asynccontextmanager
async def a_world(folder: Path) -> AsyncIterator[World]:
    async with open_harness(folder) as harness, harness.running():
        yield World(harness)


@pytest.mark.parametrize("with_hash", [True, False])
@pytest.mark.parametrize("has_links", [True, False])
async def test_a_file_gets_the_name_of_its_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, with_hash: bool, has_links: bool
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("a file system without links")

    if not has_links:
        monkeypatch.setattr(os, "link", refuse)
    async with a_world(tmp_path) as world:
        job_id, earlier, new = await world.draw(with_hash=with_hash)
        content = earlier.read_bytes()
        before = await world.harness.desk.handle(Original(job_id), a_context("2"))
        await world.rename()
        after = await world.harness.desk.handle(Original(job_id), a_context("3"))
        [row] = await world.harness.store.jobs.pictures_of([job_id])
        assert world.harness.picture_files == [new]
        assert list(new.parent.iterdir()) == [new], "no draft is left"
    assert isinstance(before, Originals)
    assert isinstance(after, Originals)
    assert [before.pictures[0].path, after.pictures[0].path] == [earlier, new]
    assert new.read_bytes() == content
    assert oct(new.stat().st_mode)[-3:] == "600"
    assert (row.sha256, row.earlier_name) == (hashlib.sha256(content).hexdigest(), "")


async def test_equal_files_become_one_and_a_second_call_changes_nothing(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        jobs = [await world.draw(str(number)) for number in (1, 2)]
        await world.rename()
        assert world.harness.picture_files == [jobs[0][2]]
        await world.harness.desk.handle(Delete(jobs[0][0]), a_context("3"))
        await world.harness.desk.parts.deletion.delete_files()
        assert world.harness.picture_files == [jobs[0][2]]
        await world.rename()
        assert (await world.harness.picture_file(jobs[1][0])).is_file()


@pytest.mark.parametrize("step", ["placed", "named"])
async def test_a_crash_in_the_middle_is_finished_by_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    async with a_world(tmp_path) as world:
        job_id, earlier, new = await world.draw()

        async def crash(*_: Any) -> Any:
            raise ZeroDivisionError

        with monkeypatch.context() as patch:
            if step == "placed":
                patch.setattr(world.harness.store.pictures, "replace", crash)
            else:
                patch.setattr(world.harness.desk.parts.loose_files, "delete", crash)
            with pytest.raises(ZeroDivisionError):
                await world.rename()
        assert new.is_file()
        assert earlier.is_file()
        assert (await world.harness.picture_file(job_id)).is_file()
        await world.rename()
        await world.harness.desk.parts.loose_files.delete()
        assert world.harness.picture_files == [new]
        assert list(new.parent.iterdir()) == [new]


async def test_a_damaged_file_replaces_no_whole_one_and_a_whole_one_replaces_a_damaged_one(
    tmp_path: Path,
) -> None:
    async with a_world(tmp_path) as world:
        first, second = await world.draw("1"), await world.draw("2")
        content = first[1].read_bytes()
        order = sorted([first, second], key=lambda each: each[1].name)
        order[0][1].write_bytes(b"damaged")
        await world.rename()
        assert order[0][2].read_bytes() == content
        third = await world.draw("3")
        third[1].write_bytes(b"damaged")
        order[0][2].parent.mkdir(exist_ok=True)
        order[0][2].write_bytes(content)
        await world.rename()
        assert order[0][2].read_bytes() == content


async def test_a_missing_file_is_not_renamed_unless_an_earlier_run_has_done_it(tmp_path: Path) -> None:
    """A restored backup has the earlier names of files that were renamed since."""
    async with a_world(tmp_path) as world:
        renamed = await world.draw("1")
        renamed[1].rename(renamed[2])
        await world.rename()
        assert await world.harness.picture_file(renamed[0]) == renamed[2]
        missing = await world.draw("2", with_hash=False)
        missing[1].unlink()
        await world.rename()
        [row] = await world.harness.store.jobs.pictures_of([missing[0]])
        assert (row.form, row.earlier_name) == (PictureForm.ORIGINAL, missing[1].name)


async def test_an_original_that_a_crash_left_in_the_place_of_a_preview_becomes_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "make_preview", lambda _: b"small")
    async with a_world(tmp_path) as world:
        job_id, _, _ = await world.draw(with_hash=False)
        await world.harness.store._run("UPDATE picture SET form = 'preview'")
        await world.rename()
        assert (await world.harness.picture_file(job_id)).read_bytes() == b"small"
        assert len(world.harness.picture_files) == 1


async def test_nothing_is_copied_while_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nearly_full() -> int:
        return module.ROOM_BYTES - 1

    async with a_world(tmp_path) as world:
        job_id, earlier, _ = await world.draw()
        with monkeypatch.context() as patch:
            patch.setattr(world.harness.desk.parts.space, "available_bytes", nearly_full)
            await world.rename()
        assert await world.harness.picture_file(job_id) == earlier
        await world.rename()
        assert await world.harness.picture_file(job_id) != earlier


async def test_an_original_whose_file_is_renamed_while_its_preview_is_made_is_not_taken_for_a_small_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path) as world:
        job_id, _, _ = await world.draw()
        harness, loop, preview_of = world.harness, asyncio.get_running_loop(), originals._preview_of
        harness.clock.advance(days=8)
        retention = originals.OriginalsRetention(
            store=harness.store,
            loose_files=harness.desk.parts.loose_files,
            space=harness.desk.parts.space,
            settings=StorageSettings,
            clock=harness.clock,
        )

        def preview_late(row: PictureRow, folder: Path) -> bytes | None:
            asyncio.run_coroutine_threadsafe(world.rename(), loop).result(5.0)
            return preview_of(row, folder)

        monkeypatch.setattr(originals, "_preview_of", preview_late)
        monkeypatch.setattr(originals, "make_preview", lambda _: b"the preview")
        await retention.work()
        await retention.work()
        [row] = await harness.store.jobs.pictures_of([job_id])
        assert (row.form, row.sha256) == (PictureForm.PREVIEW, hashlib.sha256(b"the preview").hexdigest())
