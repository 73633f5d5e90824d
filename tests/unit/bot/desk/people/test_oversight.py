"""Hosts see everybody with credits, jobs and bans, and what hosts did; others see neither."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from bot.commands.values import BanPerson, ListHostActions, ListPeople, PauseDrawing, UnbanPerson
from bot.desk.people.oversight import PAGE_LENGTH
from bot.errors import HostsOnly, NotInPublic
from bot.outcomes import HostActionListing, PeopleListing, PersonSummary, Platform, Who
from bot.policy.rules import Entitlement, Rules, Tier
from tests.fakes.desk_harness import HOST, DeskHarness, a_context, in_group, open_harness

DAY_MS = 86_400_000
RULES = Rules(
    hosts=frozenset({"discord:boss"}),
    allow=frozenset({"discord:*"}),
    daily_credits=40,
    max_waiting=9,
    tiers=(Tier(frozenset({"discord:vip"}), Entitlement(3, 200)),),
)


@pytest_asyncio.fixture
async def harness(tmp_path: Path) -> AsyncIterator[DeskHarness]:
    async with open_harness(tmp_path, rules=RULES) as harness:
        yield harness


async def people(harness: DeskHarness, search: str = "", page: int = 1) -> PeopleListing:
    listing = await harness.desk.handle(ListPeople(search, page), a_context("", HOST))
    assert isinstance(listing, PeopleListing)
    return listing


async def person(harness: DeskHarness, user_id: str) -> PersonSummary:
    (found,) = (await people(harness, f"discord:{user_id}")).people
    return found


async def accept(harness: DeskHarness, event: str, user_id: str) -> None:
    await harness.accept(event, user_id, platform=Platform.DISCORD, prompt=event)


async def test_a_person_has_credits_jobs_and_tier(harness: DeskHarness) -> None:
    await accept(harness, "1", "vip")
    await accept(harness, "2", "vip")

    found = await person(harness, "vip")

    assert found.identities == (Who("discord:vip", "name of vip"),)
    assert (found.credits, found.daily, found.weight) == (198, 200, 3)
    assert (found.jobs_today, found.unfinished) == (2, 2)
    assert found.last_s == harness.clock() // 1_000
    assert not found.is_host
    assert found.ban is None


async def test_yesterday_s_jobs_are_not_today_s_and_today_s_allowance_counts(harness: DeskHarness) -> None:
    await accept(harness, "1", "ann")
    assert (await person(harness, "ann")).credits == 39
    harness.clock.now_ms += DAY_MS

    found = await person(harness, "ann")

    assert (found.jobs_today, found.unfinished) == (0, 1)
    assert found.credits == 40
    await accept(harness, "2", "ann")
    found = await person(harness, "ann")
    assert (found.jobs_today, found.credits) == (1, 39)


async def test_who_asked_last_is_first_and_pages_do_not_overlap(harness: DeskHarness) -> None:
    for number in range(PAGE_LENGTH + 3):
        await accept(harness, str(number), f"p{number:02}")
    await accept(harness, "again", "p00")

    first, second, beyond = [await people(harness, page=page) for page in (1, 2, 9)]

    assert (first.total, first.pages, second.page, beyond.page) == (PAGE_LENGTH + 3, 2, 2, 2)
    shown = [each.identities[0].identity for each in (*first.people, *second.people)]
    assert shown[:3] == ["discord:p00", "discord:p22", "discord:p21"]
    assert len(set(shown)) == len(shown) == PAGE_LENGTH + 3


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("ANN", {"discord:ann"}),
        ("name of", {"discord:ann", "discord:b%b"}),
        ("%", {"discord:b%b"}),
        ("_", set()),
        ("discord:a", {"discord:ann"}),
        ("'; DROP TABLE person; --", set()),
    ],
)
async def test_a_search_finds_names_and_ids_as_they_are_written(
    harness: DeskHarness, search: str, expected: set[str]
) -> None:
    for event, user_id in (("1", "ann"), ("2", "b%b")):
        await accept(harness, event, user_id)
    found = await people(harness, search)
    assert {each.identities[0].identity for each in found.people} == expected
    assert found.total == len(expected)


async def test_a_ban_is_shown_until_it_ends(harness: DeskHarness) -> None:
    await accept(harness, "1", "ann")
    boss = a_context("ban", "boss", platform=Platform.DISCORD)
    await harness.desk.handle(BanPerson("discord:ann", 60, "spam"), boss)

    found = await person(harness, "ann")
    assert found.ban is not None
    assert (found.ban.reason, found.ban.until_s) == ("spam", harness.clock() // 1_000 + 60)
    assert found.unfinished == 0

    harness.clock.now_ms += 60_000
    assert (await person(harness, "ann")).ban is None


async def test_a_host_is_marked(harness: DeskHarness) -> None:
    await accept(harness, "1", "boss")
    assert (await person(harness, "boss")).is_host


async def test_the_record_has_who_did_what_to_whom_newest_first(harness: DeskHarness) -> None:
    await accept(harness, "1", "boss")
    boss = a_context("ban", "boss", platform=Platform.DISCORD)
    await harness.desk.handle(BanPerson("discord:ann", None, "spam"), boss)
    await harness.desk.handle(UnbanPerson("discord:ann"), replace(boss, event_id="unban"))
    await harness.desk.handle(PauseDrawing("a new card"), replace(boss, event_id="pause"))

    listing = await harness.desk.handle(ListHostActions(), a_context("", HOST))

    assert isinstance(listing, HostActionListing)
    assert [(each.action, each.subject) for each in listing.actions] == [
        ("paused", ""),
        ("unban", "discord:ann"),
        ("ban", "discord:ann"),
    ]
    assert {each.who for each in listing.actions} == {Who("discord:boss", "name of boss")}
    assert listing.actions[2].detail["reason"] == "spam"
    assert (listing.page, listing.pages, listing.total) == (1, 1, 3)


@pytest.mark.parametrize("command", [ListPeople(), ListHostActions()])
async def test_only_hosts_see_it_and_only_alone(
    harness: DeskHarness, command: ListPeople | ListHostActions
) -> None:
    with pytest.raises(HostsOnly):
        await harness.desk.handle(command, a_context("1", "ann"))
    with pytest.raises(NotInPublic):
        await harness.desk.handle(command, in_group("2", HOST))
