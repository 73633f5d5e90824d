"""The live folder: a new file is offered once its trial picture is good, and the verdict is remembered."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog

from bot.desk.loras.shelf import LoraShelf
from bot.desk.shelf import folder as module
from bot.desk.shelf.folder import LiveFolder
from bot.desk.shelf.trials import TrialPictures
from bot.errors import CannotSave, LoraBeingChecked, UnknownLora
from bot.store import Store, open_store
from engine.checkpoint.contents import weights_fingerprint
from engine.checkpoint.model import read_model
from engine.demo.networks import LORAS, WEIGHTS
from engine.errors import LoraMissing, LoraWithoutEffect, WorkerLost
from engine.request import Event, Failed, Finished, RenderRequest
from engine.shelf import LoraFile, Shelf, Sidecar, read_shelf, sha256_of
from tests.fakes.desk_harness import MIGRATIONS
from tests.fakes.renderer import Act
from tests.integration.engine.host.hosting import eventually
from tests.unit.bot.desk.shelf.test_trials import StyledRenderer

MODEL = read_model(WEIGHTS)
WEIGHTS_HASH = weights_fingerprint(WEIGHTS)


class Renderer(StyledRenderer):
    """Loses the worker while ``lost`` is positive."""

    lost = 0

    async def _render(
        self, request: RenderRequest, listen: Callable[[Event], None], act: Act
    ) -> Finished | Failed:
        if self.lost and request.loras:
            self.lost -= 1
            raise WorkerLost
        return await super()._render(request, listen, act)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await open_store(tmp_path / "a.db", MIGRATIONS)
    yield store
    await store.close()


@pytest.fixture
def renderer() -> Renderer:
    return Renderer()


@pytest.fixture
def open_folder(
    store: Store, renderer: Renderer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], LiveFolder]:
    monkeypatch.setattr(module, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(module, "TRY_AGAIN_S", 0.01)
    own = tmp_path / "loras"
    own.mkdir()

    def open_now(verdicts: dict[str, str] | None = None) -> LiveFolder:
        shelf = LoraShelf(read_shelf([LORAS, own], MODEL))
        trials = TrialPictures(renderer, MODEL)
        return LiveFolder(
            folders=[LORAS, own],
            model=MODEL,
            weights=WEIGHTS_HASH,
            store=store,
            verdicts=verdicts or {},
            shelf=shelf,
            trials=trials,
        )

    return open_now


@asynccontextmanager
async def watching(folder: LiveFolder) -> AsyncIterator[None]:
    task = asyncio.create_task(folder.watch(), name="watch")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


def add(folder: LiveFolder, name: str) -> Path:
    path = folder.folder / f"{name}.safetensors"
    shutil.copyfile(LORAS / "anime.safetensors", path)
    return path


def refused(folder: LiveFolder) -> dict[str, type]:
    return {each.name: type(each.error) for each in folder.shelf.rejected}


def recorded(folder: LiveFolder, monkeypatch: pytest.MonkeyPatch) -> list[Shelf]:
    """Every shelf that is offered from now on."""
    published: list[Shelf] = []
    replace = folder._shelf.replace

    def record(shelf: Shelf) -> None:
        published.append(shelf)
        replace(shelf)

    monkeypatch.setattr(folder._shelf, "replace", record)
    return published


async def test_a_new_file_is_checked_then_offered_then_remembered(
    open_folder: Callable[..., LiveFolder], renderer: Renderer, store: Store
) -> None:
    folder = open_folder()
    assert "sugar" in folder.shelf.files  # built-in files need no trial
    async with watching(folder):
        path = add(folder, "mine")
        await eventually(lambda: "mine" in folder.shelf.files)
        sha256 = folder.shelf.files["mine"].sha256
        assert await store.verdicts.of(WEIGHTS_HASH) == {sha256: ""}
        path.unlink()
        await eventually(lambda: "mine" not in folder.shelf.files)
    drawn = len(renderer.requests)
    add(folder, "mine")
    again = open_folder(await store.verdicts.of(WEIGHTS_HASH))
    assert "mine" in again.shelf.files
    assert len(renderer.requests) == drawn


async def test_nobody_can_choose_a_file_that_is_being_checked(open_folder: Callable[..., LiveFolder]) -> None:
    folder = open_folder()
    add(folder, "mine")
    await folder.reload()
    shelf = folder._shelf
    assert shelf.find("mine") is None
    assert isinstance(shelf.unknown("mine"), LoraBeingChecked)
    assert isinstance(shelf.unknown("mine", lambda file: False), UnknownLora)
    assert not any(lora.name == "mine" for lora in shelf.suggest("mine", "en"))


async def test_a_file_without_effect_is_refused_also_after_a_restart(
    open_folder: Callable[..., LiveFolder], renderer: Renderer, store: Store
) -> None:
    renderer.plain = "mine"
    folder = open_folder()
    async with watching(folder):
        add(folder, "mine")
        await eventually(lambda: refused(folder) == {"mine": LoraWithoutEffect})
    again = open_folder(await store.verdicts.of(WEIGHTS_HASH))
    assert refused(again) == {"mine": LoraWithoutEffect}


async def test_a_lost_worker_is_no_verdict(
    open_folder: Callable[..., LiveFolder], renderer: Renderer
) -> None:
    renderer.lost = 1
    folder = open_folder()
    async with watching(folder):
        add(folder, "mine")
        await eventually(lambda: "mine" in folder.shelf.files)
    assert renderer.lost == 0


async def test_a_file_that_always_ends_the_worker_is_left_alone(
    open_folder: Callable[..., LiveFolder], renderer: Renderer, store: Store
) -> None:
    renderer.lost = 100
    folder = open_folder()
    async with watching(folder):
        add(folder, "mine")
        await eventually(lambda: renderer.lost == 100 - module.MOST_TRIES)
        await asyncio.sleep(0.2)
    assert renderer.lost == 100 - module.MOST_TRIES
    assert list(folder.shelf.checking) == ["mine"]
    assert await store.verdicts.of(WEIGHTS_HASH) == {}


async def test_a_broken_file_harms_no_other(open_folder: Callable[..., LiveFolder]) -> None:
    folder = open_folder()
    async with watching(folder):
        (folder.folder / "broken.safetensors").write_bytes(b"\xff" * 100)
        add(folder, "mine")
        await eventually(lambda: "mine" in folder.shelf.files and bool(folder.shelf.rejected))
    assert "broken" in refused(folder)


async def test_a_start_takes_nothing_off_the_shelf(
    open_folder: Callable[..., LiveFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = open_folder()
    published = recorded(folder, monkeypatch)
    before = set(folder.shelf.files)
    async with watching(folder):
        await eventually(lambda: bool(published))
        await asyncio.sleep(0.1)
    assert all(set(shelf.files) == before for shelf in published)


async def test_a_file_that_the_worker_does_not_find_is_not_tried_without_end(
    open_folder: Callable[..., LiveFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []

    async def verify(file: LoraFile) -> None:  # as for a withdrawn one, or one that has just been replaced
        tries.append(file.name)
        raise LoraMissing

    folder = open_folder()
    monkeypatch.setattr(folder._trials, "verify", verify)
    async with watching(folder):
        add(folder, "mine")
        await eventually(lambda: len(tries) >= module.MOST_TRIES)
        await asyncio.sleep(0.2)
    assert len(tries) == module.MOST_TRIES
    assert list(folder.shelf.checking) == ["mine"]


async def test_a_refusal_names_its_own_file_also_for_equal_files(
    open_folder: Callable[..., LiveFolder], renderer: Renderer
) -> None:
    renderer.plain = "mine"
    folder = open_folder()
    async with watching(folder):
        paths = [add(folder, "mine"), add(folder, "twin")]
        await eventually(lambda: len(refused(folder)) == 2)
    assert [each.error.facts["name"] for each in folder.shelf.rejected] == ["mine", "twin"]
    assert [each.path for each in folder.shelf.rejected] == paths  # so that a chat can remove them


async def test_a_changed_sidecar_takes_nothing_off_the_shelf(
    open_folder: Callable[..., LiveFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = open_folder({sha256_of(LORAS / "anime.safetensors"): ""})
    path = add(folder, "mine")
    path.with_suffix(".toml").write_text('people = ["discord:1"]')
    await folder.reload()
    published = recorded(folder, monkeypatch)
    async with watching(folder):
        await eventually(lambda: bool(published))
        path.with_suffix(".toml").write_text('people = ["discord:7"]')
        await eventually(lambda: folder.shelf.files["mine"].sidecar.people == {"discord:7"})
    assert all("mine" in shelf.files for shelf in published)


async def test_a_file_that_is_being_replaced_is_being_checked_not_gone(
    open_folder: Callable[..., LiveFolder], renderer: Renderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = open_folder({sha256_of(LORAS / "anime.safetensors"): ""})
    path = add(folder, "mine")
    await folder.reload()
    folder._changes.look()
    path.write_bytes(b"half")
    folder._changes.look()
    await folder.reload()
    assert list(folder.shelf.checking) == ["mine"]
    assert isinstance(folder._shelf.unknown("mine"), LoraBeingChecked)
    shutil.copyfile(LORAS / "sugar.safetensors", path)
    async with watching(folder):
        await eventually(lambda: "mine" in folder.shelf.files)
    assert folder.shelf.files["mine"].sha256 == sha256_of(path)
    assert all(lora.sha256 == sha256_of(path) for request in renderer.requests for lora in request.loras)


async def test_a_file_known_to_be_whole_is_read_at_once(open_folder: Callable[..., LiveFolder]) -> None:
    folder = open_folder({sha256_of(LORAS / "anime.safetensors"): ""})
    folder._changes.look()
    path = add(folder, "mine")
    folder._changes.look()
    assert "mine" not in (await folder.reload()).files  # it may still be growing
    assert "mine" in (await folder.reload(path)).files


async def test_a_change_that_could_not_be_read_is_read_again(
    open_folder: Callable[..., LiveFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> Shelf:
        raise OSError(5, "Input/output error")

    folder = open_folder({sha256_of(LORAS / "anime.safetensors"): ""})
    add(folder, "mine")
    with monkeypatch.context() as broken:
        broken.setattr(module, "read_shelf", fail)
        with pytest.raises(ExceptionGroup):
            await folder.watch()
    async with watching(folder):  # as ``keep_running`` does
        await eventually(lambda: "mine" in folder.shelf.files)


async def test_a_refusal_is_logged_once(open_folder: Callable[..., LiveFolder]) -> None:
    folder = open_folder()
    (folder.folder / "broken.safetensors").write_bytes(b"no LoRA")
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            await folder.reload()
    lines = [line for line in logs if line["event"] == "lora rejected"]
    assert [(line["lora"], line["error"]) for line in lines] == [("broken", "LoraTruncated")]


async def test_what_files_state_is_stored_also_if_it_cannot_be_at_once(
    open_folder: Callable[..., LiveFolder], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = open_folder({sha256_of(LORAS / "anime.safetensors"): ""})
    add(folder, "mine").with_suffix(".toml").write_text('owner = "discord:1"\npeople = ["discord:2"]')
    failures = [CannotSave(), CannotSave()]
    state = store.consents.state

    async def fail_first(*facts: Any) -> None:
        if failures:
            raise failures.pop()
        await state(*facts)

    monkeypatch.setattr(store.consents, "state", fail_first)
    async with watching(folder):
        await eventually(lambda: "mine" in folder.shelf.files and not folder._shelf.statements.unsaved)
    stated = {row.name: row.sidecar for row in await store.consents.stated()}
    assert {"mine", "sugar", "anime", "realistic"} <= stated.keys()
    assert stated["mine"] == Sidecar(owner="discord:1", people=frozenset({"discord:2"}))
    assert failures == []
