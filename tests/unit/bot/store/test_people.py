"""People: met once, known by their newest name, and their credits accounted for."""

import pytest

from bot.store import Store
from bot.store.rows import AccountRow, LedgerKind
from tests.unit.bot.store.stored import a_job, ended_jobs


async def test_a_new_person_has_nothing_and_was_given_nothing(store: Store) -> None:
    person = await store.people.find_or_create("web", "ann", "Ann", "en", 1)
    assert await store.people.find("web", "ann") == person
    assert await store.people.find("discord", "ann") is None
    assert await store.people.account(person) == AccountRow(credits=0, renews_at_s=0, given=None)


async def test_an_allowance_is_noted_for_its_person_alone(store: Store) -> None:
    ann = await store.people.find_or_create("web", "ann", "Ann", "en", 1)
    bob = await store.people.find_or_create("web", "bob", "Bob", "en", 1)
    await store.people.renew(ann, 86_400, 20)
    assert await store.people.account(ann) == AccountRow(credits=0, renews_at_s=86_400, given=20)
    assert await store.people.account(bob) == AccountRow(credits=0, renews_at_s=0, given=None)


async def test_a_result_goes_to_the_present_name_of_its_person(store: Store) -> None:
    await ended_jobs(store, "job")
    await store.people.find_or_create("web", "ann", "Anna", "zh-CN", 2)
    result = await store.outbox.details("job")
    assert (result.user_id, result.user_name) == ("ann", "Anna")


async def test_the_last_credit_may_be_spent_and_no_more(store: Store) -> None:
    job = await a_job(store)
    assert await store.people.move_credits(job.person, LedgerKind.ALLOWANCE, 2, 1) is True
    assert await store.people.move_credits(job.person, LedgerKind.CHARGE, -3, 1, job.id) is False
    assert await store.people.move_credits(job.person, LedgerKind.CHARGE, -2, 1, job.id) is True
    assert (await store.people.account(job.person)).credits == 0
    survey = await store.survey()
    assert (survey.credits, survey.ledger, survey.unbalanced) == (0, 0, 0)


async def test_a_result_has_the_refund_of_its_job(store: Store) -> None:
    await ended_jobs(store, "job", "other")
    job = await store.jobs.find("job")
    assert job is not None
    await store.people.move_credits(job.person, LedgerKind.REFUND, 2, 1, "job")
    told, other = await store.outbox.details("job"), await store.outbox.details("other")
    assert (told.refund, told.credits) == (2, 2)
    assert (other.refund, other.credits) == (0, 2)
    with pytest.raises(Exception, match="UNIQUE"):
        await store.people.move_credits(job.person, LedgerKind.REFUND, 2, 1, "job")
