"""Tiers by membership: what Telegram answers to getChatMember decides, and no request waits for it."""

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from telegram import ChatMemberRestricted

from bot.chats.telegram_ import memberships
from bot.policy.rules import Entitlement, Rules, Tier
from tests.fakes.renderer import FakeRenderer
from tests.fakes.telegram_server import TelegramServer
from tests.fakes.telegram_values import Person
from tests.fakes.telegram_world import World
from tests.integration.telegram.test_end_to_end import serve_bot

CLUB = -100_900
RULES = Rules(
    daily_credits=10,
    allow=frozenset({"telegram:*"}),
    tiers=(Tier(frozenset(), Entitlement(3, 50), frozenset({f"telegram:{CLUB}"})),),
)
RIGHTS = [name for name in ChatMemberRestricted.__slots__ if name.startswith("can_")]
RESTRICTED = {"status": "restricted", "until_date": 0, **dict.fromkeys(RIGHTS, False)}


async def quota(server: TelegramServer, world: World, user_id: int = 11) -> str:
    """What a person reads of their credits."""
    before = len(world.in_chat(user_id))
    world.say("/quota", by=Person(user_id))
    await server.until(lambda: len(world.in_chat(user_id)) > before)
    return world.texts(user_id)[before]


async def test_a_member_has_the_tier_until_telegram_says_otherwise(
    server: TelegramServer, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.members[CLUB] = {11: {"status": "member"}}
    async with serve_bot(server, tmp_path, FakeRenderer(), RULES) as harness:
        assert "Credits left: 50. They refill to 50 " in await quota(server, world)
        assert list(harness.desk.parts.tiers.weights.values()) == [3]
        del world.members[CLUB][11]
        assert "They refill to 50 " in await quota(server, world)
        assert len(server.named("getChatMember")) == 1, "the answer is fresh"
        monkeypatch.setattr(memberships, "FRESH_S", 0.0)
        async with asyncio.timeout(30):  # a command asks Telegram again, and a later one has the answer
            while "They refill to 10 " not in await quota(server, world):
                pass
        assert harness.desk.parts.tiers.weights == {}


async def test_each_kind_of_member_counts_and_who_left_or_was_removed_does_not(
    server: TelegramServer, world: World, tmp_path: Path
) -> None:
    members = {
        31: ({"status": "creator", "is_anonymous": False}, 50),
        32: ({"status": "kicked", "until_date": 0}, 10),
        33: ({"status": "left"}, 10),
        34: ({**RESTRICTED, "is_member": True}, 50),
        35: ({**RESTRICTED, "is_member": False}, 10),
    }
    world.members[CLUB] = {user_id: said for user_id, (said, _) in members.items()}
    async with serve_bot(server, tmp_path, FakeRenderer(), RULES):
        for user_id, (_, daily) in members.items():
            assert f"They refill to {daily} " in await quota(server, world, user_id)


async def test_a_group_that_telegram_does_not_show_gives_no_tier_and_hinders_nobody(
    server: TelegramServer, world: World, tmp_path: Path
) -> None:
    async with serve_bot(server, tmp_path, FakeRenderer(), RULES):
        assert "They refill to 10 " in await quota(server, world)
        world.members[CLUB] = {11: {"status": "member"}}
        assert "They refill to 50 " in await quota(server, world), "asked again, for nothing was known"


async def test_an_answer_that_cannot_be_read_gives_no_tier_and_hinders_nobody(
    server: TelegramServer, world: World, tmp_path: Path
) -> None:
    world.members[CLUB] = {11: {"status": "restricted"}}
    with capture_logs() as events:
        async with serve_bot(server, tmp_path, FakeRenderer(), RULES):
            assert "They refill to 10 " in await quota(server, world)
    assert {"event": "memberships unknown", "log_level": "info", "reason": "TypeError"} in events
