"""Switching the default LoRA: tried out first, recorded, and a LoRA that fails leaves the old one."""

import asyncio
from pathlib import Path

import pytest

from bot.commands.buttons import press_of
from bot.commands.values import Draw, LoraList, LoraSwitch, LoraWish, Scope, ShowCard
from bot.desk.shelf import lora_folder
from bot.errors import HostsOnly, LoraRefused, PersonError, TrialNotDrawn, UnknownLora
from bot.outcomes import LoraListing, LoraSwitched, Receipt
from bot.store.loras import ShelfAction
from engine.errors import LoraWithoutEffect, WorkerNotReady
from engine.host.report import CardReport
from engine.shelf import LoraFile, Shelf
from tests.fakes.desk_harness import HOST, DeskHarness, a_context, open_harness
from tests.unit.bot.desk.shelf.managing import folder_of, give, newest


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
