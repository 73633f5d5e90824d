"""What hosts do with the shelf from a chat: all of it or nothing, recorded, and answered once."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.commands.buttons import press_of
from bot.commands.values import (
    Draw,
    LoraAdd,
    LoraCheck,
    LoraInfo,
    LoraList,
    LoraOffer,
    LoraReload,
    LoraRemove,
    LoraSwitch,
    LoraWish,
    Scope,
    SentFile,
    ShowCard,
)
from bot.desk.shelf import lora_folder
from bot.desk.shelf.management import ManagementCommand
from bot.errors import (
    DownloadLeavesNoSpace,
    DownloadRunning,
    HostsOnly,
    LinkNotUnderstood,
    LoraBuiltIn,
    LoraFileSent,
    LoraNameTaken,
    LoraRefused,
    NotSafetensors,
    PersonError,
    ShelfNotWritable,
    TrialNotDrawn,
    UnknownLora,
)
from bot.monitoring.figures import REGISTRY
from bot.outcomes import (
    AddStage,
    LoraAdded,
    LoraChecked,
    LoraDetails,
    LoraFileOffered,
    LoraListing,
    LoraRemoved,
    LoraState,
    LoraSwitched,
    Platform,
    Receipt,
    ShelfReloaded,
)
from bot.store.loras import ShelfAction, ShelfChange
from engine.errors import LoraWithoutEffect, WorkerNotReady
from engine.host.report import CardReport
from engine.shelf import LoraFile, Shelf
from tests.fakes.desk_harness import HOST, DeskHarness, a_context, open_harness
from tests.fakes.lora_folder import FakeFolder, lora_bytes

numbers = iter(range(1, 10_000))


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[DeskHarness]:
    (tmp_path / "loras").mkdir()
    async with open_harness(tmp_path) as opened:
        yield opened


def folder_of(harness: DeskHarness) -> FakeFolder:
    folder = harness.desk.parts.management._files
    assert isinstance(folder, FakeFolder)
    return folder


def sent(name: str = "My Face v1.0.safetensors", content: bytes = lora_bytes()) -> LoraAdd:
    async def read() -> bytes:
        return content

    return LoraAdd(file=SentFile(name, len(content), read=read))


async def give(harness: DeskHarness, command: object, user: str = HOST, event: str = "") -> object:
    return await harness.desk.handle(command, a_context(event or str(next(numbers)), user))  # type: ignore[arg-type]


async def newest(harness: DeskHarness) -> ShelfChange:
    [change] = await harness.store.shelf_changes.newest(1)
    return change


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_a_switch_tries_the_lora_out_first_and_is_recorded(harness: DeskHarness) -> None:
    await give(harness, LoraSwitch(LoraWish("anime")))
    switched = await give(harness, LoraSwitch(LoraWish("Sugar face", 0.6), Scope.CHAT))
    assert switched == LoraSwitched("sugar", 0.6, Scope.CHAT, before="anime")
    assert folder_of(harness).tried == ["anime", "sugar"]
    change = await newest(harness)
    assert (change.platform, change.user_id, change.chat_id) == ("console", HOST, "here")
    assert (change.action, change.scope) == (ShelfAction.SWITCH, "chat")
    assert (change.lora_before, change.lora_after, change.refusal) == ("anime", "sugar", "")
    assert change.sha256 == "a" * 64
    assert change.at_ms == harness.clock()


async def test_the_first_switch_of_a_run_knows_the_default_of_the_run_before(harness: DeskHarness) -> None:
    await give(harness, LoraSwitch(LoraWish("anime"), Scope.BOT))
    harness.desk.parts.defaults.of_bot = ""  # as before ``load``
    switched = await give(harness, LoraSwitch(LoraWish("sugar"), Scope.BOT))
    assert isinstance(switched, LoraSwitched)
    assert switched.before == "anime"


async def test_the_card_and_the_list_show_a_new_default_at_once(harness: DeskHarness) -> None:
    await give(harness, LoraSwitch(LoraWish("anime"), Scope.CHAT))
    report = await give(harness, ShowCard())
    assert isinstance(report, CardReport)
    assert report.default_lora == "anime"
    await give(harness, LoraSwitch(LoraWish("none"), Scope.CHAT))
    report = await give(harness, ShowCard())
    assert isinstance(report, CardReport)
    assert report.default_lora == ""
    listing = await give(harness, LoraList())
    assert isinstance(listing, LoraListing)
    assert listing.default == ""


@pytest.mark.parametrize(
    ("error", "refusal"), [(LoraWithoutEffect(name="sugar"), LoraRefused), (WorkerNotReady(), TrialNotDrawn)]
)
@pytest.mark.parametrize("scope", list(Scope))
async def test_a_lora_that_fails_its_trial_leaves_the_old_default(
    harness: DeskHarness, error: Exception, refusal: type[PersonError], scope: Scope
) -> None:
    await give(harness, LoraSwitch(LoraWish("anime"), scope))

    def refuse(file: LoraFile) -> None:
        raise error

    folder_of(harness).refuse = refuse
    with pytest.raises(refusal):
        await give(harness, LoraSwitch(LoraWish("sugar"), scope))
    receipt = await give(harness, Draw(prompt="a"))
    assert isinstance(receipt, Receipt)
    assert [lora.name for lora in receipt.recipe.loras] == ["anime"]
    change = await newest(harness)
    assert (change.lora_after, change.refusal) == ("sugar", refusal.__name__)


async def test_an_unknown_lora_needs_no_trial(harness: DeskHarness) -> None:
    with pytest.raises(UnknownLora):
        await give(harness, LoraSwitch(LoraWish("nobody")))
    assert not folder_of(harness).tried
    assert (await newest(harness)).refusal == "UnknownLora"


async def test_a_trial_that_takes_too_long_leaves_the_old_default(
    harness: DeskHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lora_folder, "TRIAL_S", 0.02)

    async def never(file: LoraFile) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(folder_of(harness), "try_out", never)
    with pytest.raises(TrialNotDrawn):
        await give(harness, LoraSwitch(LoraWish("sugar")))


async def test_jobs_accepted_during_a_trial_keep_the_lora_of_their_time(
    harness: DeskHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_end = asyncio.Event()

    async def slow(file: LoraFile) -> None:
        await may_end.wait()

    await give(harness, LoraSwitch(LoraWish("anime")))
    monkeypatch.setattr(folder_of(harness), "try_out", slow)
    switching = asyncio.create_task(give(harness, LoraSwitch(LoraWish("sugar"))), name="switch")
    await asyncio.sleep(0.01)
    receipt = await give(harness, Draw(prompt="a"), "ann")
    may_end.set()
    await switching
    after = await give(harness, Draw(prompt="a"), "ann")
    assert isinstance(receipt, Receipt)
    assert isinstance(after, Receipt)
    assert [lora.name for lora in receipt.recipe.loras] == ["anime"]
    assert [lora.name for lora in after.recipe.loras] == ["sugar"]


async def test_default_returns_a_chat_to_the_bot_and_the_bot_to_the_settings(harness: DeskHarness) -> None:
    await give(harness, LoraSwitch(LoraWish("anime"), Scope.BOT))
    await give(harness, LoraSwitch(LoraWish("none")))
    reset = await give(harness, LoraSwitch(LoraWish("default")))
    assert reset == LoraSwitched("anime", 1.0, Scope.CHAT, before="", is_reset=True)
    again = await give(harness, LoraSwitch(LoraWish("default"), Scope.BOT))
    assert again == LoraSwitched("", 0.0, Scope.BOT, before="anime", is_reset=True)
    assert harness.desk.queue_status().default_lora == ""


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


async def test_a_host_has_one_download_at_a_time(harness: DeskHarness) -> None:
    may_end = asyncio.Event()

    async def read() -> bytes:
        await may_end.wait()
        return lora_bytes()

    slow = asyncio.create_task(
        give(harness, LoraAdd(file=SentFile("a.safetensors", 5, read=read))), name="add"
    )
    await asyncio.sleep(0.02)
    with pytest.raises(DownloadRunning):
        await give(harness, sent("b.safetensors"))
    may_end.set()
    await slow
    assert isinstance(await give(harness, sent("b.safetensors", lora_bytes(b"2"))), LoraAdded)


async def test_a_removed_file_is_gone_with_its_sidecar(harness: DeskHarness) -> None:
    await give(harness, sent())
    (harness.folder / "loras" / "My Face v1.0.toml").write_text("")
    assert await give(harness, LoraRemove("my face v1.0")) == LoraRemoved("My Face v1.0")
    assert not names_in(harness.folder / "loras")
    with pytest.raises(UnknownLora):
        await give(harness, LoraRemove("my face v1.0"))
    with pytest.raises(LoraBuiltIn):
        await give(harness, LoraRemove("sugar"))


@pytest.mark.parametrize("name", ["face", "sugar"])
async def test_a_file_of_exactly_this_name_goes_before_one_with_a_similar_name(
    harness: DeskHarness, name: str
) -> None:
    folder = harness.folder / "loras"
    for each in ("Face", name):
        (folder / f"{each}.safetensors").write_bytes(lora_bytes())
    await give(harness, LoraReload())
    checked = await give(harness, LoraCheck("face"))
    assert isinstance(checked, LoraChecked)
    assert (checked.lora, checked.problem and checked.problem.reason) == (
        ("face", "LoraNameShared") if name == "face" else ("Face", None)
    )
    assert await give(harness, LoraRemove(name)) == LoraRemoved(name)
    assert names_in(folder) == ["Face.safetensors"]
    removed = await give(harness, LoraRemove("face"))
    assert removed == LoraRemoved("Face"), "without such a file, names are compared as everywhere"


async def test_an_added_file_that_is_refused_for_its_name_is_not_taken_for_the_other(
    harness: DeskHarness,
) -> None:
    (harness.folder / "loras" / "Face.safetensors").write_bytes(lora_bytes(b"2"))  # noticed by the add alone
    with pytest.raises(LoraRefused) as refused:
        await give(harness, sent(name="face.safetensors"))
    assert refused.value.facts["reason"] == "LoraNameShared"
    assert names_in(harness.folder / "loras") == ["Face.safetensors"]


@pytest.mark.parametrize("name", ["../sugarbot.db", "../secret", "/etc/passwd", "..", ""])
async def test_a_name_never_leads_out_of_the_folder(harness: DeskHarness, name: str) -> None:
    secret = harness.folder / "secret.safetensors"
    secret.write_bytes(b"x")
    with pytest.raises(UnknownLora):
        await give(harness, LoraRemove(name))
    assert secret.exists()


async def test_a_refused_file_is_listed_for_hosts_checked_and_removed(harness: DeskHarness) -> None:
    (harness.folder / "loras" / "Bad One.safetensors").write_bytes(b"pickle")
    reloaded = await give(harness, LoraReload())
    assert isinstance(reloaded, ShelfReloaded)
    assert (reloaded.usable, reloaded.refused, reloaded.new, reloaded.gone) == (2, ("Bad One",), (), ())
    listing = await give(harness, LoraList())
    assert isinstance(listing, LoraListing)
    assert [(lora.name, lora.state) for lora in listing.loras][-1] == ("Bad One", LoraState.REFUSED)
    theirs = await give(harness, LoraList(), "ann")
    assert isinstance(theirs, LoraListing)
    assert [lora.name for lora in theirs.loras] == ["anime", "sugar"]
    checked = await give(harness, LoraCheck("bad one"))
    assert isinstance(checked, LoraChecked)
    assert checked.problem is not None
    assert checked.problem.reason == "LoraDamaged"
    assert await give(harness, LoraRemove("Bad One")) == LoraRemoved("Bad One")
    assert not names_in(harness.folder / "loras")


async def test_a_check_draws_again_and_changes_nothing(harness: DeskHarness) -> None:
    checked = await give(harness, LoraCheck("Sugar face"))
    assert isinstance(checked, LoraChecked)
    assert (checked.lora, checked.problem) == ("sugar", None)
    assert folder_of(harness).tried == ["sugar"]
    with pytest.raises(UnknownLora):
        await give(harness, LoraCheck("nobody"))


@pytest.mark.parametrize(
    "command",
    [
        LoraSwitch(LoraWish("sugar")),
        sent(),
        LoraRemove("sugar"),
        LoraCheck("sugar"),
        LoraReload(),
        LoraOffer("a"),
    ],
    ids=lambda command: type(command).__name__,
)
async def test_only_hosts_touch_the_shelf(harness: DeskHarness, command: object) -> None:
    refusal = LoraFileSent if isinstance(command, LoraOffer) else HostsOnly
    with pytest.raises(refusal):
        await give(harness, command, "ann")
    assert not await harness.store.shelf_changes.newest(1)
    assert not folder_of(harness).tried


async def test_an_event_is_carried_out_once(harness: DeskHarness) -> None:
    await harness.desk.store_events(Platform.CONSOLE, [("e1", "{}")])
    first = await give(harness, sent(), event="e1")
    await give(harness, LoraRemove("My Face v1.0"))
    assert await give(harness, sent(), event="e1") == first
    assert not names_in(harness.folder / "loras"), "the file is not added again"


async def test_a_refusal_is_answered_once_too(harness: DeskHarness) -> None:
    await harness.desk.store_events(Platform.CONSOLE, [("e2", "{}")])
    for _ in range(2):
        with pytest.raises(LoraRefused) as refused:
            await give(harness, sent(content=b"bad"), event="e2")
        assert refused.value.facts["reason"] == "LoraDamaged"
    assert len(await harness.store.shelf_changes.newest(9)) == 1


async def test_an_offer_names_the_file(harness: DeskHarness) -> None:
    assert await give(harness, LoraOffer("a.safetensors")) == LoraFileOffered("a.safetensors")


async def test_everybody_sees_what_a_lora_does_and_a_host_its_file(harness: DeskHarness) -> None:
    for user, is_host in ((HOST, True), ("ann", False)):
        details = await give(harness, LoraInfo("Sugar face"), user)
        assert isinstance(details, LoraDetails)
        assert details.lora.name == "sugar"
        assert (details.facts is not None) is is_host
        assert details.strip.startswith(b"\x89PNG")
    assert len(harness.renderer.requests) == 3, "the second answer is from the disk"
    with pytest.raises(UnknownLora):
        await give(harness, LoraInfo("nobody"))


async def test_the_buttons_of_a_lora_draw_an_example_and_switch_the_chat(tmp_path: Path) -> None:
    example, default = (press_of(f"v2:{action}:{'a' * 40}") for action in ("example", "default"))
    async with open_harness(tmp_path) as harness:
        drawn = await harness.desk.handle(example, a_context("1"))
        assert isinstance(drawn, Receipt)
        assert [lora.name for lora in drawn.recipe.loras] == ["sugar"]
        assert drawn.recipe.triggers == ("sugar face",)
        with pytest.raises(HostsOnly):
            await harness.desk.handle(default, a_context("2"))
        switched = await harness.desk.handle(default, a_context("3", HOST))
        assert isinstance(switched, LoraSwitched)
        assert (switched.lora, switched.scope) == ("sugar", Scope.CHAT)
    async with open_harness(tmp_path, shelf=Shelf({})) as harness:
        for user_id, command in (("ann", example), (HOST, default)):
            with pytest.raises(UnknownLora):
                await harness.desk.handle(command, a_context(f"4 {user_id}", user_id))


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


@pytest.mark.parametrize(
    ("command", "user_id", "refusal"),
    [
        (LoraSwitch(LoraWish("nothing")), HOST, UnknownLora),
        (LoraRemove("nothing"), HOST, UnknownLora),
        (LoraCheck("nothing"), HOST, UnknownLora),
        (LoraAdd(link="ftp://x/y"), HOST, LinkNotUnderstood),
        (LoraReload(), "ann", HostsOnly),
    ],
)
async def test_a_refusal_is_counted_once(
    tmp_path: Path, command: ManagementCommand, user_id: str, refusal: type[PersonError]
) -> None:
    def counted() -> float:
        rule = {"rule": refusal.__name__}
        return REGISTRY.get_sample_value("sugarbot_refusals_total", rule) or 0.0

    before = counted()
    async with open_harness(tmp_path) as harness:
        event = "a-stored-event"
        await harness.store.inbox.add(Platform.CONSOLE, [(event, "{}")], harness.clock())
        for _ in range(2):  # the second time it gets the stored answer
            with pytest.raises(refusal):
                await harness.desk.handle(command, a_context(event, user_id))
    repeats = 2 if refusal is HostsOnly else 1  # who may not ask at all gets no stored answer
    assert counted() == before + repeats
