"""Jobs that wait keep the bytes of their LoRA when its file changes or goes."""

import asyncio
import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bot.commands.values import Cancel, LoraWish
from bot.desk.loras.shelf import LoraShelf
from bot.desk.shelf import versions as module
from bot.desk.shelf.versions import LocatedRenderer, LoraVersions
from bot.errors import CannotSave
from bot.store.rows import JobRow
from engine.config import LORA_VERSIONS
from engine.request import (
    Event,
    Failed,
    FailReason,
    Finished,
    LoraChoice,
    RenderRequest,
    Stopped,
)
from engine.shelf import LoraFile, Shelf, kept_versions, version_path
from engine.shelf import versions as shelf_versions
from tests.fakes.desk_harness import SUGAR, a_context, open_harness, until
from tests.fakes.renderer import Act, FakeRenderer
from tests.integration.engine.host.hosting import eventually


@dataclass
class Recipe:
    loras: tuple[LoraChoice, ...]


@dataclass
class Job:
    recipe: Recipe


@dataclass
class World:
    folder: Path
    shelf: LoraShelf = field(default_factory=lambda: LoraShelf(Shelf({})))
    jobs: list[Any] = field(default_factory=list)

    def put(self, name: str, content: bytes) -> LoraFile:
        path = self.folder / f"{name}.safetensors"
        path.write_bytes(content)
        file = LoraFile(name, path, hashlib.sha256(content).hexdigest(), len(content), 4)
        self.shelf.replace(Shelf({**self.shelf.files.files, name: file}))
        return file

    def ask(self, file: LoraFile) -> None:
        self.jobs.append(Job(Recipe((LoraChoice(file.name, file.sha256),))))

    @property
    def kept(self) -> set[str]:
        return set(kept_versions(self.folder / "kept"))


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(module, "LOOK_EVERY_S", 0.01)
    return World(tmp_path)


async def run_until(world: World, condition: Callable[[], bool], reserve_bytes: int = 0) -> None:
    versions = LoraVersions(world.folder / "kept", world.shelf, lambda: world.jobs, lambda: reserve_bytes)
    task = asyncio.create_task(versions.run(), name="versions")
    try:
        await eventually(condition)
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_only_what_jobs_need_is_copied_and_what_left_the_shelf_goes_after_them(world: World) -> None:
    sugar, _ = world.put("sugar", b"1"), world.put("anime", b"2")
    world.ask(sugar)
    await run_until(world, lambda: world.kept == {sugar.sha256})
    sugar.path.unlink()
    world.shelf.replace(Shelf({}))
    await run_until(world, lambda: True)
    assert world.kept == {sugar.sha256}  # the job still waits; a restart keeps it, too
    world.jobs.clear()
    await run_until(world, lambda: world.kept == set())


async def test_a_start_keeps_the_copies_of_jobs_that_the_desk_has_not_found_yet(tmp_path: Path) -> None:
    async with open_harness(tmp_path) as harness:
        await harness.accept(loras=(LoraWish("sugar"),))
    copy = version_path(tmp_path / LORA_VERSIONS, SUGAR.sha256)
    copy.parent.mkdir()
    copy.write_bytes(b"sugar")
    async with open_harness(tmp_path, shelf=Shelf({})) as harness:
        versions, desk = harness.desk.parts.versions, harness.desk
        await versions.ensure(())  # the background job looks at once, while the desk reads its jobs
        assert copy.exists()
        await desk.parts.drawing.recover()
        await versions.ensure(())
        assert copy.exists()
        await desk.handle(Cancel(), a_context("cancel"))
        await versions.ensure(())
        assert not copy.exists()


async def test_the_copy_of_a_job_stays_while_the_job_is_being_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_harness(tmp_path) as harness:
        await harness.accept(loras=(LoraWish("sugar"),))
        drawing, take = harness.desk.parts.drawing, harness.store.jobs.take

        async def take_late(job_id: str, lease: str, now_ms: int) -> JobRow | None:
            meanwhile.append(drawing.unfinished)  # the database may take long, or be locked for minutes
            return await take(job_id, lease, now_ms)

        meanwhile: list[tuple[JobRow, ...] | None] = []
        monkeypatch.setattr(harness.store.jobs, "take", take_late)
        async with harness.running():
            await harness.chat.wait_for_results(1)
    [jobs] = meanwhile
    assert jobs is not None
    assert [lora.sha256 for job in jobs for lora in job.recipe.loras] == [SUGAR.sha256]


async def test_a_stop_that_can_save_nothing_keeps_the_copies_of_its_jobs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise CannotSave(detail="disk full")

    async with open_harness(tmp_path, renderer=FakeRenderer([Act.HANG], step_s=0.001)) as harness:
        await harness.accept(loras=(LoraWish("sugar"),))
        versions = harness.desk.parts.versions
        async with harness.running():
            await until(lambda: bool(harness.renderer.requests))
            monkeypatch.setattr(harness.store.jobs, "requeue", refuse)
        copy = version_path(tmp_path / LORA_VERSIONS, SUGAR.sha256)
        copy.parent.mkdir()
        copy.write_bytes(b"sugar")
        harness.desk.parts.shelf.replace(Shelf({}))
        await versions.ensure(())
        assert copy.exists()


