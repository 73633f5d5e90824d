"""From a wish to a recipe: which LoRAs, which size, which words."""

from pathlib import Path
from random import Random

import pytest

from bot.commands.values import (
    MAX_PROMPT_CHARS,
    Draw,
    Face,
    LoraSwitch,
    LoraWish,
    Pixels,
    Ratio,
    Reroll,
    Scope,
)
from bot.desk.outcomes import Receipt, Recipe
from bot.desk.recipe import Recipes
from bot.desk.shelf_ import LoraShelf
from bot.errors import EmptyPrompt, PromptTooLong, SizeNotAllowed, TooManyLoras, UnknownLora
from engine.request import MAX_SEED, STEPS, LoraChoice
from engine.shelf import LoraFile, Shelf
from tests.fakes.room import HOST, MODEL, SHELF, Room, a_visit, open_room

SUGAR = LoraChoice("sugar", "a" * 64, 0.8)
ANIME = LoraChoice("anime", "b" * 64, 1.0)


def recipes(shelf: Shelf = SHELF) -> Recipes:
    return Recipes(shelf=LoraShelf(shelf), model=MODEL, random=Random(3))


def recipe_of(draw: Draw, default: LoraWish | None = None) -> Recipe:
    return recipes().of_draw(draw, default)


def test_nothing_said_means_no_lora_the_native_size_and_a_new_seed() -> None:
    first, second = recipes(), recipes()
    recipe = first.of_draw(Draw(prompt="a face"), None)
    assert (recipe.prompt, recipe.loras, recipe.width_px, recipe.height_px) == ("a face", (), 128, 128)
    assert (recipe.count, recipe.steps) == (1, STEPS)
    assert 0 <= recipe.seed <= MAX_SEED
    assert second.of_draw(Draw(prompt="a face"), None).seed == recipe.seed  # randomness is injected
    assert first.of_draw(Draw(prompt="a face"), None).seed != recipe.seed


@pytest.mark.parametrize(
    ("wishes", "loras"),
    [
        ((), (SUGAR,)),
        ((LoraWish("anime"),), (ANIME,)),
        ((LoraWish("Sugar Face", 0.3),), (LoraChoice("sugar", "a" * 64, 0.3),)),
        ((LoraWish("糖面部"),), (SUGAR,)),
        ((LoraWish("", 0.6),), (LoraChoice("sugar", "a" * 64, 0.6),)),
        ((LoraWish("none"),), ()),
        ((LoraWish("NONE"), LoraWish("anime")), ()),
        ((LoraWish("anime"), LoraWish("sugar", 1.0), LoraWish("anime", 0.5)),
         (LoraChoice("anime", "b" * 64, 0.5), LoraChoice("sugar", "a" * 64, 1.0))),
    ],
)  # fmt: skip
def test_the_commands_own_loras_go_before_the_default(
    wishes: tuple[LoraWish, ...], loras: tuple[LoraChoice, ...]
) -> None:
    assert recipe_of(Draw(prompt="a", loras=wishes), LoraWish("sugar")).loras == loras


def test_a_weight_alone_where_there_is_no_default_is_ignored() -> None:
    assert recipe_of(Draw(prompt="a", loras=(LoraWish("", 0.6),))).loras == ()


def test_an_unknown_lora_is_refused_with_the_nearest_names() -> None:
    with pytest.raises(UnknownLora) as caught:
        recipe_of(Draw(prompt="a", loras=(LoraWish("suger"),)))
    assert caught.value.facts == {"name": "suger", "nearest": ("sugar",)}


def test_more_loras_than_a_picture_takes_are_refused() -> None:
    files = {name: LoraFile(name, Path(name), name * 64, 1, 8) for name in "abcde"}
    with pytest.raises(TooManyLoras):
        recipes(Shelf(files)).of_draw(Draw(prompt="p", loras=tuple(LoraWish(name) for name in files)), None)


def test_the_trigger_and_the_face_join_the_prompt() -> None:
    draw = Draw(prompt=" on a beach ", face=Face(lips="cherry"), loras=(LoraWish("sugar"),))
    assert recipe_of(draw).prompt == "sugar face, on a beach, cherry"


