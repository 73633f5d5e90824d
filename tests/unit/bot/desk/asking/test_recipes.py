"""From a wish to a recipe: which LoRAs, which size, which words."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from bot.commands.values import (
    Draw,
    Face,
    Help,
    LoraSwitch,
    LoraWish,
    PixelSize,
    Quota,
    Ratio,
    Reroll,
    Scope,
    Vary,
)
from bot.desk.asking.recipes import Recipes
from bot.desk.iterating.derivation import changes_of
from bot.desk.loras.shelf import LoraShelf
from bot.errors import (
    EmptyPrompt,
    PromptTooLong,
    ShapeNotAllowed,
    SizeNotAllowed,
    TooManyLoras,
    UnknownLora,
)
from bot.outcomes import HelpWithVocabulary, Receipt, Recipe, SizeChanged, UnknownWords
from bot.store.rows import JobRow
from engine.checkpoint.model import BUILT_IN_WEIGHTS, read_model
from engine.checkpoint.prompt_tokens import PromptLength, PromptTokens
from engine.demo.vocabulary import read_prompt, vocabulary
from engine.request import MAX_SEED, STEPS, LoraChoice
from engine.shelf import LoraFile, Shelf, Sidecar
from tests.fakes.desk_harness import HOST, MODEL, SHELF, DeskHarness, a_context, open_harness

SUGAR = LoraChoice("sugar", "a" * 64, 0.8)
ANIME = LoraChoice("anime", "b" * 64, 1.0)


def recipes(shelf: Shelf = SHELF, measure: Callable[[str], PromptLength] | None = None) -> Recipes:
    return Recipes(shelf=LoraShelf(shelf), model=MODEL, random=Random(3), measure=measure)


def recipe_of(draw: Draw, default: LoraWish | None = None) -> Recipe:
    return recipes().write(draw, default)[0]


def test_without_options_a_draw_has_no_lora_the_native_size_and_a_new_seed() -> None:
    first, second = recipes(), recipes()
    recipe, notes = first.write(Draw(prompt="a face"), None)
    assert notes == ()
    assert (recipe.prompt, recipe.loras, recipe.width_px, recipe.height_px) == ("a face", (), 128, 128)
    assert (recipe.count, recipe.steps) == (1, STEPS)
    assert 0 <= recipe.seed <= MAX_SEED
    assert second.write(Draw(prompt="a face"), None)[0].seed == recipe.seed  # randomness is injected
    assert first.write(Draw(prompt="a face"), None)[0].seed != recipe.seed


def test_a_recipe_has_the_steps_that_its_model_was_distilled_for() -> None:
    few = Recipes(shelf=LoraShelf(SHELF), model=replace(MODEL, steps=4), random=Random(3), measure=None)
    assert few.write(Draw(prompt="a face"), None)[0].steps == 4


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
        ((LoraWish("ｎｏｎｅ"),), ()),
        ((LoraWish("ｓｕｇａｒ", 0.3),), (LoraChoice("sugar", "a" * 64, 0.3),)),
        ((LoraWish("sugar 0.5"),), (LoraChoice("sugar", "a" * 64, 0.5),)),
        ((LoraWish("Sugar face 0.5"),), (LoraChoice("sugar", "a" * 64, 0.5),)),
        ((LoraWish("anime"), LoraWish("sugar", 1.0), LoraWish("anime", 0.5)),
         (LoraChoice("anime", "b" * 64, 0.5), LoraChoice("sugar", "a" * 64, 1.0))),
    ],
)  # fmt: skip
def test_the_loras_of_the_command_have_priority_over_the_default(
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
        recipes(Shelf(files)).write(Draw(prompt="p", loras=tuple(LoraWish(name) for name in files)), None)


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


def test_a_title_that_ends_with_a_number_is_a_title() -> None:
    two = LoraFile("two", Path("two"), "2" * 64, 1, 8, sidecar=Sidecar(titles={"en": "Sugar face 2"}))
    draw = Draw(prompt="a", loras=(LoraWish("Sugar face 2"),))
    files = {**SHELF.files, "two": two}
    assert recipes(Shelf(files)).write(draw, None)[0].loras[0].name == "two"
    with pytest.raises(UnknownLora) as caught:
        recipe_of(Draw(prompt="a", loras=(LoraWish("salt 0.5"),)))
    assert caught.value.facts["name"] == "salt 0.5"
    with pytest.raises(UnknownLora):
        recipe_of(Draw(prompt="a", loras=(LoraWish("sugar 0.5", 0.8),)))


async def test_a_job_that_was_accepted_is_drawn_again_whatever_its_weights(
    harness: DeskHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    receipt = await harness.desk.handle(Draw(prompt="a", loras=(LoraWish("sugar"),)), a_context("1"))
    assert isinstance(receipt, Receipt)
    monkeypatch.setattr("bot.desk.loras.stacks.MAX_TOTAL_WEIGHT", 0.5)
    again = await harness.desk.handle(Reroll(receipt.job_id), a_context("2"))
    assert isinstance(again, Receipt)
    assert again.recipe.loras == (SUGAR,)


def counting_words(prompt: str) -> PromptLength:
    words = prompt.split()
    return PromptLength(len(words), 5, len(" ".join(words[5:])))


def test_the_length_counts_with_everything_that_was_joined() -> None:
    measured = recipes(measure=counting_words)
    assert measured.write(Draw(prompt="one two three four five"), None)[0].prompt
    with pytest.raises(PromptTooLong) as caught:
        measured.write(Draw(prompt="one two three four", loras=(LoraWish("sugar"),)), None)
    assert caught.value.facts == {"tokens": 6, "limit": 5, "excess": 4}


async def test_a_prompt_that_is_too_long_for_the_model_costs_nothing(tmp_path: Path) -> None:
    measure = PromptTokens(BUILT_IN_WEIGHTS / "tokenizer").measure
    async with open_harness(tmp_path, measure=measure) as harness:
        before = await harness.desk.handle(Quota(), a_context("1"))
        with pytest.raises(PromptTooLong) as caught:
            await harness.desk.handle(Draw(prompt="wonderful face " * 200), a_context("2"))
        assert caught.value.facts["tokens"] > 512
        assert await harness.desk.handle(Quota(), a_context("3")) == before


async def test_a_reroll_for_a_model_that_reads_less_is_refused(tmp_path: Path) -> None:
    async with open_harness(tmp_path) as harness:
        receipt = await harness.desk.handle(Draw(prompt="one two three four five six"), a_context("1"))
    assert isinstance(receipt, Receipt)
    async with open_harness(tmp_path, measure=counting_words) as harness:
        with pytest.raises(PromptTooLong):
            await harness.desk.handle(Reroll(receipt.job_id), a_context("2"))


def test_a_ratio_is_fitted_and_pixels_are_accepted_or_refused() -> None:
    fitted = recipe_of(Draw(prompt="a", size=Ratio(2, 3)))
    assert (fitted.width_px, fitted.height_px) == MODEL.fit(2, 3)
    exact = recipe_of(Draw(prompt="a", size=PixelSize(64, 96)))
    assert (exact.width_px, exact.height_px) == (64, 96)
    with pytest.raises(SizeNotAllowed) as caught:
        recipe_of(Draw(prompt="a", size=PixelSize(7, 9999)))
    assert caught.value.facts["nearest"] == MODEL.nearest(7, 9999)


@pytest.mark.parametrize(
    ("size", "width_px", "height_px"),
    [
        (PixelSize(1000, 1000), 992, 992),
        (PixelSize(130, 190), 128, 192),
        (PixelSize(60, 100), 64, 96),
        (PixelSize(64, 71), 64, 64),
        (PixelSize(48, 64), 112, 144),
        (PixelSize(1, 1), 64, 64),
        (PixelSize(4096, 2048), 2048, 1024),
        (PixelSize(9999, 9999), 1440, 1456),
        (PixelSize(16, 64), 64, 256),
    ],
)
def test_pixels_that_cannot_be_drawn_become_the_nearest_of_their_shape_with_a_note(
    size: PixelSize, width_px: int, height_px: int
) -> None:
    recipe, notes = recipes().write(Draw(prompt="a", size=size), None)
    assert (recipe.width_px, recipe.height_px) == (width_px, height_px)
    assert notes == (SizeChanged(f"{size.width_px}x{size.height_px}", width_px, height_px),)


@pytest.mark.parametrize("size", [PixelSize(3000, 64), PixelSize(1, 64), PixelSize(99999, 1)])
def test_pixels_of_a_shape_that_cannot_be_drawn_are_refused(size: PixelSize) -> None:
    with pytest.raises(SizeNotAllowed) as caught:
        recipe_of(Draw(prompt="a", size=size))
    nearest = caught.value.facts["nearest"]
    assert isinstance(nearest, tuple)
    assert MODEL.allows(*nearest[0])


def test_a_shape_that_the_model_draws_about_so_gets_a_note_and_any_other_is_refused() -> None:
    of = Recipes(shelf=LoraShelf(SHELF), model=read_model(BUILT_IN_WEIGHTS), random=Random(3)).write
    recipe, notes = of(Draw(prompt="a girl", size=Ratio(16, 9)), None)
    assert (recipe.width_px, recipe.height_px) == (192, 128)
    assert notes == (SizeChanged("16:9", 192, 128),)
    assert of(Draw(prompt="a girl", size=Ratio(3, 4)), None)[1] == ()  # 128 × 176: nobody sees that
    for shape in (Ratio(9, 1), Ratio(1, 9), Ratio(2, 1)):
        with pytest.raises(ShapeNotAllowed) as caught:
            of(Draw(prompt="a girl", size=shape), None)
        nearest = (192, 128) if shape.width > shape.height else (128, 192)
        assert caught.value.facts == {"shape": f"{shape.width}:{shape.height}", "nearest": (nearest,)}


async def test_words_that_the_built_in_model_does_not_know_are_named_and_drawn(tmp_path: Path) -> None:
    notes = (*read_prompt("green hair").features, UnknownWords(("hat",), is_all=False))
    async with open_harness(tmp_path, model=read_model(BUILT_IN_WEIGHTS)) as harness:
        draw = Draw(prompt="a girl with green hair, hat")
        receipt = await harness.desk.handle(draw, a_context("1"))
        repeated = await harness.desk.handle(draw, a_context("1"))
        assert isinstance(receipt, Receipt)
        assert isinstance(repeated, Receipt)
        assert receipt.notes == repeated.notes == notes
        again = await harness.desk.handle(Reroll(receipt.job_id), a_context("2"))
        assert isinstance(again, Receipt)
        assert again.notes == notes
        async with harness.running():
            await harness.chat.wait_for_results(2)
        assert harness.chat.results[0].notes == notes


async def test_another_model_reads_any_word(harness: DeskHarness) -> None:
    receipt = await harness.desk.handle(Draw(prompt="a fox with green hair"), a_context("1"))
    assert isinstance(receipt, Receipt)
    assert receipt.notes == ()
    assert await harness.desk.handle(Help(), a_context("2")) == Help()


async def test_help_lists_the_built_in_model_s_words_in_the_person_s_language(tmp_path: Path) -> None:
    async with open_harness(tmp_path, model=read_model(BUILT_IN_WEIGHTS)) as harness:
        for locale in ("en", "zh-CN"):
            shown = await harness.desk.handle(Help(), a_context("1", locale=locale))
            assert shown == HelpWithVocabulary(vocabulary(locale))


async def test_a_later_switch_never_changes_a_waiting_job(harness: DeskHarness) -> None:
    await harness.desk.handle(LoraSwitch(LoraWish("sugar")), a_context("0", HOST))
    receipt = await harness.desk.handle(Draw(prompt="a"), a_context("1"))
    await harness.desk.handle(LoraSwitch(LoraWish("anime")), a_context("2", HOST))
    async with harness.running():
        await harness.chat.wait_for_results(1)
    assert isinstance(receipt, Receipt)
    assert harness.renderer.requests[0].loras == receipt.recipe.loras == (SUGAR,)


async def test_a_reroll_takes_the_file_that_is_on_the_shelf_now(tmp_path: Path) -> None:
    async with open_harness(tmp_path) as harness:
        receipt = await harness.desk.handle(Draw(prompt="a", loras=(LoraWish("sugar"),)), a_context("1"))
    assert isinstance(receipt, Receipt)
    newer = LoraFile("sugar", Path("sugar"), "c" * 64, 1, 8)
    async with open_harness(tmp_path, shelf=Shelf({"sugar": newer})) as harness:
        again = await harness.desk.handle(Reroll(receipt.job_id), a_context("2"))
        assert isinstance(again, Receipt)
        assert again.recipe.loras == (LoraChoice("sugar", "c" * 64, 0.8),)
    async with open_harness(tmp_path, shelf=Shelf({})) as harness:
        with pytest.raises(UnknownLora):
            await harness.desk.handle(Reroll(receipt.job_id), a_context("3"))


async def test_a_reroll_whose_loras_are_one_file_by_now_has_it_once(tmp_path: Path) -> None:
    """The file of one has gone, and the other one's title is its name."""
    wishes = (LoraWish("sugar", 0.5), LoraWish("anime", 0.7))
    async with open_harness(tmp_path) as harness:
        receipt = await harness.desk.handle(Draw(prompt="a", loras=wishes), a_context("1"))
        assert isinstance(receipt, Receipt)
    both = LoraFile("anime", Path("anime"), "b" * 64, 1, 8, Sidecar(titles={"en": "Sugar"}, most_weight=1.0))
    async with open_harness(tmp_path, shelf=Shelf({"anime": both})) as harness:
        again = await harness.desk.handle(Reroll(receipt.job_id), a_context("2"))
        assert isinstance(again, Receipt)
        assert again.recipe.loras == (LoraChoice("anime", "b" * 64, 1.0),)


