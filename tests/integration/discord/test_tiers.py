"""Tiers by roles: what Discord sends with an interaction and with a message decides, in its server."""

from pathlib import Path

from bot.chats.discord_ import DiscordConfig
from bot.policy.rules import Entitlement, Rules, Tier
from tests.fakes.discord_gateway import until
from tests.fakes.discord_payloads import BOT, GUILD_ID
from tests.fakes.discord_server import FakeDiscord
from tests.fakes.renderer import FakeRenderer
from tests.integration.discord.test_end_to_end import running_bot

PATRON, OTHER = "900000000000000077", "900000000000000078"  # roles that the bot has not seen before
RULES = Rules(
    daily_credits=10,
    allow=frozenset({"discord:*"}),
    tiers=(Tier(frozenset(), Entitlement(3, 50), frozenset({f"discord:{GUILD_ID}:{PATRON}"})),),
)


async def quota(discord: FakeDiscord, **where: object) -> str:
    """What a person reads of their credits."""
    asked = await discord.slash("quota", **where)
    await until(lambda: asked.message_id and discord.answer_to(asked)["text"])
    return str(discord.answer_to(asked)["text"])


async def test_a_role_of_the_server_gives_the_tier_until_it_is_taken_away(
    discord: FakeDiscord, config: DiscordConfig, tmp_path: Path
) -> None:
    async with running_bot(discord, config, tmp_path, FakeRenderer(), RULES):
        assert "Credits left: 10. They refill to 10 " in await quota(discord, roles=[OTHER])
        assert "Credits left: 50. They refill to 50 " in await quota(discord, roles=[OTHER, PATRON])
        assert "They refill to 50 " in await quota(discord, in_guild=False), (
            "for a day, where roles are unknown"
        )
        assert "They refill to 10 " in await quota(discord, roles=[OTHER])
        assert "They refill to 10 " in await quota(discord, in_guild=False)


async def test_a_message_brings_the_roles_of_its_author(
    discord: FakeDiscord, config: DiscordConfig, tmp_path: Path
) -> None:
    async with running_bot(discord, config, tmp_path, FakeRenderer(), RULES):
        for roles, daily in (([PATRON], 50), ([], 10)):
            sent = await discord.send_message(f"<@{BOT['id']}> /quota", mentions=[BOT], roles=roles)
            await until(lambda sent=sent: discord.replies(sent))
            assert f"They refill to {daily} " in str(discord.replies(sent)[0]["text"])
