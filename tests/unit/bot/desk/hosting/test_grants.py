"""A grant is given once and takes what there is; the ledger names the host. The owner pays nothing."""

from dataclasses import replace
from pathlib import Path

import pytest

from bot.commands.values import Draw, GrantCredits, Link, Quota
from bot.errors import HostsOnly, NeverWrote, NothingToTake, NotInPublic, UnknownPerson
from bot.outcomes import (
    CommandContext,
    CreditBalance,
    CreditsGranted,
    DailyCreditsGranted,
    DryRun,
    LinkCode,
    Outcome,
    Platform,
    Receipt,
    Who,
)
from bot.policy.rules import Entitlement, Rules, Tier
from tests.fakes.desk_harness import HOST, DeskHarness, a_context, open_harness

RULES = Rules(
    hosts=frozenset({"discord:boss"}), allow=frozenset({"discord:*", "telegram:*"}), daily_credits=10
)
ANN = Who("discord:ann", "name of ann")


def discord(event_id: str, user_id: str = "boss") -> CommandContext:
    return a_context(event_id, user_id, platform=Platform.DISCORD, chat_id=user_id)


async def credits_of(harness: DeskHarness, context: CommandContext) -> tuple[int, int]:
    balance = await harness.desk.handle(Quota(), context)
    assert isinstance(balance, CreditBalance)
    return balance.credits, balance.daily


async def grant(harness: DeskHarness, credits: int, days: int | None = None, event: str = "g") -> Outcome:
    return await harness.desk.handle(GrantCredits("discord:ann", credits, days), discord(event))


async def test_credits_are_given_and_taken_as_far_as_there_are_any(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=RULES) as harness:
        assert await credits_of(harness, discord("1", "ann")) == (10, 10)
        assert await grant(harness, 50) == CreditsGranted(ANN, 50, 60)
        assert await grant(harness, -100) == CreditsGranted(ANN, -60, 0)
        with pytest.raises(NothingToTake):
            await grant(harness, -1)
        harness.clock.advance(days=1)
        assert await credits_of(harness, discord("2", "ann")) == (10, 10)
        survey = await harness.store.survey()
        assert (survey.credits, survey.unbalanced) == (survey.ledger, 0)
        actions = await harness.store.permissions.newest_actions(9)
        assert [(each.action, each.subject, each.detail) for each in actions] == [
            ("grant", "discord:ann", {"credits": -60}),
            ("grant", "discord:ann", {"credits": 50}),
        ]


async def test_the_ledger_says_who_granted(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=RULES) as harness:
        await credits_of(harness, discord("1", "ann"))
        await grant(harness, 5)
        rows = [
            tuple(row)
            for row in await harness.store._connection.execute_fetchall(
                "SELECT kind, credits, decided_by FROM ledger ORDER BY id"
            )
        ]
        assert rows == [("allowance", 10, None), ("grant", 5, "discord:boss")]


async def test_a_repeated_event_grants_once_also_after_a_crash(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=RULES) as harness:
        await credits_of(harness, discord("1", "ann"))
        await harness.desk.store_events(Platform.DISCORD, [("g", "{}")])
        first = await grant(harness, 50)
        assert await grant(harness, 50) == first
    async with open_harness(tmp_path, rules=RULES) as harness:  # the answer was not sent
        assert await harness.desk.pending_events(Platform.DISCORD)
        assert await grant(harness, 50) == first
        assert await credits_of(harness, discord("2", "ann")) == (60, 10)


async def test_a_daily_grant_counts_at_once_each_day_until_it_ends(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=RULES) as harness:
        await harness.desk.handle(Draw("x"), discord("1", "ann"))
        until_s = harness.clock() // 1_000 + 2 * 86_400
        assert await grant(harness, 30, 2) == DailyCreditsGranted(ANN, 30, until_s)
        assert await credits_of(harness, discord("2", "ann")) == (29, 30)
        harness.clock.advance(days=1)
        assert await credits_of(harness, discord("3", "ann")) == (30, 30)
        harness.clock.advance(days=2)
        assert (await credits_of(harness, discord("4", "ann")))[1] == 10
        await grant(harness, 30, 5)
        assert await grant(harness, 0, 0) == DailyCreditsGranted(ANN, 0, None)
        assert (await credits_of(harness, discord("5", "ann")))[1] == 10
        with pytest.raises(NothingToTake):
            await grant(harness, 0, 0)


