"""What suggestions offer first: own recent LoRAs, then the chat's favourites, then the best match."""

from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from rapidfuzz import fuzz

from bot.commands.values import Draw, Link, LoraWish, Unlink
from bot.desk.loras import shelf as shelf_module
from bot.desk.loras.habits import RECENT
from bot.desk.loras.shelf import MOST_SUGGESTED, LoraShelf
from bot.outcomes import CommandContext, LinkCode, Platform
from bot.policy.rules import Rules
from engine.shelf import LoraFile, Shelf
from tests.benchmarks.suggestions import make_shelf, typed_texts
from tests.fakes.desk_harness import DeskHarness, a_context, open_harness

NAMES = ("amber", "azure", "beach", "birch", "cedar", "coral")
RULES = Rules(allow=frozenset({"discord:*"}), max_waiting=99, daily_credits=99)


def opened(folder: Path) -> Any:
    files = {name: LoraFile(name, Path(name), f"{place:064x}", 1, 8) for place, name in enumerate(NAMES)}
    return open_harness(folder, shelf=Shelf(files), rules=RULES)


async def draw(harness: DeskHarness, event: str, user_id: str, *names: str, chat_id: str = "here") -> None:
    wishes = tuple(LoraWish(name, 0.1) for name in names)
    await harness.desk.handle(Draw(prompt="a", loras=wishes), a_context(event, user_id, chat_id=chat_id))


def offered(harness: DeskHarness, user_id: str, typed: str = "", **where: Any) -> list[str]:
    context: CommandContext = a_context("x", user_id, **where)
    return [lora.name for lora in harness.desk.suggest_loras(typed, context)]


async def test_own_recent_ones_come_first_then_those_that_the_chat_uses_most(tmp_path: Path) -> None:
    async with opened(tmp_path) as harness:
        await draw(harness, "1", "ann", "beach")
        await draw(harness, "2", "ann", "cedar")
        for event in "345":
            await draw(harness, event, "ben", "coral")
        await draw(harness, "6", "ben", "birch")
        await draw(harness, "7", "ben", "birch")
        assert offered(harness, "ann") == ["cedar", "beach", "coral", "birch", "amber", "azure"]
        assert offered(harness, "new") == ["coral", "birch", "beach", "cedar", "amber", "azure"]
        assert offered(harness, "new", chat_id="elsewhere") == list(NAMES)
        assert offered(harness, "ann", chat_id="elsewhere")[:2] == ["cedar", "beach"]


async def test_they_come_first_among_what_contains_the_text_and_a_whole_name_before_them(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as harness:
        await draw(harness, "1", "ann", "azure")
        assert offered(harness, "ann", "a")[0] == "azure"
        assert offered(harness, "ann", "amber")[0] == "amber"
        assert offered(harness, "ann", "ambre")[0] == "amber"  # a typing error finds the nearest


async def test_habits_survive_a_restart_and_follow_linked_people(tmp_path: Path) -> None:
    async with opened(tmp_path) as harness:
        await draw(harness, "1", "ann", "coral")
    async with opened(tmp_path) as harness:
        await harness.desk.parts.habits.load()
        assert offered(harness, "ann")[0] == "coral"
        discord = {"platform": Platform.DISCORD, "chat_id": "7"}
        assert offered(harness, "7", **discord)[0] == "amber"
        code = await harness.desk.handle(Link(), a_context("2", "ann"))
        assert isinstance(code, LinkCode)
        for event in "34":
            await harness.desk.handle(Link(code.code), a_context(event, "7", **discord))
        assert offered(harness, "7", **discord)[0] == "coral"
        await harness.desk.handle(Unlink(), a_context("5", "7", **discord))
        assert offered(harness, "7", **discord)[0] == "amber"


async def test_only_the_newest_of_a_person_count(tmp_path: Path) -> None:
    files = {f"l{n:02}": LoraFile(f"l{n:02}", Path("x"), f"{n:064x}", 1, 8) for n in range(RECENT + 2)}
    async with open_harness(tmp_path, shelf=Shelf(files), rules=RULES) as harness:
        for number, name in enumerate(files):
            await draw(harness, str(number), "ann", name)
        own = offered(harness, "ann", chat_id="elsewhere")[:RECENT]
        assert own == sorted(files, reverse=True)[:RECENT]


def thousand() -> LoraShelf:

    return make_shelf(1_000, Random(14))


def test_a_thousand_loras_cost_one_comparison_of_each_key_and_its_beginning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shelf, compared, asked = thousand(), 0, 0
    keys = sum(len(entry.keys) for entry in shelf._entries)

    def ratio(one: str, other: str, **limits: Any) -> float:
        nonlocal compared
        compared += 1
        return fuzz.ratio(one, other, **limits)

    def may_use(file: LoraFile) -> bool:
        nonlocal asked
        asked += 1
        return True

    monkeypatch.setattr(shelf_module, "fuzz", SimpleNamespace(ratio=ratio))
    found = shelf.suggest("karenmi style 77", "en", may_use)
    assert len(found) <= MOST_SUGGESTED
    assert compared <= 2 * keys
    assert asked <= 1_000  # a rule is asked about what matches alone
    compared = asked = 0
    assert len(shelf.suggest("", "en", may_use)) == MOST_SUGGESTED
    assert (compared, asked) == (0, 1_000)


def test_of_a_thousand_every_one_is_found_by_its_name_with_a_typing_error() -> None:
    shelf = thousand()
    for file in shelf.all_files[::50]:
        wrong = file.name[:2] + "x" + file.name[3:]
        assert file.name in [lora.name for lora in shelf.suggest(wrong, "en")]
        initials = [lora.name for lora in shelf.suggest(file.titles["zh-CN"], "zh-CN")]
        assert initials[0] == file.name


def test_no_answer_has_more_than_25_choices() -> None:

    shelf = thousand()
    texts = typed_texts(shelf, Random(1))[:300]
    assert all(len(shelf.suggest(text, "en")) <= MOST_SUGGESTED for text in texts)