async def test_a_new_version_leaves_the_old_one_to_its_jobs(world: World) -> None:
    old = world.put("sugar", b"old")
    world.ask(old)
    await run_until(world, lambda: world.kept == {old.sha256})
    new = world.put("sugar", b"new")
    world.ask(new)
    await run_until(world, lambda: world.kept == {old.sha256, new.sha256})


async def test_a_file_that_changed_before_its_copy_is_tried_again(world: World) -> None:
    sugar = world.put("sugar", b"right")
    world.ask(sugar)
    sugar.path.write_bytes(b"wrong")
    versions = LoraVersions(world.folder / "kept", world.shelf, lambda: world.jobs, lambda: 0)
    assert versions._settle(frozenset({sugar.sha256}), {sugar.sha256: sugar.path}) is False
    sugar.path.write_bytes(b"right")
    await run_until(world, lambda: world.kept == {sugar.sha256})


async def test_a_disk_without_room_gets_no_copy(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    sugar = world.put("sugar", b"1")
    world.ask(sugar)
    versions = LoraVersions(world.folder / "kept", world.shelf, lambda: world.jobs, reserve_bytes=lambda: 5)
    needed, paths = frozenset({sugar.sha256}), {sugar.sha256: sugar.path}
    monkeypatch.setattr(module, "free_and_needed_bytes", lambda folder, reserve_bytes: (5, reserve_bytes))
    assert versions._settle(needed, paths) is False
    assert world.kept == set()
    monkeypatch.setattr(module, "free_and_needed_bytes", lambda folder, reserve_bytes: (6, reserve_bytes))
    assert versions._settle(needed, paths) is True
    assert world.kept == {sugar.sha256}


async def test_a_copy_begins_when_a_job_is_accepted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_EVERY_S", 1e6)
    sugar = world.put("sugar", b"1")
    versions = LoraVersions(world.folder / "kept", world.shelf, lambda: world.jobs, lambda: 0)
    renderer = FakeRenderer()
    task = asyncio.create_task(versions.run(), name="versions")
    await asyncio.sleep(0)
    world.ask(sugar)
    LocatedRenderer(renderer, versions).prefetch((LoraChoice("sugar", sugar.sha256),))
    await eventually(lambda: world.kept == {sugar.sha256})
    task.cancel()
    await asyncio.wait([task])
    assert renderer.prefetched == (LoraChoice("sugar", sugar.sha256),)


class ReadingRenderer(FakeRenderer):
    """Reads the files of a request as the worker does; ``before_reading`` happens first, once."""

    before_reading: Callable[[], object] = staticmethod(lambda: None)

    async def _render(
        self, request: RenderRequest, listen: Callable[[Event], None], act: Act
    ) -> Finished | Stopped | Failed:
        self.before_reading()
        self.before_reading = lambda: None
        for lora in request.loras:
            contents = [
                hashlib.sha256(source.path.read_bytes()).hexdigest()
                for source in request.lora_files
                if source.sha256 == lora.sha256 and source.path.exists()
            ]
            if lora.sha256 not in contents:
                return Failed(request.job_id, request.attempt, FailReason.LORA_MISSING)
        return await super()._render(request, listen, act)


@pytest.mark.parametrize(
    ("change", "is_drawn"),
    [
        (lambda path, new: new.replace(path), True),
        (lambda path, _: path.unlink(), True),
        (lambda path, new: path.write_bytes(new.read_bytes()), False),  # the accepted bytes are nowhere
    ],
    ids=["replaced", "removed", "overwritten"],
)
async def test_a_file_that_goes_before_its_copy_is_complete_is_drawn_from_the_copy(
    world: World, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path, Path], object], is_drawn: bool
) -> None:
    sugar, new = world.put("sugar", b"old"), world.folder / "new"
    new.write_bytes(b"new")
    versions = LoraVersions(world.folder / "kept", world.shelf, lambda: world.jobs, lambda: 0)
    is_open, may_copy = threading.Event(), threading.Event()
    open_file = shelf_versions.open_regular_file

    def open_slowly(path: Path) -> Any:
        file = open_file(path)
        is_open.set()
        may_copy.wait(60)
        return file

    monkeypatch.setattr(shelf_versions, "open_regular_file", open_slowly)

    def go() -> None:
        """The file goes while it is copied, and before the worker reads it."""
        is_open.wait(10)
        change(sugar.path, new)
        may_copy.set()

    renderer = ReadingRenderer()
    renderer.before_reading = go
    world.ask(sugar)
    task = asyncio.create_task(versions.run(), name="versions")
    await asyncio.sleep(0)
    request = RenderRequest("j", 1, "a face", 64, 64, 1, loras=(LoraChoice("sugar", sugar.sha256),))
    end = await LocatedRenderer(renderer, versions).render(request, lambda event: None)
    task.cancel()
    await asyncio.wait([task])
    if is_drawn:
        assert isinstance(end, Finished)
    else:
        assert end == Failed("j", 1, FailReason.LORA_MISSING)
