"""What continues from a job without drawing from its pictures: the same seed, one picture, its text."""

from pathlib import Path

import pytest

from bot.commands.grammar import parse
from bot.commands.values import Draw, Edit, LoraWish, Pick, PixelSize, Repeat, Reroll
from bot.errors import NoSuchJob, NoSuchPicture, PicturesGone
from bot.outcomes import EditableText, PickedPicture, Receipt
from bot.policy.rules import Rules
from engine.request import LoraChoice
from engine.shelf import LoraFile, Shelf, Sidecar
from engine.shelf.sidecar import Helper
from tests.fakes.desk_harness import SUGAR, DeskHarness, a_context, open_harness


async def test_the_same_seed_draws_the_same_recipe_as_a_new_job(harness: DeskHarness) -> None:
    first = await harness.accept("1", seed=7, count=2, loras=(LoraWish("sugar"),))
    again = await harness.desk.handle(Repeat(first.job_id), a_context("2"))
    assert isinstance(again, Receipt)
    assert again.job_id != first.job_id
    assert again.recipe == first.recipe
    assert again.price == first.price
    another = await harness.desk.handle(Reroll(first.job_id), a_context("3"))
    assert isinstance(another, Receipt)
    assert another.recipe.seed != 7


async def test_a_command_without_a_job_is_about_the_newest(harness: DeskHarness) -> None:
    with pytest.raises(NoSuchJob):
        await harness.desk.handle(Repeat(""), a_context("0"))
    await harness.accept("1", seed=1)
    await harness.accept("2", seed=2)
    again = await harness.desk.handle(Repeat(""), a_context("3"))
    assert isinstance(again, Receipt)
    assert again.recipe.seed == 2


async def test_one_picture_of_a_batch_alone_costs_nothing(harness: DeskHarness) -> None:
    receipt = await harness.accept(count=3, seed=7)
    with pytest.raises(PicturesGone):
        await harness.desk.handle(Pick(receipt.job_id, 0), a_context("early"))
    async with harness.running():
        await harness.chat.wait_for_results(1)
    before = await harness.store.people.account(1)
    picked = await harness.desk.handle(Pick(receipt.job_id, 2), a_context("p"))
    assert isinstance(picked, PickedPicture)
    assert (picked.picture.index, picked.picture.seed) == (2, 9)
    assert picked.picture.path.read_bytes().startswith(b"\x89PNG")
    assert await harness.store.people.account(1) == before
    with pytest.raises(NoSuchPicture) as caught:
        await harness.desk.handle(Pick(receipt.job_id, 3), a_context("q"))
    assert caught.value.facts == {"job_id": receipt.job_id, "number": 4, "count": 3}
    picked.picture.path.unlink()
    with pytest.raises(PicturesGone):
        await harness.desk.handle(Pick(receipt.job_id, 2), a_context("r"))


@pytest.mark.parametrize(
    "asked",
    [
        Draw("a girl, red lips", seed=7),
        Draw("a girl --seed 4 looks", loras=(LoraWish("sugar", 1.2),), count=3),
        Draw("面部", size=PixelSize(128, 192), private=True, loras=(LoraWish("anime", -0.5),)),
    ],
)
async def test_the_text_of_a_job_asks_for_the_same_job(harness: DeskHarness, asked: Draw) -> None:
    first = await harness.desk.handle(asked, a_context("1"))
    assert isinstance(first, Receipt)
    shown = await harness.desk.handle(Edit(first.job_id), a_context("2"))
    assert isinstance(shown, EditableText)
    assert shown.is_private is bool(asked.private)
    again = await harness.desk.handle(parse(shown.text), a_context("3"))
    assert isinstance(again, Receipt)
    assert again.recipe == first.recipe


async def test_the_text_names_no_helper_because_the_desk_adds_it(tmp_path: Path) -> None:
    helped = LoraFile(
        name="helped",
        path=Path("helped.safetensors"),
        sha256="c" * 64,
        bytes=1,
        rank=8,
        sidecar=Sidecar(helpers=(Helper("sugar", 0.5),)),
    )
    shelf = Shelf(files={"sugar": SUGAR, "helped": helped})
    async with open_harness(tmp_path, shelf=shelf, rules=Rules()) as harness:
        first = await harness.accept(loras=(LoraWish("helped", 1.0),))
        assert LoraChoice("sugar", "a" * 64, 0.5) in first.recipe.loras
        shown = await harness.desk.handle(Edit(first.job_id), a_context("2"))
        assert isinstance(shown, EditableText)
        assert "--lora helped:1 " in shown.text
        assert "--lora sugar" not in shown.text
        again = await harness.desk.handle(parse(shown.text), a_context("3"))
        assert isinstance(again, Receipt)
        assert again.recipe == first.recipe