async def test_a_switch_of_the_bot_holds_where_no_chat_has_its_own(harness: DeskHarness) -> None:
    await harness.desk.handle(LoraSwitch(LoraWish("anime"), Scope.BOT), a_context("1", HOST))
    await harness.desk.handle(LoraSwitch(LoraWish("none")), a_context("2", HOST, chat_id="plain"))
    elsewhere = await harness.desk.handle(Draw(prompt="a"), a_context("3"))
    plain = await harness.desk.handle(Draw(prompt="a"), a_context("4", chat_id="plain"))
    assert isinstance(elsewhere, Receipt)
    assert isinstance(plain, Receipt)
    assert (elsewhere.recipe.loras, plain.recipe.loras) == ((ANIME,), ())


def test_four_loras_may_be_combined() -> None:
    files = {name: LoraFile(name, Path(name), name * 64, 1, 8) for name in "abcd"}
    wishes = tuple(LoraWish(name, 0.5) for name in files)
    recipe, _ = recipes(Shelf(files)).write(Draw(prompt="p", loras=wishes), None)
    assert [lora.name for lora in recipe.loras] == ["a", "b", "c", "d"]


JOB = JobRow(
    id="j", person=1, platform="web", chat_id="", ref="", locale="en", private=False,
    recipe=Recipe("p", (), 128, 128, seed=1, count=4, steps=8), price=4, created_ms=1, asked_in=(),
    spoiler=False, request="",
    state="queued",
    attempt=0, accepted_order=1, started_ms=None, ended_ms=None, fail=None, cancel_requested=False,
    lease=None,
)  # fmt: skip


