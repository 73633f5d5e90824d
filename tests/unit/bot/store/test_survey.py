"""The survey of a database: what is there, and that broken laws are seen."""

import sqlite3
from pathlib import Path

import pytest

from bot.commands.values import Draw
from bot.store import Store
from tests.fakes.desk_harness import a_context, open_harness
from tests.unit.bot.store.stored import a_person


async def test_a_used_database_is_sound_and_counted(tmp_path: Path) -> None:
    async with open_harness(tmp_path) as harness:
        async with harness.running():
            await harness.desk.handle(Draw(prompt="a face", count=2), a_context("1"))
            await harness.chat.wait_for_results(1)
        survey = await harness.store.survey()
    assert survey.is_sound
    assert dict(survey.jobs) == {"done": 1}
    assert (survey.people, survey.pictures) == (1, 2)
    assert survey.credits == survey.ledger > 0
    assert survey.schema >= 1


async def test_manually_changed_credits_are_reported(tmp_path: Path) -> None:
    async with open_harness(tmp_path) as harness:
        await harness.desk.handle(Draw(prompt="a face"), a_context("1"))
    with sqlite3.connect(tmp_path / "sugarbot.db") as database:
        database.execute("UPDATE account SET credits = credits + 1")
    database.close()
    async with open_harness(tmp_path) as harness:
        survey = await harness.store.survey()
    assert survey.unbalanced == 1
    assert not survey.is_sound


async def test_an_ended_job_without_an_outbox_row_is_reported(tmp_path: Path) -> None:
    async with open_harness(tmp_path) as harness, harness.running():
        await harness.desk.handle(Draw(prompt="a face"), a_context("1"))
        await harness.chat.wait_for_results(1)
    with sqlite3.connect(tmp_path / "sugarbot.db") as database:
        database.execute("DELETE FROM outbox")
    database.close()
    async with open_harness(tmp_path) as harness:
        survey = await harness.store.survey()
    assert survey.lost_results == 1
    assert not survey.is_sound


async def test_an_empty_database_is_sound(store: Store) -> None:
    survey = await store.survey()
    assert survey.is_sound
    assert (dict(survey.jobs), survey.people, survey.credits, survey.damage) == ({}, 0, 0, ())


async def test_rows_that_the_schema_forbids_are_damage(store: Store) -> None:
    person = await a_person(store, "web", "ann", "Ann", "en", 1)
    await store._run("PRAGMA ignore_check_constraints = 1")
    await store._run("INSERT INTO identity VALUES ('fax', 'ann', :person, 'Ann', 'en')", {"person": person})
    await store._run("PRAGMA ignore_check_constraints = 0")
    survey = await store.survey()
    assert survey.damage == ("CHECK constraint failed in identity",)
    assert (survey.unbalanced, survey.lost_results, survey.is_sound) == (0, 0, False)


async def test_rows_that_point_at_nothing_are_damage(store: Store) -> None:
    await store._run("PRAGMA foreign_keys = OFF")
    await store._run("INSERT INTO account (person) VALUES (99)")
    survey = await store.survey()
    assert survey.damage == ("account 99 → person",)
    assert not survey.is_sound


@pytest.mark.parametrize("more", [1, 3])
async def test_each_person_with_wrong_credits_counts(store: Store, more: int) -> None:
    for number in range(more + 1):
        await a_person(store, "web", str(number), "Ann", "en", 1)
    await store._run("UPDATE account SET credits = 1 WHERE person > 1")
    survey = await store.survey()
    assert (survey.unbalanced, survey.credits, survey.ledger) == (more, more, 0)
