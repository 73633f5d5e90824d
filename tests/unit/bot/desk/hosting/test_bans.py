"""A banned person is refused under all identities, and their jobs end, refunded; a host is never banned."""

from dataclasses import replace
from pathlib import Path

import pytest

from bot.commands.values import BanPerson, Draw, Link, Mine, Quota, UnbanPerson
from bot.errors import Banned, BannedForNow, HostNotBanned, HostsOnly, NotBanned, NotInPublic, UnknownPerson
from bot.outcomes import (
    BanListing,
    BanShown,
    CommandContext,
    LinkCode,
    PersonBanned,
    PersonUnbanned,
    Platform,
    Who,
)
from bot.policy.rules import Rules
from tests.fakes.desk_harness import DeskHarness, a_context, open_harness, until
from tests.fakes.renderer import Act, FakeRenderer

RULES = Rules(
    hosts=frozenset({"discord:boss"}),
    allow=frozenset({"discord:*", "telegram:*"}),
    daily_credits=100,
    max_waiting=9,
)


def discord(event_id: str, user_id: str) -> CommandContext:
    return a_context(event_id, user_id, platform=Platform.DISCORD, chat_id=user_id)


async def ban(
    harness: DeskHarness, person: str, duration_s: int | None = None, event: str = "b"
) -> PersonBanned:
    banned = await harness.desk.handle(BanPerson(person, duration_s, "spam"), discord(event, "boss"))
    assert isinstance(banned, PersonBanned)
    return banned


async def credits_of(harness: DeskHarness, user_id: str, platform: str = "discord") -> int:
    person = await harness.store.people.find(platform, user_id)
    assert person is not None
    return (await harness.store.people.account(person)).credits


async def test_a_ban_ends_the_jobs_refunds_them_and_refuses_new_ones_until_it_is_lifted(
    tmp_path: Path,
) -> None:
    async with open_harness(tmp_path, rules=RULES) as harness:
        for event in ("1", "2"):
            await harness.accept(event, "ann", platform=Platform.DISCORD, prompt=event)
        assert await credits_of(harness, "ann") == 98
        banned = await ban(harness, "discord:ann")
        assert banned == PersonBanned(BanShown(Who("discord:ann", "name of ann"), None, "spam"), ended=2)
        assert await credits_of(harness, "ann") == 100
        assert harness.desk.queue_status().waiting == 0
        with pytest.raises(Banned) as refused:
            await harness.desk.handle(Draw("x"), discord("3", "ann"))
        assert refused.value.facts == {"reason": "spam"}
        await harness.desk.handle(Mine(), discord("4", "ann"))
        lifted = await harness.desk.handle(UnbanPerson("name of ann"), discord("5", "boss"))
        assert lifted == PersonUnbanned(Who("discord:ann", "name of ann"))
        await harness.desk.handle(Draw("x"), discord("6", "ann"))
        actions = await harness.store.permissions.newest_actions(9)
        assert [(each.action, each.subject) for each in actions] == [
            ("unban", "discord:ann"),
            ("ban", "discord:ann"),
        ]
        assert actions[1].detail == {"until_ms": None, "reason": "spam", "ended": 2}


async def test_a_job_that_is_drawn_stops_after_its_step(tmp_path: Path) -> None:
    renderer = FakeRenderer([Act.HANG], step_s=0.001)
    async with open_harness(tmp_path, rules=RULES, renderer=renderer) as harness, harness.running():
        receipt = await harness.accept("1", "ann")
        await until(lambda: harness.desk.queue_status().step > 0)
        assert (await ban(harness, receipt.job_id)).ended == 1  # named by the job
        await until(lambda: len(harness.chat.results) == 1)
        assert (await harness.job(receipt.job_id)).state == "cancelled"
        assert await credits_of(harness, "ann", "console") == 100


async def test_a_ban_for_a_time_ends_by_itself_and_survives_a_restart(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=RULES) as harness:
        await harness.desk.handle(Quota(), discord("0", "ann"))
        until_s = (await ban(harness, "name of ann", 60)).ban.until_s
        clock = harness.clock
    async with open_harness(tmp_path, rules=RULES, clock=clock) as harness:
        await harness.desk.parts.permissions.load()
        with pytest.raises(BannedForNow) as refused:
            await harness.desk.handle(Quota(), discord("1", "ann"))
        assert refused.value.facts == {"reason": "spam", "until_s": until_s}
        clock.now_ms += 60_000
        await harness.desk.handle(Quota(), discord("2", "ann"))
        assert await harness.desk.handle(BanPerson(), discord("3", "boss")) == BanListing(())


async def test_all_identities_of_a_person_are_banned_and_freed(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=RULES) as harness:
        code = await harness.desk.handle(Link(), discord("1", "ann"))
        assert isinstance(code, LinkCode)
        other = a_context("2", "55", platform=Platform.TELEGRAM, chat_id="55")
        for event in ("2", "3"):
            await harness.desk.handle(Link(code.code), replace(other, event_id=event))
        await ban(harness, "telegram:55")
        for context in (discord("4", "ann"), replace(other, event_id="5")):
            with pytest.raises(Banned):
                await harness.desk.handle(Quota(), context)
        await harness.desk.handle(UnbanPerson("discord:ann"), discord("6", "boss"))
        await harness.desk.handle(Quota(), replace(other, event_id="7"))


async def test_somebody_who_never_wrote_can_be_banned(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=RULES) as harness:
        assert (await ban(harness, "<@99>")).ban.who == Who("discord:99")
        with pytest.raises(Banned):
            await harness.desk.handle(Quota(), discord("1", "99"))
        listing = await harness.desk.handle(BanPerson(), discord("2", "boss"))
        assert listing == BanListing((BanShown(Who("discord:99"), None, "spam"),))


@pytest.mark.parametrize("person", ["discord:boss", "<@boss>", "name of boss", "console:host", "web:any"])
async def test_a_host_is_never_banned(tmp_path: Path, person: str) -> None:
    async with open_harness(tmp_path, rules=RULES) as harness:
        await harness.desk.handle(Quota(), discord("1", "boss"))
        with pytest.raises((HostNotBanned, UnknownPerson)):
            await ban(harness, person)
        assert harness.desk.parts.rules.now.bans == {}


@pytest.mark.parametrize("person", ["nobody", "'; DROP TABLE identity; --", "name of twin", "x" * 64, "_%"])
async def test_who_is_not_known_or_not_unique_is_not_banned(tmp_path: Path, person: str) -> None:
    async with open_harness(tmp_path, rules=RULES) as harness:
        for user_id in ("7", "8"):
            await harness.desk.handle(Quota(), replace(discord(user_id, user_id), user_name="name of twin"))
        with pytest.raises(UnknownPerson):
            await ban(harness, person)


async def test_only_hosts_ban_and_the_list_is_private(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=RULES) as harness:
        for command in (BanPerson("discord:boss"), BanPerson(), UnbanPerson("discord:boss")):
            with pytest.raises(HostsOnly):
                await harness.desk.handle(command, discord("1", "ann"))
        with pytest.raises(NotInPublic):
            await harness.desk.handle(BanPerson(), replace(discord("2", "boss"), is_group=True))
        with pytest.raises(NotBanned):
            await harness.desk.handle(UnbanPerson("discord:5"), discord("3", "boss"))