def test_a_reroll_s_seed_is_of_32_bits_and_as_random_as_the_first() -> None:
    again = recipes()
    changes = changes_of(Reroll(JOB.id), JOB, MODEL)
    seeds = {again.rewrite(JOB, changes)[0].seed for _ in range(200)}
    assert len(seeds) == 200
    assert MAX_SEED // 2 < max(seeds) <= MAX_SEED == 2**32 - 1


def test_each_picture_of_a_batch_draws_its_own_alternatives_and_a_reroll_draws_anew() -> None:
    draw = Draw(prompt="{red|rose} lips {a|b|c|d}", loras=(LoraWish("sugar"),), seed=MAX_SEED, count=4)
    recipe = recipe_of(draw)
    assert (recipe.typed, recipe.triggers) == (draw.prompt, ("sugar face",))
    assert len(set(recipe.prompts)) > 1
    assert recipe.prompt == recipe.prompts[0]
    assert [recipe.seed_of(index) for index in range(4)] == [MAX_SEED, 0, 1, 2]
    for index, prompt in enumerate(recipe.prompts):
        assert prompt == f"sugar face, {recipe.typed_of(index)}"
        one = recipe_of(replace(draw, seed=recipe.seed_of(index), count=1))
        assert one.prompts == (prompt,)  # the same seed draws the same
        picked = recipe.alone(index)
        assert (picked.prompt, picked.typed, picked.seed, picked.count) == (
            prompt, recipe.typed_of(index), one.seed, 1,
        )  # fmt: skip
        assert picked.prompts == ()
    stored = replace(JOB, recipe=recipe)
    again = recipes().rewrite(stored, changes_of(Reroll(JOB.id), stored, MODEL))[0]
    assert (again.typed, len(again.prompts)) == (draw.prompt, 4)
    assert [again.typed_of(index) for index in range(4)] == [
        prompt.removeprefix("sugar face, ") for prompt in again.prompts
    ]
    varied = recipes().rewrite(stored, changes_of(Vary(JOB.id, 2), stored, MODEL))[0]
    assert (varied.prompt, varied.count) == (recipe.prompts[2], 1)
    assert varied.seed != recipe.seed_of(2), "another seed, but the text of the picture that was chosen"


