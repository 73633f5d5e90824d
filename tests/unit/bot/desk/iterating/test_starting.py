"""Jobs that begin with an earlier picture: what they draw and cost, and what happens without the picture."""

from pathlib import Path

import pytest

from bot.commands.values import Command, Delete, Draw, Enlarge, PixelSize, Repeat, Reroll, Vary
from bot.errors import AlreadyLarge, NoSuchPicture, NotYours, PersonError, PicturesGone, StartGone
from bot.outcomes import Derivation, JobState, Lineage, Receipt, Start
from bot.policy.rules import Rules, price
from engine.request import LARGER, VARY_STRONG, VARY_SUBTLE, FailReason, StartPicture
from tests.fakes.desk_harness import DeskHarness, a_context, open_harness
from tests.fakes.renderer import tiny_png

RULES = Rules(daily_credits=99, max_waiting=9)


async def drawn(folder: Path, **wanted: object) -> Receipt:
    """A job whose pictures a process has drawn that has ended."""
    async with open_harness(folder, rules=RULES) as harness:
        receipt = await harness.accept("drawn", **wanted)
        async with harness.running():
            await harness.chat.wait_for_results(1)
    return receipt


async def ask(harness: DeskHarness, event: str, command: Command) -> Receipt:
    receipt = await harness.desk.handle(command, a_context(event))
    assert isinstance(receipt, Receipt)
    return receipt


async def refused(harness: DeskHarness, command: Command) -> PersonError:
    before = await harness.store.people.account(1)
    with pytest.raises(PersonError) as caught:
        await harness.desk.handle(command, a_context(f"refused {command}"))
    assert await harness.store.people.account(1) == before
    return caught.value


async def test_each_kind_draws_from_the_picture_that_was_chosen(tmp_path: Path) -> None:
    first = await drawn(tmp_path, count=2, seed=7, size=PixelSize(128, 192))
    async with open_harness(tmp_path, rules=RULES) as harness:
        subtle = await ask(harness, "2", Vary(first.job_id, 1))
        strong = await ask(harness, "3", Vary(first.job_id, 1, strong=True))
        larger = await ask(harness, "4", Enlarge(first.job_id, 1))
        for receipt, strength in ((subtle, VARY_SUBTLE), (strong, VARY_STRONG), (larger, LARGER)):
            recipe, lineage = receipt.recipe, receipt.lineage
            assert recipe.start == Start(first.job_id, 1, strength)
            assert (recipe.count, recipe.prompt) == (1, first.recipe.prompt)
            assert lineage is not None
            assert (lineage.job_id, lineage.index) == (first.job_id, 1)
            assert receipt.price == price(recipe)
        assert (subtle.recipe.width_px, subtle.recipe.height_px) == (128, 192)
        assert subtle.recipe.seed not in (7, 8, strong.recipe.seed)
        assert (larger.recipe.width_px, larger.recipe.height_px, larger.recipe.seed) == (256, 384, 8)
        async with harness.running():
            await harness.chat.wait_for_results(3)
    # A press in another process than the one that drew the picture, and drawn in that process.
    starts = [request.start for request in harness.renderer.requests]
    assert starts == [StartPicture(tiny_png(8), each) for each in (VARY_SUBTLE, VARY_STRONG, LARGER)]


async def test_a_varied_job_drawn_again_begins_with_the_same_picture(tmp_path: Path) -> None:
    first = await drawn(tmp_path, seed=7)
    async with open_harness(tmp_path, rules=RULES) as harness:
        varied = await ask(harness, "2", Vary(first.job_id, 0))
        again = await ask(harness, "3", Reroll(varied.job_id))
        same = await ask(harness, "4", Repeat(varied.job_id))
    assert again.recipe.start == same.recipe.start == varied.recipe.start
    assert same.recipe.seed == varied.recipe.seed != again.recipe.seed
    assert again.lineage == Lineage(Derivation.AGAIN, varied.job_id)
    assert same.lineage == Lineage(Derivation.SAME_SEED, varied.job_id)


