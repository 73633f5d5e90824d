"""A file is deleted when no picture names it, whoever has the same picture, and whatever a crash left."""

import asyncio
from pathlib import Path

import pytest

from bot.commands.values import Delete, Draw, Mine, Original
from bot.desk import files
from bot.errors import CannotSave, NoSuchJob
from bot.outcomes import History, Originals, Receipt
from bot.store.rows import PictureRow
from tests.fakes.desk_harness import DeskHarness, a_context, is_delivered, open_harness, until
from tests.fakes.pictures import file_name_of
from tests.unit.bot.store.stored import a_hash

NAME = file_name_of(a_hash("face"))


async def draw(harness: DeskHarness, user: str) -> str:
    """The same picture for whoever asks."""
    count = len(harness.chat.results)
    drawing = Draw(prompt="a face", seed=5)
    receipt = await harness.desk.handle(drawing, a_context(f"draw {user} {count}", user))
    assert isinstance(receipt, Receipt)
    await harness.chat.wait_for_results(count + 1)
    await until(lambda: is_delivered(harness.folder))  # until then, it is "being sent right now"
    return receipt.job_id


async def delete(harness: DeskHarness, job_id: str, user: str) -> None:
    await harness.desk.handle(Delete(job_id), a_context(f"delete {job_id}", user))
    await harness.desk.parts.deletion.delete_files()


def write(harness: DeskHarness, name: str = NAME) -> Path:
    path = harness.folder / "pictures" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"face")
    return path


async def test_equal_pictures_of_two_people_are_one_file_until_both_have_deleted_theirs(
    harness: DeskHarness,
) -> None:
    async with harness.running():
        ann, ben = await draw(harness, "ann"), await draw(harness, "ben")
        assert len(harness.picture_files) == 1
        await delete(harness, ann, "ann")
        found = await harness.desk.handle(Original(ben), a_context("look", "ben"))
        assert isinstance(found, Originals)
        assert found.pictures[0].path.is_file()
        with pytest.raises(NoSuchJob):
            await harness.desk.handle(Original(ann), a_context("look", "ann"))
        await delete(harness, ben, "ben")
        assert harness.picture_files == []


async def test_an_answer_does_not_tell_whether_somebody_has_the_same_picture(harness: DeskHarness) -> None:
    async with harness.running():
        alone = await draw(harness, "ann")
        [before] = harness.chat.results
        await delete(harness, alone, "ann")
        await draw(harness, "ben")
        shared = await draw(harness, "ann")
        after = harness.chat.results[-1]
        await delete(harness, shared, "ann")
        history = await harness.desk.handle(Mine(), a_context("mine", "ann"))
    assert isinstance(history, History)
    assert [(entry.pictures, entry.missing) for entry in history.entries] == [((), 0)] * len(history.entries)
    assert (before.pictures, before.price) == (after.pictures, after.price)


async def test_a_file_that_a_crash_left_without_its_picture_is_deleted_by_the_next_start(
    tmp_path: Path,
) -> None:
    async with open_harness(tmp_path) as harness:
        loose = harness.desk.parts.loose_files
        await harness.store.pictures.loosen([NAME])  # as ``holding`` does, and then the process is killed
        path = write(harness)
        kept = write(harness, file_name_of(a_hash("another database's")))
        assert not loose.changed.is_set()
    async with open_harness(tmp_path) as harness, harness.running():
        await until(lambda: not path.exists())
    assert harness.picture_files == [kept]


async def test_a_file_that_is_held_stays_and_goes_when_it_is_released_without_a_picture(
    harness: DeskHarness,
) -> None:
    loose = harness.desk.parts.loose_files
    async with loose.holding([NAME]):
        path = write(harness)
        async with loose.holding([NAME]):  # an equal picture of another job
            pass
        assert await loose.delete() == 0
        assert path.exists()
        loose.changed.clear()
    assert loose.changed.is_set()
    assert await loose.delete() == len(b"face")
    assert not path.exists()
    assert await harness.store.pictures.loose() == ()


