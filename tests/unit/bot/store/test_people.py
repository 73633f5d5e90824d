"""People: met once, known by their newest name, their credits accounted for, and linked over platforms."""

import pytest

from bot.store import Store
from bot.store.rows import AccountRow, DefaultLora, LedgerKind, LinkCodeRow
from tests.unit.bot.store.stored import a_job, a_person, ended_jobs


async def test_a_new_person_has_nothing_and_was_given_nothing(store: Store) -> None:
    person = await a_person(store, "web", "ann", "Ann", "en", 1)
    assert await store.people.find("web", "ann") == person
    assert await store.people.find("discord", "ann") is None
    assert await store.people.account(person) == AccountRow(person, credits=0, renews_at_s=0, given=None)


async def test_an_allowance_is_noted_for_its_person_alone(store: Store) -> None:
    ann = await a_person(store, "web", "ann", "Ann", "en", 1)
    bob = await a_person(store, "web", "bob", "Bob", "en", 1)
    await store.people.renew(ann, 86_400, 20)
    assert await store.people.account(ann) == AccountRow(ann, credits=0, renews_at_s=86_400, given=20)
    assert await store.people.account(bob) == AccountRow(bob, credits=0, renews_at_s=0, given=None)


async def test_a_result_goes_to_the_present_name_of_its_person(store: Store) -> None:
    await ended_jobs(store, "job")
    await a_person(store, "web", "ann", "Anna", "zh-CN", 2)
    result = await store.outbox.load("job")
    assert result is not None
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
    told, other = await store.outbox.load("job"), await store.outbox.load("other")
    assert told is not None
    assert other is not None
    assert (told.refund, told.credits) == (2, 2)
    assert (other.refund, other.credits) == (0, 2)
    with pytest.raises(Exception, match="UNIQUE"):
        await store.people.move_credits(job.person, LedgerKind.REFUND, 2, 1, "job")


async def two_people(store: Store) -> tuple[int, int]:
    """Ann on the web and on Discord; they are two until a code joins them."""
    ann = await a_person(store, "web", "ann", "Ann", "en", 1)
    return ann, await a_person(store, "discord", "4711", "Ann of Discord", "en", 1)


async def test_a_code_names_who_requested_it_and_who_typed_it_first(store: Store) -> None:
    ann, _ = await two_people(store)
    await store.links.add_code("K3F9", ann, "web", 0, 100)
    assert await store.links.find_code("K3F9", 99) == LinkCodeRow(ann, None, None, False, "web", "Ann")
    await store.links.reserve_code("K3F9", "discord:4711", "first")
    await store.links.reserve_code("K3F9", "discord:0815", "second")
    found = await store.links.find_code("K3F9", 99)
    assert found is not None
    assert (found.typed_by, found.typed_event, found.used) == ("discord:4711", "first", False)


async def test_a_code_works_until_it_expires_or_another_is_asked_for(store: Store) -> None:
    ann, other = await two_people(store)
    await store.links.add_code("OLD", ann, "web", 0, 100)
    await store.links.add_code("HERS", other, "discord", 0, 100)
    assert await store.links.find_code("OLD", 100) is None
    assert await store.links.find_code("NONE", 0) is None
    await store.links.add_code("NEW", ann, "web", 50, 150)
    assert await store.links.find_code("OLD", 50) is None
    assert await store.links.find_code("NEW", 50) is not None
    assert await store.links.find_code("HERS", 50) is not None


async def test_linking_moves_identities_jobs_codes_and_granted_credits(store: Store) -> None:
    ann, other = await two_people(store)
    await store.people.renew(ann, 50, 4)
    await store.people.renew(other, 90, 6)
    await store.people.move_credits(ann, LedgerKind.GRANT, 3, 1)
    await store.people.move_credits(other, LedgerKind.GRANT, 4, 1)
    job = await a_job(store, "theirs", platform="discord", user_id="4711")
    await store.links.add_code("SECOND", other, "discord", 0, 100)
    await store.links.add_code("FIRST", ann, "web", 0, 100)
    async with store.atomic():
        await store.links.merge(merged=other, kept=ann, code="FIRST")
    assert await store.links.identities_of(ann) == (("discord", "4711"), ("web", "ann"))
    assert await store.links.identities_of(other) == ()
    assert await store.people.find("discord", "4711") == ann
    account = await store.people.account(ann)
    assert (account.credits, account.renews_at_s, account.given) == (7, 90, 6)
    assert [row.id for row in await store.jobs.newest_of(ann, 9)] == [job.id]
    used, open_ = await store.links.find_code("FIRST", 0), await store.links.find_code("SECOND", 0)
    assert used is not None
    assert open_ is not None
    assert (used.person, used.used, open_.person, open_.used) == (ann, True, ann, False)
    survey = await store.survey()
    assert survey.is_sound
    assert (survey.people, survey.credits, survey.ledger) == (1, 7, 7)
    with pytest.raises(ValueError, match="not enough values"):
        await store.people.account(other)


async def test_an_unlinked_identity_begins_with_nothing_and_no_second_allowance(store: Store) -> None:
    ann, other = await two_people(store)
    for person in (ann, other):
        await store.people.renew(person, 50, 4)
    await store.people.move_credits(ann, LedgerKind.GRANT, 3, 1)
    await store.links.merge(merged=other, kept=ann, code="")
    alone = await store.links.split("discord", "4711", ann, 60)
    assert alone != ann
    assert await store.people.find("discord", "4711") == alone
    assert await store.people.find("web", "ann") == ann
    account = await store.people.account(alone)
    assert (account.credits, account.renews_at_s, account.given) == (0, 50, 4)
    assert (await store.people.account(ann)).credits == 3


async def test_identities_are_found_by_their_names_and_strangers_are_not(store: Store) -> None:
    ann, other = await two_people(store)
    found = await store.links.people_of(name for name in ("web:ann", "discord:4711", "web:nobody"))
    assert sorted(found) == [(ann, "web:ann"), (other, "discord:4711")]
    assert await store.links.people_of([]) == ()


async def test_a_chats_default_and_its_history_move_to_its_new_id(store: Store) -> None:
    await store.defaults.set_for_chat("web", "-5", DefaultLora("sugar", 0.5))
    await store.defaults.move_chat("web", "-5", "-1005")
    assert await store.defaults.of("web", "-1005") == DefaultLora("sugar", 0.5)
    assert await store.defaults.of("web", "-5") is None
    await store.defaults.move_chat("web", "-1005", "-2005")
    assert set(await store.defaults.earlier_ids("web", "-2005")) == {"-5", "-1005"}
    assert await store.defaults.earlier_ids("discord", "-2005") == ()


async def test_a_default_that_a_chat_has_already_is_not_replaced_when_another_moves_there(
    store: Store,
) -> None:
    await store.defaults.set_for_chat("web", "old", DefaultLora("sugar", 0.5))
    await store.defaults.set_for_chat("web", "new", DefaultLora("anime", 1.0))
    await store.defaults.move_chat("web", "old", "new")
    assert await store.defaults.of("web", "new") == DefaultLora("anime", 1.0)


async def test_the_bots_default_is_the_last_one_set(store: Store) -> None:
    assert await store.defaults.of_bot() is None
    await store.defaults.set_for_bot(DefaultLora("sugar", 0.5))
    await store.defaults.set_for_bot(DefaultLora("anime", 1.0))
    assert await store.defaults.of_bot() == DefaultLora("anime", 1.0)
    await store.defaults.set_for_chat("web", "room", DefaultLora("sugar", 0.5))
    assert await store.defaults.of_bot() == DefaultLora("anime", 1.0)
