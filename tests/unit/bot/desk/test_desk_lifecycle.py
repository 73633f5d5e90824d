"""Starting, stopping and moving a desk that is at work."""

import asyncio
from pathlib import Path
from random import SystemRandom

import pytest
import structlog

from bot.commands.values import Draw, LoraList, Quota
from bot.desk import files
from bot.desk.build import DeskInputs, build_desk
from bot.errors import CannotSave
from bot.outcomes import LoraListing as LoraShelf
from bot.outcomes import PictureFile, Platform, Receipt
from bot.policy.rules import Entitlement, Rules, Tier
from engine.backoff import Backoff
from engine.planner.costs.book import CostBook
from tests.fakes.chat import FakeChat
from tests.fakes.desk_harness import MODEL, SHELF, DeskHarness, a_context, open_harness, until
from tests.fakes.lora_folder import shelf_inputs
from tests.fakes.renderer import Act, FakeRenderer


async def test_equal_randomness_makes_equal_seeds(tmp_path: Path) -> None:
    made = []
    for seed, name in ((1, "a"), (1, "b"), (2, "c")):
        async with open_harness(tmp_path / name, seed=seed) as harness:
            receipt = await harness.accept("1")
            made.append((receipt.job_id, receipt.recipe.seed))
    assert made[0] == made[1] != made[2]


async def test_the_optional_inputs_of_a_desk_have_defaults(harness: DeskHarness) -> None:
    desk = build_desk(
        DeskInputs(
            store=harness.store,
            renderer=harness.renderer,
            shelf=SHELF,
            model=MODEL,
            probe=harness.probe,  # type: ignore[arg-type]
            costs=CostBook("a test"),
            rules=Rules(),
            pictures_dir=harness.folder / "pictures",
            clock=harness.clock,
            **shelf_inputs(harness.folder),
        )
    )
    receipt = await desk.handle(Draw(prompt="a"), a_context("1"))
    assert isinstance(receipt, Receipt)
    assert not receipt.is_loading
    assert isinstance(desk.parts.acceptance._random, SystemRandom)
    assert desk.parts.space._reserve_bytes() == 0
    shelf = await desk.handle(LoraList(), a_context("2"))
    assert isinstance(shelf, LoraShelf)
    assert shelf.default == ""


async def test_a_chat_that_moves_while_the_desk_runs_gets_its_results_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.desk.results.BACK_OFF", Backoff((60.0,)))
    telegram = FakeChat(Platform.TELEGRAM)
    telegram.errors.append(ConnectionError("the group is gone"))
    rules = Rules(allow=frozenset({"telegram:*"}))
    async with open_harness(tmp_path, chat=telegram, rules=rules) as harness, harness.running():
        receipt = await harness.accept("1", platform=Platform.TELEGRAM)
        async with asyncio.timeout(30):
            while not await harness.store._run("SELECT 1 FROM outbox WHERE state = 'maybe'"):  # noqa: ASYNC110
                await asyncio.sleep(0.002)
        await asyncio.sleep(0.02)  # its back-off runs
        await harness.desk.migrate_chat(Platform.TELEGRAM, "here", "there")
        [result] = await telegram.wait_for_results(1)
    assert (result.job_id, result.address.chat_id) == (receipt.job_id, "there")


async def test_a_drain_while_the_start_waits_for_the_disk_ends_the_start(
    harness: DeskHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "SAVE_AGAIN_S", 0.01)
    tried: list[int] = []

    async def fail() -> None:
        tried.append(1)
        raise CannotSave(detail="disk full")

    monkeypatch.setattr(harness.store.outbox, "recover", fail)
    run = asyncio.create_task(harness.desk.run({harness.chat.platform: harness.chat}))
    await until(lambda: len(tried) > 1)
    await harness.desk.drain(1)
    async with asyncio.timeout(30):
        with pytest.raises(CannotSave):
            await run


@pytest.mark.parametrize("acts", [[], [Act.HANG], [Act.DRAW]])
async def test_a_drain_with_enough_time_cancels_nothing(tmp_path: Path, acts: list[Act]) -> None:
    with structlog.testing.capture_logs() as logs:
        async with open_harness(tmp_path, renderer=FakeRenderer(acts, step_s=0.001)) as harness:
            run = asyncio.create_task(harness.desk.run({harness.chat.platform: harness.chat}))
            await until(lambda: bool(harness.desk._loops))
            if acts:
                await harness.accept("1")
                await until(lambda: bool(harness.renderer.requests))
            if Act.DRAW in acts:
                await harness.chat.wait_for_results(1)
            await asyncio.sleep(0.02)  # an idle loop waits for an event
            await harness.desk.drain(60)
            await run
    assert [log["cut_off"] for log in logs if log["event"] == "desk stopped"] == [[]]


async def test_nothing_runs_after_a_drain_cancelled_late_work(tmp_path: Path) -> None:
    with structlog.testing.capture_logs() as logs:
        async with open_harness(tmp_path, renderer=FakeRenderer([Act.HANG], step_s=60)) as harness:
            run = asyncio.create_task(harness.desk.run({harness.chat.platform: harness.chat}))
            await harness.accept("1")
            await until(lambda: bool(harness.renderer.running))
            await harness.desk.drain(0.01)
            assert [loop.done() for loop in harness.desk._loops] == [True] * 4
            await asyncio.gather(run, return_exceptions=True)
    [cut_off] = [log["cut_off"] for log in logs if log["event"] == "desk stopped"]
    assert set(cut_off) == {
        *("desk draws", "desk delivers", "desk publishes"),
        "desk deletes pictures",
    }


async def test_a_platform_s_name_for_a_picture_that_cannot_be_kept_is_no_failure(
    harness: DeskHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise CannotSave(detail="disk full")

    monkeypatch.setattr(harness.store.jobs, "save_file_id", fail)
    picture = PictureFile(0, 1, Path("a.png"))
    await harness.desk.keep_file_id(Platform.TELEGRAM, "j", picture, "photo", "id")


async def test_a_run_knows_the_tiers_people_before_anybody_asks(tmp_path: Path) -> None:
    tier = Tier(frozenset({"console:ann"}), Entitlement(weight=3, daily_credits=50))
    async with open_harness(tmp_path, rules=Rules(tiers=(tier,))) as harness:
        await harness.desk.handle(Quota(), a_context("1"))
        person = await harness.store.people.find(Platform.CONSOLE, "ann")
    assert person is not None
    async with open_harness(tmp_path, rules=Rules(tiers=(tier,))) as harness, harness.running():
        await until(lambda: bool(harness.desk._loops))
        assert harness.desk.parts.tiers.weights.get(person, 1) == 3