async def test_a_file_waits_for_a_deletion_that_has_begun_before_it_is_written_again(
    harness: DeskHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    loose, named = harness.desk.parts.loose_files, harness.store.pictures.named
    path, order, is_checking = write(harness), list[str](), asyncio.Event()
    await harness.store.pictures.loosen([NAME])

    async def write_again() -> None:
        async with loose.holding([NAME]):
            order.append("held")
            write(harness)

    async def slow(names: list[str]) -> frozenset[str]:
        found = await named(names)
        is_checking.set()
        await asyncio.sleep(0.05)
        order.append("checked")
        return found

    monkeypatch.setattr(harness.store.pictures, "named", slow)
    async with asyncio.TaskGroup() as group:
        group.create_task(loose.delete())
        await is_checking.wait()
        group.create_task(write_again())
    assert order == ["checked", "held"]
    assert path.exists()


async def test_a_picture_that_names_a_file_keeps_it_from_being_deleted(harness: DeskHarness) -> None:
    async with harness.running():
        job_id = await draw(harness, "ann")
    file = await harness.picture_file(job_id)
    await harness.store.pictures.loosen([str(file.relative_to(harness.folder / "pictures"))])
    assert await harness.desk.parts.loose_files.delete() == 0
    assert file.exists()
    assert await harness.store.pictures.loose() == ()


async def test_a_file_that_loses_its_picture_while_others_are_deleted_goes_next_time(
    harness: DeskHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with harness.running():
        job_id = await draw(harness, "ann")
    file, unlink, loop = await harness.picture_file(job_id), files._unlink, asyncio.get_running_loop()
    await harness.store.pictures.loosen([file_name_of(file.stem)])  # as a late end leaves it

    def unlink_late(folder: Path, names: list[str]) -> tuple[list[str], int, list[OSError]]:
        asyncio.run_coroutine_threadsafe(harness.store.pictures.forget([job_id]), loop).result(5.0)
        return unlink(folder, names)

    with monkeypatch.context() as patch:
        patch.setattr(files, "_unlink", unlink_late)
        await harness.desk.parts.loose_files.delete()
    assert file.exists()
    await harness.desk.parts.loose_files.delete()
    assert not file.exists()


async def test_what_the_system_does_not_delete_stays_loose_and_the_others_go(
    harness: DeskHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = file_name_of(a_hash("other"))
    paths = [write(harness), write(harness, other)]
    await harness.store.pictures.loosen([NAME, other])
    unlink = Path.unlink

    def refuse(path: Path, missing_ok: bool = False) -> None:
        if path == paths[0]:
            raise PermissionError("a test")
        unlink(path, missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        with pytest.raises(PermissionError):
            await harness.desk.parts.loose_files.delete()
    assert [path.exists() for path in paths] == [True, False]
    assert await harness.store.pictures.loose() == (NAME,)
    await harness.desk.parts.loose_files.delete()
    assert not paths[0].exists()


async def test_a_database_that_cannot_be_written_holds_nothing(
    harness: DeskHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(_: object) -> None:
        raise CannotSave(detail="a test")

    loose = harness.desk.parts.loose_files
    path = write(harness)
    with monkeypatch.context() as patch:
        patch.setattr(harness.store.pictures, "loosen", refuse)
        with pytest.raises(CannotSave):
            async with loose.holding([NAME]):
                raise AssertionError
    await harness.store.pictures.loosen([NAME])
    await loose.delete()
    assert not path.exists()


async def test_a_late_end_leaves_no_file(harness: DeskHarness) -> None:
    async with harness.running():
        job_id = await draw(harness, "ann")
    job = await harness.job(job_id)
    completion, loose = harness.desk.parts.completion, harness.desk.parts.loose_files
    async with loose.holding([NAME]):
        write(harness)
        rows = [PictureRow(job_id, 0, 5, a_hash("face"))]
        assert await completion.end(job, job.state, pictures=rows) is None  # type: ignore[arg-type]
    await loose.delete()
    assert harness.picture_files == [await harness.picture_file(job_id)]
