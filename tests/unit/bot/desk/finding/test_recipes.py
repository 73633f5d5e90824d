"""Recipe codes: the same pixels for whoever has the code, under the rules of whoever draws."""

from dataclasses import replace
from pathlib import Path

import pytest

from bot.commands.grammar import parse
from bot.commands.values import Draw, DrawRecipe, EditSettings, LoraRevoke, LoraWish, ShowRecipe
from bot.errors import NoCreditsLeft, NoPrivateChat, NotInPublic, NotYours, RecipeLoraGone, UnknownRecipe
from bot.outcomes import Address, DryRun, Platform, Receipt, RecipeShown
from bot.policy.rules import Rules
from engine.shelf import Shelf
from tests.fakes.desk_harness import HOST, SHELF, SUGAR, DeskHarness, a_context, in_group, open_harness

ASKED = Draw(
    prompt="a {red|blue} fox", loras=(LoraWish("sugar", 0.7), LoraWish("anime", 0.3)), seed=7, count=2
)


async def accept(harness: DeskHarness, command: Draw | DrawRecipe, event: str, user: str = "ann") -> Receipt:
    receipt = await harness.desk.handle(command, a_context(event, user))
    assert isinstance(receipt, Receipt)
    return receipt


async def test_a_code_draws_the_same_pixels_on_the_other_platform(harness: DeskHarness) -> None:
    first = await accept(harness, ASKED, "1")
    there = a_context("2", "ben", platform=Platform.WEB)
    second = await harness.desk.handle(DrawRecipe(first.recipe.code), there)
    assert isinstance(second, Receipt)
    assert second.job_id != first.job_id
    assert second.recipe == first.recipe
    assert second.recipe.code not in ("", first.recipe.code)
    assert (first.price, second.price) == (2, 0)  # the page is the owner's


async def test_a_code_outlives_a_restart_and_finds_a_renamed_file(tmp_path: Path) -> None:
    async with open_harness(tmp_path) as harness:
        first = await accept(harness, ASKED, "1")
    renamed = Shelf(files={"honey": replace(SUGAR, name="honey"), "anime": SHELF.files["anime"]})
    async with open_harness(tmp_path, shelf=renamed) as harness:
        second = await accept(harness, DrawRecipe(first.recipe.code), "2")
    assert [lora.name for lora in second.recipe.loras] == ["honey", "anime"]
    assert [lora.sha256 for lora in second.recipe.loras] == [lora.sha256 for lora in first.recipe.loras]
    assert second.recipe.prompt == first.recipe.prompt


async def test_a_file_that_is_gone_or_was_replaced_is_named(tmp_path: Path) -> None:
    async with open_harness(tmp_path) as harness:
        code = (await accept(harness, ASKED, "1")).recipe.code
    for files in ({}, {"sugar": replace(SUGAR, sha256="c" * 64)}):
        async with open_harness(
            tmp_path, shelf=Shelf(files={**files, "anime": SHELF.files["anime"]})
        ) as harness:
            with pytest.raises(RecipeLoraGone) as caught:
                await accept(harness, DrawRecipe(code), "2")
            assert caught.value.facts == {"names": ("sugar",), "code": code}
            shown = await harness.desk.handle(ShowRecipe(code), a_context("3", "ben"))
            assert isinstance(shown, RecipeShown)
            assert shown.gone == ("sugar",)


async def test_consents_and_credits_of_whoever_draws_decide(tmp_path: Path) -> None:
    rules = Rules(daily_credits=3, hosts=frozenset({f"console:{HOST}"}))
    async with open_harness(tmp_path, rules=rules) as harness:
        code = (await accept(harness, ASKED, "1")).recipe.code
        with pytest.raises(NoCreditsLeft):
            await accept(harness, DrawRecipe(code), "2")
        await accept(harness, DrawRecipe(code), "3", "ben")
        await harness.desk.handle(LoraRevoke("sugar", person="console:eve"), a_context("4", HOST))
        with pytest.raises(RecipeLoraGone):
            await accept(harness, DrawRecipe(code), "5", "eve")


async def test_the_code_of_a_private_picture_shows_nothing_to_a_group(harness: DeskHarness) -> None:
    code = (await accept(harness, replace(ASKED, private=True), "1")).recipe.code
    with pytest.raises(NotInPublic):  # pressing Start in the private chat would change nothing
        await harness.desk.handle(DrawRecipe(code), in_group("2", "ben"))
    own = Address(Platform.CONSOLE, "ben alone")
    receipt = await harness.desk.handle(DrawRecipe(code), in_group("3", "ben", private_address=own))
    assert isinstance(receipt, Receipt)
    job = await harness.job(receipt.job_id)
    assert (job.private, job.chat_id) == (True, "ben alone")


async def test_the_settings_of_whoever_draws_a_recipe_hold(harness: DeskHarness) -> None:
    code = (await accept(harness, ASKED, "1")).recipe.code
    wish = EditSettings(Draw(private=True, spoiler=True))
    await harness.desk.handle(wish, a_context("2", "ben"))
    assert harness.desk.wants_private(DrawRecipe(code), in_group("3", "ben"))
    assert not harness.desk.wants_private(DrawRecipe(code), in_group("3"))
    with pytest.raises(NotInPublic):
        await harness.desk.handle(DrawRecipe(code), in_group("3", "ben"))
    drawn = await accept(harness, DrawRecipe(code), "4", "ben")
    job = await harness.job(drawn.job_id)
    assert (job.private, job.spoiler, job.recipe.seed) == (True, True, 7)