@pytest.mark.parametrize(
    "draw", [Draw(face=Face(skin="dewy")), Draw(loras=(LoraWish("sugar"),))], ids=["face", "trigger"]
)
def test_a_face_or_a_trigger_is_prompt_enough(draw: Draw) -> None:
    assert recipe_of(draw).prompt


@pytest.mark.parametrize("draw", [Draw(), Draw(prompt=" \n "), Draw(loras=(LoraWish("anime"),))])
def test_no_words_at_all_are_refused(draw: Draw) -> None:
    with pytest.raises(EmptyPrompt):
        recipe_of(draw)


def test_the_length_counts_with_everything_that_was_joined() -> None:
    prompt = "a" * MAX_PROMPT_CHARS
    assert recipe_of(Draw(prompt=prompt)).prompt == prompt
    with pytest.raises(PromptTooLong) as caught:
        recipe_of(Draw(prompt=prompt, loras=(LoraWish("sugar"),)))
    assert caught.value.facts == {"length": MAX_PROMPT_CHARS + len("sugar face, "), "limit": MAX_PROMPT_CHARS}


def test_a_ratio_is_fitted_and_pixels_are_taken_or_refused() -> None:
    fitted = recipe_of(Draw(prompt="a", size=Ratio(2, 3)))
    assert (fitted.width_px, fitted.height_px) == MODEL.fit(2, 3)
    exact = recipe_of(Draw(prompt="a", size=Pixels(64, 96)))
    assert (exact.width_px, exact.height_px) == (64, 96)
    with pytest.raises(SizeNotAllowed) as caught:
        recipe_of(Draw(prompt="a", size=Pixels(7, 9999)))
    assert caught.value.facts["nearest"] == MODEL.nearest(7, 9999)


async def test_a_later_switch_never_changes_a_waiting_job(room: Room) -> None:
    await room.desk.handle(LoraSwitch(LoraWish("sugar")), a_visit("0", HOST))
    receipt = await room.desk.handle(Draw(prompt="a"), a_visit("1"))
    await room.desk.handle(LoraSwitch(LoraWish("anime")), a_visit("2", HOST))
    async with room.running():
        await room.chat.wait_for_parcels(1)
    assert isinstance(receipt, Receipt)
    assert room.renderer.requests[0].loras == receipt.recipe.loras == (SUGAR,)


async def test_a_reroll_takes_the_file_that_is_on_the_shelf_now(tmp_path: Path) -> None:
    async with open_room(tmp_path) as room:
        receipt = await room.desk.handle(Draw(prompt="a", loras=(LoraWish("sugar"),)), a_visit("1"))
    assert isinstance(receipt, Receipt)
    newer = LoraFile("sugar", Path("sugar"), "c" * 64, 1, 8)
    async with open_room(tmp_path, shelf=Shelf({"sugar": newer})) as room:
        again = await room.desk.handle(Reroll(receipt.job_id), a_visit("2"))
        assert isinstance(again, Receipt)
        assert again.recipe.loras == (LoraChoice("sugar", "c" * 64, 0.8),)
    async with open_room(tmp_path, shelf=Shelf({})) as room:
        with pytest.raises(UnknownLora):
            await room.desk.handle(Reroll(receipt.job_id), a_visit("3"))


async def test_a_switch_of_the_bot_holds_where_no_chat_has_its_own(room: Room) -> None:
    await room.desk.handle(LoraSwitch(LoraWish("anime"), Scope.BOT), a_visit("1", HOST))
    await room.desk.handle(LoraSwitch(LoraWish("none")), a_visit("2", HOST, chat_id="plain"))
    elsewhere = await room.desk.handle(Draw(prompt="a"), a_visit("3"))
    plain = await room.desk.handle(Draw(prompt="a"), a_visit("4", chat_id="plain"))
    assert isinstance(elsewhere, Receipt)
    assert isinstance(plain, Receipt)
    assert (elsewhere.recipe.loras, plain.recipe.loras) == ((ANIME,), ())
