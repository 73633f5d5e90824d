"""What the store keeps of jobs that continue from others, and of jobs after their end."""

from dataclasses import replace

import pytest

from bot.outcomes import Derivation, Lineage, PictureMessage, Platform, Recipe, Start
from bot.store import Store
from bot.store.rows import NewJob
from tests.unit.bot.store.stored import a_job, a_person, ended_jobs

RECIPE = Recipe("a", (), 64, 64, seed=7, count=1, steps=8, typed="a")


@pytest.mark.parametrize("lineage", [None, *(Lineage(each, "old", 3) for each in Derivation)])
@pytest.mark.parametrize("start", [None, Start("old", 3, 0.4)])
async def test_a_job_keeps_from_what_it_continues(
    store: Store, lineage: Lineage | None, start: Start | None
) -> None:
    person = await a_person(store, "web", "ann")
    new = NewJob(
        id="new", person=person, platform="web", chat_id="room", ref="", locale="en", private=False,
        recipe=replace(RECIPE, start=start), price=1, created_ms=1, asked_in=("web:room",), spoiler=False,
        request="", asked_ref="there", lineage=lineage,
    )  # fmt: skip
    await store.jobs.add(new, event_id="e", most_unfinished=9)
    job = await store.jobs.find("new")
    assert job is not None
    assert (job.recipe.start, job.lineage, job.asked_ref, job.deleted_ms) == (start, lineage, "there", None)


async def test_what_two_linked_people_reported_is_reported_once(store: Store) -> None:
    await ended_jobs(store, "bad", "worse")
    ben = await a_person(store, "discord", "ben")
    cat = await a_person(store, "telegram", "cat")
    for person, job_id, now_ms in ((ben, "bad", 1), (cat, "bad", 2), (cat, "worse", 3)):
        await store.ended.add_report(job_id, person, now_ms)
    await store.links.add_code("K3F9", ben, "discord", 0, 100)
    async with store.atomic():
        await store.links.merge(cat, ben, "K3F9")
    reports = {row.job: row.reports for row in await store.ended.newest_reports(9)}
    assert reports == {"bad": 1, "worse": 1}
    assert await store.ended.count_reports("bad", ben, 0) == (2, True)
    assert await store.ended.count_reports("nothing", ben, 3) == (1, False)


async def test_messages_lead_to_their_pictures_until_they_or_their_chat_are_gone(store: Store) -> None:
    await a_job(store, "j1")
    await a_job(store, "j2")
    shown = [
        PictureMessage(Platform.TELEGRAM, "-1", "70", "j1", 0),
        PictureMessage(Platform.TELEGRAM, "-1", "71", "j1"),
        PictureMessage(Platform.TELEGRAM, "-2", "70", "j2", 3),
        PictureMessage(Platform.DISCORD, "-1", "70", "j2", 1),
    ]
    await store.messages.add(shown)
    for each in shown:
        assert await store.messages.find(each.platform, each.chat_id, each.message_id) == each
    assert await store.messages.find("telegram", "-1", "72") is None
    assert await store.messages.of_job("j1") == tuple(shown[:2])

    edited = replace(shown[0], job_id="j2")
    await store.messages.add([edited])
    assert await store.messages.find("telegram", "-1", "70") == edited
    await store.messages.forget(shown[:2])
    assert await store.messages.of_job("j1") == ()
    assert await store.messages.of_job("j2", Platform.TELEGRAM) == (edited, shown[2])
    await store.jobs.move_chat("telegram", "-1", "-1001")
    await store.messages.forget_chat("telegram", "-1")
    assert await store.messages.of_job("j2") == (shown[3], shown[2])
