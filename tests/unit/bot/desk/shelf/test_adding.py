"""A file that a host adds: on the shelf once its trial picture is good, and without a trace if not."""

import asyncio
from pathlib import Path

import pytest

from bot.commands.values import Draw, LoraAdd, LoraList, LoraReload, LoraWish, SentFile
from bot.errors import (
    DownloadLeavesNoSpace,
    DownloadRunning,
    LinkNotUnderstood,
    LoraNameTaken,
    LoraRefused,
    NotSafetensors,
    PersonError,
    ShelfNotWritable,
)
from bot.outcomes import AddStage, LoraAdded, LoraListing, Receipt
from bot.store.loras import ShelfAction
from engine.errors import LoraWithoutEffect
from engine.shelf import LoraFile, Shelf
from tests.fakes.desk_harness import HOST, DeskHarness, a_context, open_harness
from tests.fakes.lora_folder import FakeFolder, lora_bytes
from tests.unit.bot.desk.shelf.managing import folder_of, give, names_in, newest, sent


async def test_a_sent_file_is_on_the_shelf_under_its_own_name(harness: DeskHarness) -> None:
    added = await give(harness, sent())
    assert isinstance(added, LoraAdded)
    assert (added.lora, added.bytes, added.source) == ("My Face v1.0", 5, "")
    assert names_in(harness.folder / "loras") == ["My Face v1.0.safetensors"]
    assert (harness.folder / "loras/My Face v1.0.safetensors").stat().st_mode & 0o777 == 0o600
    assert not names_in(harness.folder / "incoming"), "the draft is deleted"
    assert folder_of(harness).tried == ["My Face v1.0"]
    receipt = await give(harness, Draw(prompt="a", loras=(LoraWish("my face V1.0"),)), "ann")
    assert isinstance(receipt, Receipt)
    assert receipt.recipe.loras[0].sha256 == added.sha256
    change = await newest(harness)
    assert (change.action, change.lora_after, change.sha256) == (ShelfAction.ADD, added.lora, added.sha256)


@pytest.mark.parametrize(
    ("command", "refusal"),
    [
        (sent(content=b"PK\x03\x04"), LoraRefused),
        (sent(name="a.ckpt"), NotSafetensors),
        (LoraAdd("not a link"), LinkNotUnderstood),
    ],
)
async def test_what_cannot_be_added_leaves_no_trace(
    harness: DeskHarness, command: LoraAdd, refusal: type[PersonError]
) -> None:
    expected = refusal
    with pytest.raises(expected):
        await give(harness, command)
    assert not names_in(harness.folder / "loras")
    assert not (harness.folder / "incoming").exists() or not names_in(harness.folder / "incoming")
    assert (await newest(harness)).refusal == expected.__name__


@pytest.mark.parametrize("available_bytes", [-1, 1])
async def test_a_file_that_would_cross_the_reserve_is_not_downloaded(
    harness: DeskHarness, monkeypatch: pytest.MonkeyPatch, available_bytes: int
) -> None:
    async def available() -> int:
        return available_bytes

    monkeypatch.setattr(harness.desk.parts.space, "available_bytes", available)
    with pytest.raises(DownloadLeavesNoSpace):
        await give(harness, sent())
    assert not (harness.folder / "incoming").exists()
    monkeypatch.undo()
    assert isinstance(await give(harness, sent()), LoraAdded)


async def test_a_file_that_fails_its_trial_leaves_the_shelf_again(harness: DeskHarness) -> None:
    def refuse(file: LoraFile) -> None:
        raise LoraWithoutEffect(name=file.name)

    folder_of(harness).refuse = refuse
    with pytest.raises(LoraRefused) as refused:
        await give(harness, sent())
    assert refused.value.facts["reason"] == "LoraWithoutEffect"
    assert not names_in(harness.folder / "loras")
    listing = await give(harness, LoraList())
    assert isinstance(listing, LoraListing)
    assert [lora.name for lora in listing.loras] == ["anime", "sugar"]


