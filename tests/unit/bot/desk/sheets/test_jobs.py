"""A sheet is one job: one charge, one picture for people, and each of its cells can be adopted."""

import io
import json
import sqlite3
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from bot.commands.values import (
    Adopt,
    Cancel,
    Command,
    Compare,
    Draft,
    Draw,
    Edit,
    Enlarge,
    LoraWish,
    Mine,
    Original,
    Pick,
    Repeat,
    Reroll,
    ShowRecipe,
    Vary,
)
from bot.desk.files import file_name
from bot.desk.queue import ProgressPublisher
from bot.errors import AlreadyAsked, ChooseFromSheet, NoSheet, NoSuchPicture, NotYours, StartGone
from bot.outcomes import (
    Axis,
    Derivation,
    DryRun,
    History,
    JobResult,
    JobState,
    Lineage,
    Originals,
    Platform,
    Receipt,
    Start,
    controls_of,
)
from bot.pictures.sheet import size_of_sheet
from engine.request import FINAL, MAX_SEED, FailReason, LoraChoice
from tests.fakes.desk_harness import DeskHarness, a_context, open_harness, until
from tests.fakes.renderer import Act, FakeRenderer

SUGAR, ANIME, NONE = LoraWish("sugar"), LoraWish("anime"), LoraWish("none")
NINE = Compare(("a girl",), (SUGAR, ANIME, NONE), (0.4, 0.8, 1.2), (7,))  # seven different pictures


async def accepted(
    harness: DeskHarness, command: Compare | Draft | Adopt | Reroll | Repeat, event_id: str
) -> Receipt:
    receipt = await harness.desk.handle(command, a_context(event_id))
    assert isinstance(receipt, Receipt)
    return receipt


async def drawn(harness: DeskHarness, command: Compare | Draft, event_id: str = "1") -> JobResult:
    await accepted(harness, command, event_id)
    async with harness.running():
        return (await harness.chat.wait_for_results(1))[-1]


async def test_a_sheet_is_drawn_by_one_request_and_shown_as_one_picture(harness: DeskHarness) -> None:
    result = await drawn(harness, NINE)
    [request] = harness.renderer.requests
    assert (request.count, request.width_px, request.height_px) == (7, 64, 64)
    assert [(cell.seed, [lora.weight for lora in cell.loras]) for cell in request.cells[:3]] == [
        (7, [0.4]), (7, [0.8]), (7, [1.2]),
    ]  # fmt: skip
    assert (result.state, result.refund, result.price, result.cells) == (JobState.DONE, 0, 2, tuple(range(7)))
    [sheet] = result.pictures
    assert (sheet.index, sheet.seed) == (7, 7)
    with Image.open(io.BytesIO(sheet.path.read_bytes())) as picture:
        assert picture.size == size_of_sheet(result.recipe)
    rows = await harness.store.jobs.pictures_of([result.job_id])
    assert [row.idx for row in rows] == list(range(8))
    assert all((harness.folder / "pictures" / file_name(row)).is_file() for row in rows)
    history = await harness.desk.handle(Mine(), a_context("2"))
    assert isinstance(history, History)
    assert [file.index for file in history.entries[0].pictures] == [7]
    originals = await harness.desk.handle(Original(result.job_id), a_context("3"))
    assert isinstance(originals, Originals)
    assert [file.index for file in originals.pictures] == [7]
    with pytest.raises(ChooseFromSheet):
        await harness.desk.handle(Pick(result.job_id, 0), a_context("4"))


class ShownRenderer(FakeRenderer):
    """Takes a step when the one before it is shown."""

    progress: ProgressPublisher

    async def _take_step(self) -> None:
        await until(lambda: not self.progress._unpublished and not self.progress._showing)


async def test_progress_counts_the_pictures_of_a_sheet(tmp_path: Path) -> None:
    renderer = ShownRenderer()
    async with open_harness(tmp_path, renderer=renderer) as harness:
        renderer.progress = harness.desk.parts.progress
        renderer.progress._every_s = 0.0
        await drawn(harness, Compare(("a",), seeds=(1, 2, 3)))
    assert {status.count for status in harness.chat.shown} == {3}
    assert {status.index for status in harness.chat.shown} == {0, 1, 2}


