"""What hosts decided counts at once, survives a restart, and is recorded."""

import contextlib
from dataclasses import replace
from pathlib import Path

import pytest

from bot.commands.values import Cancel, ListReports, LoraReload, Quota
from bot.errors import Banned, ChatNotAllowed, HostsOnly
from bot.outcomes import CreditBalance, Platform
from bot.policy.rules import Entitlement, Rules, Tier
from bot.store.hosting.permissions import HostActionRow, PermissionKind, PermissionRow
from tests.fakes.desk_harness import DeskHarness, a_context, open_harness

OPEN = Rules(allow=frozenset({"discord:*"}), daily_credits=10)
ANN = a_context("1", platform=Platform.DISCORD, chat_id="20")


async def claim(harness: DeskHarness) -> None:
    async with harness.store.atomic():
        await harness.desk.parts.permissions.add_host(ANN)


async def decide(harness: DeskHarness, kind: PermissionKind, name: str) -> None:
    await harness.store.permissions.save(PermissionRow(kind, name, 5, "discord:7", reason="spam"))
    await harness.desk.parts.permissions.load()


async def test_a_new_host_counts_at_once_in_every_part_and_after_a_restart(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=OPEN) as harness:
        stranger = await harness.accept(platform=Platform.DISCORD, user_id="ben", event_id="b")
        with pytest.raises(HostsOnly):
            await harness.desk.handle(ListReports(), ANN)
        await claim(harness)
        await harness.desk.handle(ListReports(), replace(ANN, event_id="2"))
        await harness.desk.handle(Cancel(stranger.job_id), replace(ANN, event_id="3"))  # of somebody else
        assert await harness.store.permissions.newest_actions(9) == (
            HostActionRow(harness.clock(), "discord", "ann", "cancel", stranger.job_id, {}),
            HostActionRow(harness.clock(), "discord", "ann", "claim", "discord:ann", {}),
        )
    async with open_harness(tmp_path, rules=OPEN) as harness:
        await harness.desk.parts.permissions.load()
        await harness.desk.handle(LoraReload(), replace(ANN, event_id="4"))


async def test_a_claim_that_is_rolled_back_makes_no_host(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=OPEN) as harness:
        with contextlib.suppress(ZeroDivisionError):
            async with harness.store.atomic():
                await harness.desk.parts.permissions.add_host(ANN)
                raise ZeroDivisionError
        assert harness.desk.parts.rules.now == OPEN
        assert await harness.store.permissions.all() == ()


async def test_a_ban_and_an_allowance_of_the_database_count(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=Rules()) as harness:
        with pytest.raises(ChatNotAllowed):
            await harness.desk.handle(Quota(), ANN)
        await decide(harness, PermissionKind.ALLOW, "discord:20")
        assert isinstance(await harness.desk.handle(Quota(), ANN), CreditBalance)
        await decide(harness, PermissionKind.BAN, "discord:ann")
        with pytest.raises(Banned):
            await harness.desk.handle(Quota(), ANN)
        await decide(harness, PermissionKind.HOST, "discord:ann")
        assert isinstance(await harness.desk.handle(Quota(), ANN), CreditBalance)


async def test_settings_that_are_read_again_change_tiers_and_their_weights(tmp_path: Path) -> None:
    tier = Tier(frozenset({"discord:ann"}), Entitlement(weight=3, daily_credits=50))
    async with open_harness(tmp_path, rules=OPEN) as harness:
        parts = harness.desk.parts
        assert await harness.desk.handle(Quota(), ANN) == CreditBalance(
            10, 10, renews := (await _renews(harness))
        )
        await parts.permissions.use_settings(replace(OPEN, tiers=(tier,)))
        assert list(parts.tiers.weights.values()) == [3]
        assert await harness.desk.handle(Quota(), ANN) == CreditBalance(50, 50, renews)
        await parts.permissions.use_settings(OPEN)
        assert parts.tiers.weights == {}


async def _renews(harness: DeskHarness) -> int:
    person = await harness.store.people.find("discord", "ann")
    assert person is not None
    return (await harness.store.people.account(person)).renews_at_s