async def test_a_tier_with_more_credits_stays(tmp_path: Path) -> None:
    tier = Tier(frozenset({"discord:ann"}), Entitlement(weight=3, daily_credits=70))
    async with open_harness(tmp_path, rules=replace(RULES, tiers=(tier,))) as harness:
        await credits_of(harness, discord("1", "ann"))
        await grant(harness, 30, 2)
        assert await credits_of(harness, discord("2", "ann")) == (70, 70)
        assert list(harness.desk.parts.tiers.weights.values()) == [3]


async def test_linked_people_keep_the_larger_daily_grant(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=RULES) as harness:
        other = a_context("t", "55", platform=Platform.TELEGRAM, chat_id="55")
        await credits_of(harness, other)
        await credits_of(harness, discord("1", "ann"))
        await grant(harness, 20, 9)
        await harness.desk.handle(GrantCredits("telegram:55", 40, 9), discord("2"))
        code = await harness.desk.handle(Link(), discord("3", "ann"))
        assert isinstance(code, LinkCode)
        for event in ("4", "5"):
            await harness.desk.handle(Link(code.code), replace(other, event_id=event))
        assert await credits_of(harness, discord("6", "ann")) == (40, 40)


@pytest.mark.parametrize("is_over_here", [True, False])
async def test_linked_people_do_not_lose_a_daily_grant_to_a_larger_one_that_is_over(
    tmp_path: Path, *, is_over_here: bool
) -> None:
    over, valid = ("discord:ann", "telegram:ann") if is_over_here else ("telegram:ann", "discord:ann")
    async with open_harness(tmp_path, rules=RULES) as harness:
        elsewhere = a_context("1", "ann", platform=Platform.TELEGRAM, chat_id="ann")
        await credits_of(harness, discord("1", "ann"))
        await credits_of(harness, elsewhere)
        await harness.desk.handle(GrantCredits(over, 90, 1), discord("g1"))
        harness.clock.advance(days=2)
        await harness.desk.handle(GrantCredits(valid, 40, 10), discord("g2"))
        code = await harness.desk.handle(Link(), discord("2", "ann"))
        assert isinstance(code, LinkCode)
        for event in ("3", "4"):
            await harness.desk.handle(Link(code.code), replace(elsewhere, event_id=event))
        for event, context in (("5", elsewhere), ("6", discord("6", "ann"))):
            assert await credits_of(harness, replace(context, event_id=event)) == (40, 40)


async def test_who_may_not_grant_or_be_granted(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=RULES) as harness:
        with pytest.raises(HostsOnly):
            await harness.desk.handle(GrantCredits("discord:ann", 5), discord("1", "ann"))
        with pytest.raises(NeverWrote):
            await harness.desk.handle(GrantCredits("discord:7", 5), discord("2"))
        with pytest.raises(UnknownPerson):
            await harness.desk.handle(GrantCredits("somebody", 5), discord("3"))
        with pytest.raises(NotInPublic):
            await harness.desk.handle(GrantCredits("discord:ann", 5), replace(discord("4"), is_group=True))


async def test_the_owner_of_the_machine_has_no_quota_at_the_machine_alone(tmp_path: Path) -> None:
    rules = Rules(hosts=frozenset({"discord:boss"}), allow=frozenset({"discord:*"}), daily_credits=0)
    async with open_harness(tmp_path, rules=rules) as harness:
        for number, (platform, user_id) in enumerate(((Platform.CONSOLE, HOST), (Platform.WEB, "visitor"))):
            context = a_context(f"{number}", user_id, platform=platform)
            receipt = await harness.desk.handle(Draw("x"), context)
            assert isinstance(receipt, Receipt)
            assert (receipt.price, receipt.credits_left) == (0, 0)
            dry = await harness.desk.handle(Draw("y", dry=True), context)
            assert isinstance(dry, DryRun)
            assert dry.price == 0
            for more in range(rules.max_waiting + 1):
                await harness.desk.handle(Draw(f"x {more}"), replace(context, event_id=f"{number}-{more}"))
            balance = await harness.desk.handle(Quota(), context)
            assert isinstance(balance, CreditBalance)
            assert balance.is_unlimited
        for context in (a_context("m", "ann"), discord("d")):
            with pytest.raises(Exception, match="price=1"):
                await harness.desk.handle(Draw("x"), context)
        closed = replace(rules, page_has_password=True)
    async with open_harness(tmp_path, rules=closed) as harness:
        with pytest.raises(Exception, match="price=1"):
            await harness.desk.handle(Draw("z"), a_context("w", "another", platform=Platform.WEB))