async def test_a_recipe_is_shown_by_code_to_everybody_and_by_job_to_its_person(harness: DeskHarness) -> None:
    job = await accept(harness, ASKED, "1")
    shown = await harness.desk.handle(ShowRecipe(job.recipe.code), a_context("2", "ben", chat_id="elsewhere"))
    assert isinstance(shown, RecipeShown)
    assert (shown.code, shown.gone) == (job.recipe.code, ())
    again = parse(shown.text)
    assert isinstance(again, Draw)
    assert (again.prompt, again.seed, again.count) == (ASKED.prompt, 7, 2)
    assert again.loras == ASKED.loras
    for command in (ShowRecipe(), ShowRecipe(job_id=job.job_id)):
        assert await harness.desk.handle(command, a_context("3")) == shown
    with pytest.raises(NotYours):
        await harness.desk.handle(ShowRecipe(job_id=job.job_id), a_context("4", "ben", chat_id="elsewhere"))
    with pytest.raises(UnknownRecipe):
        await harness.desk.handle(ShowRecipe("K3F97QXM2AWV"), a_context("5"))
    with pytest.raises(UnknownRecipe):
        await accept(harness, DrawRecipe("K3F97QXM2AWV"), "6")


async def test_a_job_from_before_there_were_codes_gets_one_when_it_is_shown(harness: DeskHarness) -> None:
    job = await accept(harness, ASKED, "1")
    await harness.store._run("UPDATE job SET code = ''")
    with pytest.raises(UnknownRecipe):
        await harness.desk.handle(ShowRecipe(job.recipe.code), a_context("2"))
    shown = [await harness.desk.handle(ShowRecipe(job_id=job.job_id), a_context(event)) for event in "34"]
    assert shown[0] == shown[1]
    assert isinstance(shown[0], RecipeShown)
    assert (await harness.job(job.job_id)).recipe.code == shown[0].code
    second = await accept(harness, DrawRecipe(shown[0].code), "5")
    assert second.recipe == job.recipe


async def test_a_trial_of_a_code_tells_price_and_place_and_stores_nothing(harness: DeskHarness) -> None:
    first = await accept(harness, ASKED, "1")
    before = await harness.store.people.account((await harness.job(first.job_id)).person)
    trial = await harness.desk.handle(DrawRecipe(first.recipe.code, dry=True), a_context("2"))
    assert isinstance(trial, DryRun)
    assert (trial.price, trial.credits_left, trial.position) == (2, first.credits_left - 2, 1)
    assert trial.recipe == first.recipe
    assert await harness.store.people.account((await harness.job(first.job_id)).person) == before
    assert len(await harness.store.jobs.unfinished_of((await harness.job(first.job_id)).person)) == 1
    drawn = await accept(harness, DrawRecipe(first.recipe.code), "3")
    assert (drawn.price, drawn.position) == (trial.price, trial.position)
    with pytest.raises(UnknownRecipe):
        await harness.desk.handle(DrawRecipe("K3F97QXM2AWV", dry=True), a_context("4"))


async def test_options_behind_a_code_win_over_the_settings_of_whoever_draws(harness: DeskHarness) -> None:
    code = (await accept(harness, ASKED, "1")).recipe.code
    hidden = await accept(harness, DrawRecipe(code, private=True, spoiler=True), "2")
    job = await harness.job(hidden.job_id)
    assert (job.private, job.spoiler) == (True, True)
    await harness.desk.handle(EditSettings(Draw(private=True)), a_context("3", "ben"))
    shown = DrawRecipe(code, private=False)
    assert not harness.desk.wants_private(shown, in_group("4", "ben"))
    assert not (await harness.job((await accept(harness, shown, "4", "ben")).job_id)).private
    wish = DrawRecipe(code, private=True)
    assert harness.desk.wants_private(wish, in_group("5"))
    with pytest.raises(NoPrivateChat):  # pressing Start there helps
        await harness.desk.handle(wish, in_group("5"))
    still = await accept(harness, DrawRecipe(hidden.recipe.code, private=False), "6")
    assert (await harness.job(still.job_id)).private


async def test_a_shown_recipe_names_its_price_for_whoever_reads_it(tmp_path: Path) -> None:
    async with open_harness(tmp_path) as harness:
        code = (await accept(harness, ASKED, "1")).recipe.code
        for there, price in ((a_context("2", "ben"), 2), (a_context("3", platform=Platform.WEB), 0)):
            shown = await harness.desk.handle(ShowRecipe(code), there)
            assert isinstance(shown, RecipeShown)
            assert shown.price == price
    async with open_harness(tmp_path, shelf=Shelf(files={})) as harness:
        shown = await harness.desk.handle(ShowRecipe(code), a_context("4"))
        assert isinstance(shown, RecipeShown)
        assert shown.price is None
