"""Choosing a LoRA by what people type, and switching the default."""

import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest

from bot.commands.grammar import parse
from bot.commands.values import Draw, LoraList, LoraSwitch, LoraWish, Scope
from bot.desk.loras import shelf as shelf_module
from bot.desk.loras.shelf import LoraShelf
from bot.desk.queue import JobQueue, PromisedWaits
from bot.errors import HostsOnly, LorasJoined, UnknownLora
from bot.outcomes import DefaultMissing, LoraListing, LoraSwitched, Receipt, Recipe
from engine import shelf as engine_shelf
from engine.planner.costs.book import CostBook
from engine.planner.costs.priors import BYTES_A_LORA
from engine.request import LoraChoice
from engine.scheduler import Scheduler
from engine.shelf import LoraFile, Sidecar
from tests.fakes.desk_harness import HOST, SHELF, DeskHarness, a_context, open_harness


def shelf_of(*names: str) -> LoraShelf:
    return LoraShelf(engine_shelf.Shelf({name: LoraFile(name, Path(name), "0" * 64, 1, 8) for name in names}))


def test_a_lora_of_a_gigabyte_counts_before_its_job_is_admitted() -> None:
    large = LoraFile("large", Path("large"), "1" * 64, 1, 0, held_bytes=2**30)
    small = LoraFile("small", Path("small"), "2" * 64, 1, 8, held_bytes=2**20)
    shelf = LoraShelf(engine_shelf.Shelf({"large": large, "small": small}))
    choices = [LoraChoice(each, str(number) * 64) for number, each in enumerate(("gone", "large", "small"))]
    assert shelf.extra_bytes(choices) == 2**30 - BYTES_A_LORA
    costs = CostBook()
    queue = JobQueue(
        Scheduler(), costs, weights={}, waits=PromisedWaits(), is_loading=lambda: False,
        prefetch=lambda _: None, extra_bytes=shelf.extra_bytes,
    )  # fmt: skip
    recipes = [Recipe("a face", (choice,), 512, 768, 7, 1, 8) for choice in choices]
    gone, of_large, of_small = (queue._cost_of(recipe).needed_bytes for recipe in recipes)
    assert of_large - of_small == 2**30 - BYTES_A_LORA
    assert gone == of_small


@pytest.mark.parametrize("typed", ["sugar", "SUG", "糖", "tang", "tmb", "mianbu", "suger", " sugar face"])
def test_a_lora_is_found_by_name_title_pinyin_initials_and_near_misses(typed: str) -> None:
    assert LoraShelf(SHELF).suggest(typed, "zh-CN")[0].name == "sugar"


def test_nothing_typed_suggests_all_and_never_more_than_25() -> None:
    assert [card.name for card in LoraShelf(SHELF).suggest("", "en")] == ["anime", "sugar"]
    assert len(shelf_of(*(f"lora{n:02}" for n in range(40))).suggest("lora", "en")) == 25


def test_noise_suggests_nothing() -> None:
    assert LoraShelf(SHELF).suggest("qqqqqqqq", "en") == ()


def test_names_that_start_with_the_text_come_before_names_that_contain_it() -> None:
    names = [card.name for card in shelf_of("oldsugar", "sugarcane", "suger").suggest("sugar", "en")]
    assert names == ["sugarcane", "oldsugar", "suger"]


@pytest.mark.parametrize(
    "typed",
    [
        "sugar",
        "Sugar",
        " sugar ",
        "SUGAR FACE",
        "糖面部",
        "tangmianbu",
        "ｓｕｇａｒ",
        "Ｓｕｇａｒ　ｆａｃｅ",
        "sugar\u3000",
    ],
)
def test_a_lora_may_be_named_as_people_name_it(typed: str) -> None:
    file = LoraShelf(SHELF).find(typed)
    assert file is not None
    assert file.name == "sugar"


