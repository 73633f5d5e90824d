"""Trigger words: added for the model, and shown apart from what the person typed."""

import sqlite3
from pathlib import Path

import pytest

from bot import messages
from bot.commands.values import Draw, Face, LoraWish, Mine, Reroll
from bot.outcomes import History, Receipt
from tests.fakes.desk_harness import MIGRATIONS, DeskHarness, a_context

SUGAR = (LoraWish("sugar"),)


async def test_a_job_stores_what_was_typed_and_what_is_drawn(harness: DeskHarness) -> None:
    receipt = await harness.accept(prompt="a girl", face=Face(lips="red lips"), loras=SUGAR)
    recipe = (await harness.job(receipt.job_id)).recipe
    assert recipe == receipt.recipe
    assert recipe.prompt == "sugar face, a girl, red lips"
    assert recipe.typed == "a girl, red lips"
    assert recipe.triggers == ("sugar face",)


async def test_a_trigger_that_the_person_typed_is_not_shown_apart(harness: DeskHarness) -> None:
    recipe = (await harness.accept(prompt="a SUGAR face", loras=SUGAR)).recipe
    assert (recipe.prompt, recipe.typed, recipe.triggers) == ("a SUGAR face", "a SUGAR face", ())


async def test_a_job_of_nothing_but_a_trigger_has_no_typed_text(harness: DeskHarness) -> None:
    recipe = (await harness.accept(prompt="", loras=SUGAR)).recipe
    assert (recipe.prompt, recipe.typed, recipe.triggers) == ("sugar face", "", ("sugar face",))


async def test_a_reroll_keeps_both_texts(harness: DeskHarness) -> None:
    first = await harness.accept(prompt="a girl", loras=SUGAR)
    again = await harness.desk.handle(Reroll(first.job_id), a_context("2"))
    assert isinstance(again, Receipt)
    old, new = first.recipe, again.recipe
    assert (new.prompt, new.typed, new.triggers) == (old.prompt, old.typed, old.triggers)
    assert new.seed != old.seed


async def test_the_worker_draws_the_final_prompt(harness: DeskHarness) -> None:
    await harness.accept(prompt="a girl", loras=SUGAR)
    async with harness.running():
        await harness.chat.wait_for_results(1)
    assert harness.renderer.requests[0].prompt == "sugar face, a girl"
    caption = messages.format_caption(harness.chat.results[0], "en")
    assert "trigger words: sugar face" in caption


@pytest.mark.parametrize(
    ("locale", "words"), [("en", "trigger words: sugar face"), ("zh-CN", "触发词：sugar face")]
)
async def test_receipt_and_history_show_the_triggers_apart(
    harness: DeskHarness, locale: str, words: str
) -> None:
    receipt = await harness.accept(prompt="a girl", loras=SUGAR)
    assert words in messages.format_outcome(receipt, locale)
    history = await harness.desk.handle(Mine(), a_context("2"))
    assert isinstance(history, History)
    line = messages.format_history_entry(history.entries[0], locale)
    assert "a girl" in line
    assert "sugar face, a girl" not in line
    assert words in line


async def test_without_a_lora_nothing_is_said_about_triggers(harness: DeskHarness) -> None:
    receipt = await harness.desk.handle(Draw(prompt="a girl"), a_context("1"))
    assert "trigger" not in messages.format_outcome(receipt, "en")


def test_of_a_job_from_before_the_drawn_text_counts_as_typed(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "old.db")
    steps = sorted(MIGRATIONS.glob("*.sql"))
    for step in steps[:5]:
        connection.executescript(step.read_text(encoding="utf-8"))
    connection.executescript(
        "INSERT INTO person VALUES (1, 1);"
        "INSERT INTO job (id, person, state, accepted_order, platform, chat_id, ref, locale, private, "
        "prompt, loras, width_px, height_px, seed, count, steps, price, created_ms) VALUES ('j', 1, "
        "'queued', 1, 'web', '', '', 'en', 0, 'sugar face, a girl', '[]', 64, 64, 1, 1, 8, 1, 1);"
    )
    for step in steps[5:]:
        connection.executescript(step.read_text(encoding="utf-8"))
    rows = connection.execute("SELECT prompt, typed, triggers FROM job").fetchall()
    connection.close()
    assert rows == [("sugar face, a girl", "sugar face, a girl", "[]")]