def test_a_picked_picture_keeps_braces_that_were_escaped() -> None:
    recipe = recipe_of(Draw(prompt=r"\{a|b\} {c|c}"))
    assert recipe.prompts == ("{a|b} c",)
    picked = recipe.alone(0)
    assert (picked.prompt, picked.prompts) == ("{a|b} c", ("{a|b} c",))
    assert recipe_of(Draw(prompt=picked.typed)).prompts == ("{a|b} c",)


def test_without_alternatives_every_picture_has_the_one_prompt() -> None:
    recipe = recipe_of(Draw(prompt="a {b}", count=2))
    assert (recipe.prompt, recipe.prompts, recipe.typed_of(1), recipe.choices_of(1)) == (
        "a {b}",
        (),
        "a {b}",
        (),
    )
    assert recipe.alone(1) == replace(recipe, seed=recipe.seed_of(1), count=1)


def test_the_longest_alternative_of_the_batch_must_fit_the_model() -> None:
    def measure(prompt: str) -> PromptLength:
        return PromptLength(len(prompt), 10, max(0, len(prompt) - 10))

    few = recipes(measure=measure)
    assert few.write(Draw(prompt="{12345678|12345679} a"), None)[0].prompts  # 20 characters as typed
    with pytest.raises(PromptTooLong) as caught:
        few.write(Draw(prompt="{1234567890123|12|12|12}", count=4, seed=5), None)
    assert caught.value.facts == {"tokens": 13, "limit": 10, "excess": 3}