async def test_nobody_else_gets_new_pictures_from_one_that_they_may_not_see(tmp_path: Path) -> None:
    secret = await drawn(tmp_path, seed=7, private=True)
    async with open_harness(tmp_path, rules=RULES) as harness:
        varied = await ask(harness, "2", Vary(secret.job_id, 0, strong=True))
        # As after Publish: everybody here sees the variation, and nobody the picture that it began with.
        await harness.store.ended.publish(varied.job_id, "console", "here", "")
        with pytest.raises(NotYours):
            await harness.desk.handle(Reroll(varied.job_id), a_context("3", "ben"))
        same = await harness.desk.handle(Repeat(varied.job_id), a_context("4", "ben"))
        assert isinstance(same, Receipt)
        assert same.recipe.seed == varied.recipe.seed, "it shows nothing new"
        assert (await ask(harness, "5", Reroll(varied.job_id))).recipe.start == varied.recipe.start


async def test_a_changed_text_says_from_which_job_it_comes(harness: DeskHarness) -> None:
    first = await harness.accept("1")
    edited = await ask(harness, "2", Draw("b", edited_from=first.job_id))
    assert edited.lineage == Lineage(Derivation.EDITED, first.job_id)
    for event, unknown in (("3", "nothing"), ("4", "")):
        assert (await ask(harness, event, Draw("b", edited_from=unknown))).lineage is None
    elsewhere = a_context("5", "ben", chat_id="elsewhere")
    other = await harness.desk.handle(Draw("b", edited_from=first.job_id), elsewhere)
    assert isinstance(other, Receipt)
    assert other.lineage is None, "the job of another person in another chat is not named"


async def test_what_cannot_begin_is_refused_and_costs_nothing(tmp_path: Path) -> None:
    first = await drawn(tmp_path)
    async with open_harness(tmp_path, rules=RULES) as harness:
        waiting = await harness.accept("0")
        assert isinstance(await refused(harness, Vary(waiting.job_id, 0)), PicturesGone)
        error = await refused(harness, Enlarge(first.job_id, 3))
        assert isinstance(error, NoSuchPicture)
        assert error.facts == {"job_id": first.job_id, "number": 4, "count": 1}
        varied = await ask(harness, "v", Vary(first.job_id, 0))
        for file in harness.picture_files:
            file.unlink()
        for command in (Vary(first.job_id, 0), Enlarge(first.job_id, 0), Reroll(varied.job_id)):
            error = await refused(harness, command)
            assert isinstance(error, StartGone)
            assert error.facts == {"job_id": first.job_id, "number": 1}


async def test_the_largest_picture_is_not_drawn_larger(tmp_path: Path) -> None:
    first = await drawn(tmp_path, size=PixelSize(2048, 1024))
    async with open_harness(tmp_path, rules=RULES) as harness:
        larger = await ask(harness, "2", Enlarge(first.job_id, 0))
        error = await refused(harness, Enlarge(larger.job_id, 0))
    assert isinstance(error, AlreadyLarge)
    assert error.facts["width_px"] == larger.recipe.width_px > 2048


async def test_a_start_that_is_deleted_while_its_job_waits_ends_the_job_with_a_refund(tmp_path: Path) -> None:
    first = await drawn(tmp_path)
    async with open_harness(tmp_path, rules=RULES) as harness:
        varied = await ask(harness, "2", Vary(first.job_id, 0))
        await harness.desk.handle(Delete(first.job_id), a_context("3"))
        await harness.desk.parts.deletion.delete_files()
        async with harness.running():
            [result] = await harness.chat.wait_for_results(1)
    assert (result.job_id, result.state, result.pictures) == (varied.job_id, JobState.FAILED, ())
    assert (result.fail, result.refund) == (FailReason.START_MISSING, varied.price)


async def test_a_derived_job_begins_with_the_same_picture_after_a_restart(tmp_path: Path) -> None:
    first = await drawn(tmp_path, seed=5)
    async with open_harness(tmp_path, rules=RULES) as harness:
        varied = await ask(harness, "2", Vary(first.job_id, 0))
    async with open_harness(tmp_path, rules=RULES) as harness, harness.running():
        [result] = await harness.chat.wait_for_results(1)
    assert (result.job_id, result.state) == (varied.job_id, JobState.DONE)
    assert harness.renderer.requests[0].start == StartPicture(tiny_png(5), VARY_SUBTLE)
    assert result.lineage == Lineage(Derivation.VARIED, first.job_id, 0)