@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC", "NFKD"])
@pytest.mark.parametrize("typed", ["NFC", "NFD", "NFKD"])
def test_a_title_is_found_whatever_unicode_form_either_side_has(form: str, typed: str) -> None:
    title = "Café Größe ２"
    files = {
        "cafe": LoraFile(
            "cafe",
            Path("c"),
            "0" * 64,
            1,
            8,
            sidecar=Sidecar(titles={"en": unicodedata.normalize(form, title)}),
        )
    }
    shelf = LoraShelf(engine_shelf.Shelf(files))
    for wanted in (title, title.upper()):
        file = shelf.find(unicodedata.normalize(typed, wanted))
        assert file is not None
        assert shelf.suggest(unicodedata.normalize(typed, wanted[:4]), "en")[0].name == "cafe"


def test_a_full_width_name_is_suggested_as_its_plain_one() -> None:
    assert LoraShelf(SHELF).suggest("ｓｕｇ", "en")[0].name == "sugar"


async def test_a_full_width_none_is_no_lora(harness: DeskHarness) -> None:
    switched = await harness.desk.handle(LoraSwitch(LoraWish("ＮＯＮＥ")), a_context("1", HOST))
    assert switched == LoraSwitched(lora="", weight=0.0, scope=Scope.CHAT)


def test_a_name_has_priority_over_the_title_of_another_lora() -> None:
    files = {
        "a": LoraFile("a", Path("a"), "0" * 64, 1, 8, sidecar=Sidecar(titles={"en": "b"})),
        "b": LoraFile("b", Path("b"), "1" * 64, 1, 8),
    }
    file = LoraShelf(engine_shelf.Shelf(files)).find("b")
    assert file is not None
    assert file.name == "b"


async def test_a_host_switches_and_the_list_shows_it(harness: DeskHarness) -> None:
    switched = await harness.desk.handle(LoraSwitch(LoraWish("Sugar face")), a_context("1", HOST))
    assert switched == LoraSwitched(lora="sugar", weight=0.8, scope=Scope.CHAT)
    shelf = await harness.desk.handle(LoraList(), a_context("2"))
    assert isinstance(shelf, LoraListing)
    assert shelf.default == "sugar"
    assert [card.name for card in shelf.loras] == ["sugar", "anime"], "the default comes first"
    elsewhere = await harness.desk.handle(LoraList(), a_context("3", chat_id="elsewhere"))
    assert isinstance(elsewhere, LoraListing)
    assert elsewhere.default == ""


async def test_a_switch_keeps_its_weight(harness: DeskHarness) -> None:
    await harness.desk.handle(LoraSwitch(LoraWish("sugar", 0.4)), a_context("1", HOST))
    receipt = await harness.desk.handle(Draw(prompt="a"), a_context("2"))
    assert isinstance(receipt, Receipt)
    assert receipt.recipe.loras[0].weight == 0.4


async def test_a_panel_shows_the_bot_s_default_as_soon_as_it_is_switched(harness: DeskHarness) -> None:
    assert harness.desk.queue_status().default_lora == ""
    await harness.desk.handle(LoraSwitch(LoraWish("anime")), a_context("1", HOST))
    assert harness.desk.queue_status().default_lora == ""
    await harness.desk.handle(LoraSwitch(LoraWish("anime"), Scope.BOT), a_context("2", HOST))
    assert harness.desk.queue_status().default_lora == "anime"


async def test_members_do_not_switch(harness: DeskHarness) -> None:
    with pytest.raises(HostsOnly):
        await harness.desk.handle(LoraSwitch(LoraWish("sugar")), a_context("1"))


async def test_a_switch_to_an_unknown_lora_leaves_the_default(harness: DeskHarness) -> None:
    await harness.desk.handle(LoraSwitch(LoraWish("sugar")), a_context("1", HOST))
    with pytest.raises(UnknownLora):
        await harness.desk.handle(LoraSwitch(LoraWish("salt")), a_context("2", HOST))
    shelf = await harness.desk.handle(LoraList(), a_context("3"))
    assert isinstance(shelf, LoraListing)
    assert shelf.default == "sugar"


async def test_the_settings_default_holds_until_a_host_switches(tmp_path: Path) -> None:
    async with open_harness(tmp_path, default_lora="sugar") as harness:
        receipt = await harness.desk.handle(Draw(prompt="a"), a_context("1"))
        assert isinstance(receipt, Receipt)
        assert receipt.recipe.loras[0].name == "sugar"
        await harness.desk.handle(LoraSwitch(LoraWish("none"), Scope.BOT), a_context("2", HOST))
        plain = await harness.desk.handle(Draw(prompt="a"), a_context("3"))
        assert isinstance(plain, Receipt)
        assert plain.recipe.loras == ()