async def test_a_cancel_keeps_the_finished_pictures_and_refunds_the_others(harness: DeskHarness) -> None:
    harness.renderer.hangs_after = 5
    receipt = await accepted(harness, Compare(("a",), seeds=tuple(range(12))), "1")
    assert (receipt.price, receipt.credits_left) == (3, 37)
    async with harness.running():
        await until(lambda: harness.renderer.drawn == 5)
        await harness.desk.handle(Cancel(receipt.job_id), a_context("2"))
        [result] = await harness.chat.wait_for_results(1)
    assert result.state is JobState.CANCELLED
    assert result.cells == tuple(range(5))
    assert (result.refund, result.credits_left) == (3 * 7 // 12, 37 + 3 * 7 // 12)
    assert len(result.pictures) == 1
    offered = [each.command for each in controls_of(result) if isinstance(each.command, Adopt)]
    assert offered == [Adopt(result.job_id, number) for number in result.cells]


async def test_a_failed_sheet_without_pictures_is_refunded_in_full_and_has_no_picture(tmp_path: Path) -> None:
    renderer = FakeRenderer([Act.FAIL], fail_reason=FailReason.OUT_OF_MEMORY)
    async with open_harness(tmp_path, renderer=renderer) as harness:
        result = await drawn(harness, NINE)
    assert (result.state, result.refund, result.pictures, result.cells) == (JobState.FAILED, 2, (), ())


async def test_a_lost_attempt_draws_the_whole_sheet_again(tmp_path: Path) -> None:
    async with open_harness(tmp_path, renderer=FakeRenderer([Act.LOSE])) as harness:
        result = await drawn(harness, NINE)
        assert [request.attempt for request in harness.renderer.requests] == [1, 2]
        assert harness.renderer.requests[0].cells == harness.renderer.requests[1].cells
    assert (result.state, len(result.cells), result.refund) == (JobState.DONE, 7, 0)


async def test_every_lora_is_counted_with_its_own_pictures(harness: DeskHarness) -> None:
    await drawn(harness, Compare(("a",), (SUGAR, ANIME, NONE), (0.4, 0.8)))
    uses = await harness.store.consents.uses_between(["sugar", "anime"], 0, 2**53)
    assert {use.lora: use.pictures for use in uses} == {"sugar": 2, "anime": 2}


async def test_a_sheet_survives_a_restart_and_its_cells_are_adopted_after_a_cold_start(
    tmp_path: Path,
) -> None:
    async with open_harness(tmp_path) as harness:
        first = await accepted(harness, NINE, "1")
        stored = (await harness.job(first.job_id)).recipe
        assert stored == first.recipe
    async with open_harness(tmp_path) as harness:
        async with harness.running():
            [result] = await harness.chat.wait_for_results(1)
        assert result.recipe == first.recipe
    async with open_harness(tmp_path) as harness:
        adopted = await accepted(harness, Adopt(first.job_id, 1), "2")
        assert adopted.price == 1
        recipe = adopted.recipe
        assert (recipe.width_px, recipe.height_px, recipe.seed, recipe.count) == (128, 128, 7, 1)
        assert recipe.loras == (LoraChoice("sugar", "a" * 64, 0.8),)
        assert (recipe.typed, recipe.sheet) == ("a girl", None)
        drawn_alone = await harness.accept("3", prompt="a girl", loras=(LoraWish("sugar", 0.8),), seed=7)
        assert drawn_alone.recipe == recipe


async def test_people_adopt_from_their_own_sheets_and_from_those_that_are_open_here(
    harness: DeskHarness,
) -> None:
    with pytest.raises(NoSheet):
        await harness.desk.handle(Adopt("", 0), a_context("0"))
    sheet = await accepted(harness, NINE, "1")
    plain = await harness.accept("2")
    newest = await harness.desk.handle(Adopt("", 2), a_context("3"))
    assert isinstance(newest, Receipt)
    assert newest.recipe.loras[0].weight == 1.2
    with pytest.raises(NoSheet):
        await harness.desk.handle(Adopt(plain.job_id, 0), a_context("4"))
    with pytest.raises(NoSuchPicture) as caught:
        await harness.desk.handle(Adopt(sheet.job_id, 7), a_context("5"))
    assert caught.value.facts == {"job_id": sheet.job_id, "number": 8, "count": 7}
    beside = await harness.desk.handle(Adopt(sheet.job_id, 0), a_context("6", "bob"))
    assert isinstance(beside, Receipt)
    with pytest.raises(NotYours):
        await harness.desk.handle(Adopt(sheet.job_id, 0), a_context("7", "bob", chat_id="elsewhere"))


@pytest.mark.parametrize("is_private", [False, True])
async def test_what_is_adopted_from_a_private_sheet_is_private(
    harness: DeskHarness, is_private: bool
) -> None:
    sheet = await accepted(harness, Compare(("a",), seeds=(1, 2), private=is_private), "1")
    adopted = await accepted(harness, Adopt(sheet.job_id, 1), "2")
    assert (await harness.job(adopted.job_id)).private is is_private
    if is_private:
        with pytest.raises(NotYours):
            await harness.desk.handle(Adopt(sheet.job_id, 0), a_context("3", "bob"))


async def test_a_sheet_that_is_drawn_again_keeps_what_it_compares_and_moves_its_seeds(
    harness: DeskHarness,
) -> None:
    first = await accepted(harness, Compare(("a",), (SUGAR, ANIME), seeds=(5, 7, MAX_SEED)), "1")
    again = await accepted(harness, Repeat(first.job_id), "2")
    assert again.recipe == first.recipe
    other = await accepted(harness, Reroll(first.job_id), "3")
    old, new = first.recipe.sheet, other.recipe.sheet
    assert old is not None
    assert new is not None
    assert (other.price, other.recipe.count) == (first.price, first.recipe.count)
    assert [cell.loras for cell in new.cells] == [cell.loras for cell in old.cells]
    shift = other.recipe.seed - first.recipe.seed
    assert shift
    moved = [(seed + shift) % (MAX_SEED + 1) for seed in (5, 7, MAX_SEED)]
    assert sorted({cell.seed for cell in new.cells}) == sorted(moved)
    assert new.rows is not None
    assert new.rows.labels == tuple(map(str, moved))


@pytest.mark.parametrize(
    "command",
    [
        lambda job: Vary(job, 0),
        lambda job: Enlarge(job, 0),
        lambda job: Pick(job, 0),
        Edit,
        lambda job: ShowRecipe(job_id=job),
    ],
)
async def test_the_small_pictures_of_a_sheet_are_only_adopted(
    harness: DeskHarness, command: Callable[[str], Command]
) -> None:
    sheet = await accepted(harness, NINE, "1")
    with pytest.raises(ChooseFromSheet):
        await harness.desk.handle(command(sheet.job_id), a_context("2"))


async def test_a_final_begins_with_its_draft_and_an_adopted_cell_with_noise(harness: DeskHarness) -> None:
    await accepted(harness, Draft(Draw("a girl", seed=7)), "1")
    async with harness.running():
        [result] = await harness.chat.wait_for_results(1)
        final = await accepted(harness, Adopt(result.job_id, 2), "2")
        compared = await accepted(harness, Compare(("a",), seeds=(1, 2)), "3")
        adopted = await accepted(harness, Adopt(compared.job_id, 1), "4")
        await harness.chat.wait_for_results(4)
    assert (len(result.cells), result.price) == (4, 1)
    assert final.recipe.start == Start(result.job_id, 2, FINAL)
    assert (final.recipe.width_px, final.recipe.height_px, final.recipe.seed) == (128, 128, 9)
    assert final.lineage == Lineage(Derivation.FINAL, result.job_id, 2)
    start = next(each.start for each in harness.renderer.requests if each.job_id == final.job_id)
    assert start is not None
    assert start.png == (await harness.picture_file(result.job_id, 2)).read_bytes()
    assert adopted.recipe.start is None
    assert adopted.lineage == Lineage(Derivation.ADOPTED, compared.job_id, 1)


async def test_a_draft_that_was_not_drawn_cannot_become_a_final(harness: DeskHarness) -> None:
    waiting = await accepted(harness, Draft(Draw("a girl")), "1")
    with pytest.raises(StartGone):
        await harness.desk.handle(Adopt(waiting.job_id, 0), a_context("2"))


async def test_a_dry_run_says_what_a_sheet_would_cost_and_draws_nothing(harness: DeskHarness) -> None:
    for command in (replace(NINE, dry=True), Draft(Draw("a", dry=True))):
        dry = await harness.desk.handle(command, a_context("1"))
        assert isinstance(dry, DryRun)
        assert dry.recipe.sheet is not None
        assert dry.price == (2 if isinstance(command, Compare) else 1)
    assert not harness.desk.parts.queue.jobs


async def test_the_same_sheet_twice_within_a_minute_is_drawn_once(harness: DeskHarness) -> None:
    command = replace(NINE, seeds=())
    await harness.desk.handle(command, a_context("1", platform=Platform.WEB))
    with pytest.raises(AlreadyAsked):
        await harness.desk.handle(command, a_context("2", platform=Platform.WEB))
    other = replace(command, weights=(0.4, 0.8))
    await harness.desk.handle(other, a_context("3", platform=Platform.WEB))


async def test_the_cost_of_a_sheet_is_that_of_its_largest_stack(harness: DeskHarness) -> None:
    queue = harness.desk.parts.queue
    sheet = await accepted(harness, NINE, "1")
    plain = await harness.accept("2", loras=(SUGAR,), size=None)
    costs = [queue._cost_of(receipt.recipe) for receipt in (sheet, plain)]
    one_lora = queue._costs.predict(64, 64, 7, 1, sheet.recipe.steps)
    assert costs[0] == one_lora
    assert costs[0].seconds < 7 * costs[1].seconds


async def test_equal_pictures_are_charged_once(harness: DeskHarness) -> None:
    receipt = await accepted(harness, Compare(("a",), (SUGAR, NONE), (0.4, 0.8, 1.2, 1.6)), "1")
    assert (receipt.recipe.count, receipt.price) == (5, 2)
    assert receipt.recipe.sheet is not None
    assert sorted(Counter(receipt.recipe.sheet.places).values()) == [1, 1, 1, 1, 4]


async def test_the_database_says_what_a_sheet_is(harness: DeskHarness) -> None:
    receipt = await accepted(harness, NINE, "1")
    with sqlite3.connect(harness.folder / "sugarbot.db") as database:
        [(stored,)] = database.execute("SELECT sheet FROM job WHERE id = ?", (receipt.job_id,))
    database.close()
    assert json.loads(stored)["rows"]["axis"] == Axis.LORA
    plain = await harness.accept("2")
    assert (await harness.job(plain.job_id)).recipe.sheet is None
