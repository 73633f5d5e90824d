"""The survey of a database: what is there, and that broken laws are seen."""

import sqlite3
from pathlib import Path

from bot.commands.values import Draw
from tests.fakes.room import a_visit, open_room


async def test_a_used_database_is_sound_and_counted(tmp_path: Path) -> None:
    async with open_room(tmp_path) as room:
        async with room.running():
            await room.desk.handle(Draw(prompt="a face", count=2), a_visit("1"))
            await room.chat.wait_for_parcels(1)
        survey = await room.store.survey()
    assert survey.is_sound
    assert dict(survey.jobs) == {"done": 1}
    assert (survey.people, survey.pictures) == (1, 2)
    assert survey.credits == survey.ledger > 0
    assert survey.schema >= 1


async def test_credits_changed_by_hand_are_seen(tmp_path: Path) -> None:
    async with open_room(tmp_path) as room:
        await room.desk.handle(Draw(prompt="a face"), a_visit("1"))
    with sqlite3.connect(tmp_path / "sugarbot.db") as database:
        database.execute("UPDATE account SET credits = credits + 1")
    database.close()
    async with open_room(tmp_path) as room:
        survey = await room.store.survey()
    assert survey.unbalanced == 1
    assert not survey.is_sound


async def test_an_ended_job_without_a_parcel_is_seen(tmp_path: Path) -> None:
    async with open_room(tmp_path) as room, room.running():
        await room.desk.handle(Draw(prompt="a face"), a_visit("1"))
        await room.chat.wait_for_parcels(1)
    with sqlite3.connect(tmp_path / "sugarbot.db") as database:
        database.execute("DELETE FROM outbox")
    database.close()
    async with open_room(tmp_path) as room:
        survey = await room.store.survey()
    assert survey.untold == 1
    assert not survey.is_sound