async def test_a_default_whose_file_is_gone_is_no_default_and_people_are_told(tmp_path: Path) -> None:
    async with open_harness(tmp_path) as harness:
        await harness.desk.handle(LoraSwitch(LoraWish("sugar"), Scope.BOT), a_context("1", HOST))
    async with open_harness(tmp_path, shelf=engine_shelf.Shelf({})) as harness:
        receipt = await harness.desk.handle(Draw(prompt="a"), a_context("2"))
        assert isinstance(receipt, Receipt)
        assert (receipt.recipe.loras, receipt.notes) == ((), (DefaultMissing(),))
        plain = await harness.desk.handle(Draw(prompt="a", loras=(LoraWish("none"),)), a_context("3"))
        assert isinstance(plain, Receipt)
        assert plain.notes == ()


@pytest.mark.parametrize(
    ("typed", "is_near"),
    [
        ("abcxy", True),  # three of five letters: just near enough
        ("abxyz", False),
        ("abcdxyz", False),  # four of seven
        ("abcde", True),
    ],
)
def test_a_suggested_name_shares_at_least_three_of_five_letters(typed: str, is_near: bool) -> None:
    shelf = shelf_of("abcdefg" if len(typed) == 7 else "abcde")
    assert bool(shelf.suggest(typed, "en")) is is_near


def test_the_nearer_of_two_near_misses_comes_first_and_equals_are_sorted_by_title() -> None:
    assert [card.name for card in shelf_of("sugxy", "sugaz").suggest("sugar", "en")] == ["sugaz", "sugxy"]
    files = {
        name: LoraFile(name, Path(name), "0" * 64, 1, 8, sidecar=Sidecar(titles={"en": title}))
        for name, title in (("x1", "b title"), ("x2", "A title"), ("x3", "C title"))
    }
    shelf = LoraShelf(engine_shelf.Shelf(files))
    assert [card.name for card in shelf.suggest("x", "en")] == ["x2", "x1", "x3"]
    assert [card.name for card in shelf.suggest("x", "zh-CN")] == ["x2", "x1", "x3"]


@pytest.mark.parametrize(
    ("typed", "example"),
    [
        ("a girl --lora sugar,anime", "--lora sugar --lora anime"),
        ("一个女孩 --lora sugar:0.5，ANIME：0.3", "--lora sugar:0.5 --lora ANIME：0.3"),
        ("a girl --lora anime、糖面部、rain", "--lora anime --lora 糖面部"),
        ("a girl --lora sugar:0.5, anime:0.3 --seed 7", "--lora sugar:0.5 --lora anime:0.3"),
        ('a girl --lora sugar,"sugar face"', '--lora sugar --lora "sugar face"'),
    ],
)
async def test_a_lora_behind_a_comma_is_refused_with_the_right_spelling(
    harness: DeskHarness, typed: str, example: str
) -> None:
    with pytest.raises(LorasJoined) as refused:
        await harness.desk.handle(parse(typed), a_context("1"))
    assert refused.value.facts["example"] == example


@pytest.mark.parametrize(
    "typed", ["--lora sugar, anime", "--lora sugar，一个女孩，anime", "a girl --lora sugar,anime_girl,rain"]
)
async def test_a_prompt_behind_a_comma_is_drawn(harness: DeskHarness, typed: str) -> None:
    receipt = await harness.desk.handle(parse(typed), a_context("1"))
    assert isinstance(receipt, Receipt)
    assert [lora.name for lora in receipt.recipe.loras] == ["sugar"]


@pytest.mark.parametrize(
    ("typed", "nearest"),
    [
        ("x", ()),
        ("su", ()),
        ("s", ()),
        ("sug", ("sugar",)),
        ("suga+anime", ("anime", "sugar")),
        ("糖", ("sugar",)),
    ],
)
def test_a_refusal_suggests_only_near_names(typed: str, nearest: tuple[str, ...]) -> None:
    files = SHELF.files | {
        "realistic": LoraFile(
            "realistic", Path("r"), "c" * 64, 1, 8, sidecar=Sidecar(titles={"zh-CN": "写实：细腻肤质"})
        )
    }
    assert LoraShelf(engine_shelf.Shelf(files)).unknown(typed).facts["nearest"] == nearest