async def test_another_file_never_replaces_one_of_the_shelf(harness: DeskHarness) -> None:
    await give(harness, sent())
    with pytest.raises(LoraNameTaken):
        await give(harness, sent(content=lora_bytes(b"2")))
    again = await give(harness, sent())
    assert isinstance(again, LoraAdded), "the same content is there already"
    with pytest.raises(LoraRefused) as refused:
        await give(harness, sent(name="sugar.safetensors"))
    assert refused.value.facts["reason"] == "LoraNameBuiltIn", "it can't be removed first"


async def test_a_file_that_the_shelf_refused_is_not_overwritten(harness: DeskHarness) -> None:
    (harness.folder / "loras" / "bad.safetensors").write_bytes(b"what the host put there")
    await give(harness, LoraReload())
    with pytest.raises(ShelfNotWritable):
        await give(harness, sent(name="bad.safetensors"))
    assert (harness.folder / "loras" / "bad.safetensors").read_bytes() == b"what the host put there"


async def test_a_file_that_a_crash_left_before_its_trial_picture_is_added_when_the_event_is_handled_again(
    harness: DeskHarness,
) -> None:
    folder = folder_of(harness)
    path = folder.folder / "mine.safetensors"
    folder.folder.mkdir(exist_ok=True)
    path.write_bytes(lora_bytes())
    harness.desk.parts.shelf.replace(Shelf({}, checking={"mine": await folder.examine(path)}))
    added = await give(harness, sent("mine.safetensors"))
    assert isinstance(added, LoraAdded)
    assert folder.tried == ["mine"]
    assert path.read_bytes() == lora_bytes()


async def test_an_added_file_that_is_refused_for_its_name_is_not_taken_for_the_other(
    harness: DeskHarness,
) -> None:
    (harness.folder / "loras" / "Face.safetensors").write_bytes(lora_bytes(b"2"))  # noticed by the add alone
    with pytest.raises(LoraRefused) as refused:
        await give(harness, sent(name="face.safetensors"))
    assert refused.value.facts["reason"] == "LoraNameShared"
    assert names_in(harness.folder / "loras") == ["Face.safetensors"]


async def test_a_host_has_one_download_at_a_time(harness: DeskHarness) -> None:
    is_reading, may_end = asyncio.Event(), asyncio.Event()

    async def read() -> bytes:
        is_reading.set()
        await may_end.wait()
        return lora_bytes()

    slow = asyncio.create_task(
        give(harness, LoraAdd(file=SentFile("a.safetensors", 5, read=read))), name="add"
    )
    await is_reading.wait()
    with pytest.raises(DownloadRunning):
        await give(harness, sent("b.safetensors"))
    may_end.set()
    await slow
    assert isinstance(await give(harness, sent("b.safetensors", lora_bytes(b"2"))), LoraAdded)


async def test_an_add_tells_how_far_it_is(tmp_path: Path) -> None:
    seen: list[tuple[AddStage, str]] = []
    context = a_context("add", HOST)

    async def read() -> bytes:
        note("")
        return lora_bytes()

    def note(_: object) -> None:
        progress = harness.desk.progress_of(context)
        assert progress is not None
        seen.append((progress.stage, progress.name))
        assert harness.desk.progress_of(a_context("another", HOST)) is None

    async with open_harness(tmp_path) as harness:
        files = harness.desk.parts.files
        assert isinstance(files, FakeFolder)
        files.folder.mkdir(exist_ok=True)
        examine, files.refuse = files.examine, note

        async def examine_noted(path: Path) -> LoraFile:
            note(path)
            return await examine(path)

        files.examine = examine_noted  # type: ignore[method-assign]
        added = await harness.desk.handle(LoraAdd(file=SentFile("mine.safetensors", 5, read=read)), context)
        assert isinstance(added, LoraAdded)
        assert harness.desk.progress_of(context) is None
    assert seen[0] == (AddStage.DOWNLOAD, "mine.safetensors")
    assert seen[1] == (AddStage.CHECK, "mine")
    assert seen[-1] == (AddStage.TRIAL, "mine")
