"""A tier follows from a role or a group, at once, for a day, and under every linked identity."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from bot.commands.values import Link, Quota
from bot.outcomes import CommandContext, CreditBalance, LinkCode, Platform
from bot.policy.rules import Entitlement, Rules, Tier
from bot.settings import Settings
from tests.fakes.desk_harness import DeskHarness, a_context, open_harness

PATRON = Entitlement(weight=3, daily_credits=50)
RULES = Rules(
    daily_credits=10,
    allow=frozenset({"discord:*", "telegram:*"}),
    tiers=(Tier(frozenset(), PATRON, frozenset({"discord:300:7", "telegram:-5"})),),
)
IN_SERVER = replace(
    a_context("1", "ann", platform=Platform.DISCORD, chat_id="20"),
    space_id="300",
    groups=("discord:300:7", "discord:300:8"),
)
DIRECT = a_context("2", "ann", platform=Platform.DISCORD, chat_id="ann")
TELEGRAM = replace(a_context("3", "55", platform=Platform.TELEGRAM, chat_id="55"), groups=("telegram:-5",))


async def daily_of(harness: DeskHarness, context: CommandContext) -> int:
    balance = await harness.desk.handle(Quota(), context)
    assert isinstance(balance, CreditBalance)
    return balance.daily


async def test_a_role_counts_in_its_server_and_for_a_day_elsewhere(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=RULES) as harness:
        assert await daily_of(harness, DIRECT) == 10
        assert await daily_of(harness, IN_SERVER) == 50
        assert await daily_of(harness, DIRECT) == 50
        assert list(harness.desk.parts.tiers.weights.values()) == [3]
        harness.clock.advance(days=1)
        assert await daily_of(harness, DIRECT) == 10
        assert harness.desk.parts.tiers.weights == {}


async def test_a_role_that_is_seen_while_the_tiers_are_read_keeps_its_weight(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_harness(tmp_path, rules=RULES) as harness:
        people_of = harness.store.links.people_of

        async def meanwhile(names: Sequence[str]) -> list[tuple[int, str]]:
            found = await people_of(names)
            await daily_of(harness, IN_SERVER)
            return found

        monkeypatch.setattr(harness.store.links, "people_of", meanwhile)
        await harness.desk.parts.tiers.load()
        assert list(harness.desk.parts.tiers.weights.values()) == [3]


async def test_a_role_that_is_taken_away_counts_no_more(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=RULES) as harness:
        assert await daily_of(harness, IN_SERVER) == 50
        elsewhere = replace(IN_SERVER, space_id="400", groups=("discord:400:7",))
        assert await daily_of(harness, elsewhere) == 50  # another server says nothing about this one
        assert await daily_of(harness, replace(IN_SERVER, groups=("discord:300:8",))) == 10
        assert await daily_of(harness, DIRECT) == 10


async def test_a_member_of_a_group_is_in_the_tier_until_telegram_says_otherwise(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=RULES) as harness:
        assert await daily_of(harness, TELEGRAM) == 50
        assert await daily_of(harness, replace(TELEGRAM, groups=None)) == 50
        assert await daily_of(harness, replace(TELEGRAM, groups=())) == 10


async def test_linked_identities_share_the_tier(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=RULES) as harness:
        await harness.desk.handle(Quota(), IN_SERVER)
        code = await harness.desk.handle(Link(), replace(DIRECT, event_id="c"))
        assert isinstance(code, LinkCode)
        for event in ("4", "5"):
            await harness.desk.handle(Link(code.code), replace(TELEGRAM, event_id=event, groups=()))
        assert await daily_of(harness, replace(TELEGRAM, groups=())) == 50


async def test_roles_outside_all_tiers_are_not_remembered(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=RULES) as harness:
        await daily_of(harness, replace(IN_SERVER, groups=tuple(f"discord:300:{n}" for n in range(100, 200))))
        assert harness.desk.parts.tiers._noted == {}
        assert harness.desk.tier_groups(Platform.TELEGRAM) == ("telegram:-5",)


def test_the_settings_name_roles_and_groups() -> None:
    tiers = {"patrons": {"roles": ["discord:300:7"], "members": ["telegram:-5"], "daily_credits": 50}}
    rules = Rules.from_settings(Settings.model_validate({"quota": {"tiers": tiers}}))
    assert rules.tier_groups == {"discord:300:7", "telegram:-5"}
    assert rules.entitlement_of((), ["telegram:-5"]).daily_credits == 50
    assert rules.entitlement_of(["discord:300:7"]).daily_credits == 40  # a role is no person


@pytest.mark.parametrize(
    "tier",
    [{"roles": ["discord:7"]}, {"roles": ["telegram:1:2"]}, {"members": ["telegram:5"]}, {"members": ["x"]}],
)
def test_what_is_no_role_and_no_group_is_refused(tier: dict[str, list[str]]) -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate({"quota": {"tiers": {"patrons": tier}}})