def test_a_refusal_names_the_three_nearest_at_most() -> None:
    refusal = shelf_of("sugar1", "sugar2", "sugar3", "sugar4").unknown("sugar")
    assert refusal.facts["nearest"] == ("sugar1", "sugar2", "sugar3")


@pytest.mark.parametrize("typed", ["sugar face", "tangmianbu", "tmb"])
def test_a_title_with_spaces_and_its_pinyin_are_keys_without_them(typed: str) -> None:
    files = {
        "one": LoraFile(
            "one",
            Path("one"),
            "0" * 64,
            1,
            8,
            sidecar=Sidecar(titles={"zh-CN": "糖 面部", "en": "Sugar face"}),
        )
    }
    file = LoraShelf(engine_shelf.Shelf(files)).find(typed)
    assert file is not None
    assert file.name == "one"


def test_of_two_with_one_title_the_first_by_name_is_found() -> None:
    files = {
        name: LoraFile(name, Path(name), name * 64, 1, 8, sidecar=Sidecar(titles={"en": "Same"}))
        for name in ("b", "a", "c")
    }
    file = LoraShelf(engine_shelf.Shelf(files)).find("same")
    assert file is not None
    assert file.name == "a"


async def test_a_settings_default_of_none_is_no_default(tmp_path: Path) -> None:
    async with open_harness(tmp_path, default_lora=" None ") as harness:
        assert harness.desk.queue_status().default_lora == ""
        shelf = await harness.desk.handle(LoraList(), a_context("1"))
    assert isinstance(shelf, LoraListing)
    assert shelf.default == ""


async def test_a_switch_to_none_has_no_weight_and_holds_against_the_bot_s_default(
    harness: DeskHarness,
) -> None:
    await harness.desk.handle(LoraSwitch(LoraWish("sugar"), Scope.BOT), a_context("1", HOST))
    switched = await harness.desk.handle(LoraSwitch(LoraWish("none", 0.7)), a_context("2", HOST))
    assert switched == LoraSwitched(lora="", weight=0.0, scope=Scope.CHAT, before="sugar")
    shelf = await harness.desk.handle(LoraList(), a_context("3"))
    assert isinstance(shelf, LoraListing)
    assert shelf.default == ""


@pytest.mark.parametrize(
    ("wish", "found"),
    [
        (LoraWish("Style 2"), ("Style 2", None)),
        (LoraWish("Style", 2.0), ("Style 2", None)),
        (LoraWish("style 2", 0.8), ("Style 2", 0.8)),
        (LoraWish("My LoRA v1.2", 0.5), ("My LoRA v1.2", 0.5)),
        (LoraWish("my lora V1.2 0.5"), ("My LoRA v1.2", 0.5)),
        (LoraWish("Style 3"), None),
        (LoraWish("Style", 1.0), None),
    ],
)
def test_a_number_behind_a_name_belongs_to_it_or_is_its_strength(
    wish: LoraWish, found: tuple[str, float | None] | None
) -> None:
    meant = shelf_of("Style 2", "My LoRA v1.2").find_wish(wish, lambda _: True)
    assert (meant and (meant[0].name, meant[1])) == found


def test_only_new_and_changed_files_are_looked_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    make = shelf_module._entry_of
    monkeypatch.setattr(shelf_module, "_entry_of", lambda file: (made.append(file.name), make(file))[1])
    sugar, anime = (LoraFile(name, Path(name), name[0] * 64, 1, 4) for name in ("sugar", "anime"))
    shelf = LoraShelf(engine_shelf.Shelf({"sugar": sugar, "anime": anime}))
    made.clear()
    titled = replace(anime, sidecar=replace(anime.sidecar, titles={"en": "Flat colour"}))
    shelf.replace(engine_shelf.Shelf({"sugar": replace(sugar), "anime": titled}))
    assert made == ["anime"]
    assert shelf.find("flat colour") == titled
    shelf.replace(engine_shelf.Shelf({"anime": titled}))
    assert made == ["anime"]
    assert shelf.find("sugar") is None
