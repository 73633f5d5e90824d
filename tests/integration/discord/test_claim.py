"""/claim in Discord: where the bot is closed, only the person sees the answer, and a public code is void."""

import time
from pathlib import Path
from random import SystemRandom

from bot.chats.discord_ import DiscordConfig
from bot.desk.people.claim_file import issue_claim
from bot.policy.rules import Rules
from tests.fakes.discord_gateway import until
from tests.fakes.discord_payloads import BOT, EPHEMERAL
from tests.fakes.discord_server import FakeDiscord
from tests.fakes.renderer import FakeRenderer
from tests.integration.discord.test_end_to_end import running_bot

NOW_MS = time.time_ns() // 1_000_000


async def answer_to(discord: FakeDiscord, code: str, **where: object) -> dict[str, object]:
    asked = await discord.slash("claim", {"code": code}, **where)
    await until(lambda: asked.message_id and discord.answer_to(asked)["text"])
    answer: dict[str, object] = discord.answer_to(asked)
    return answer


async def test_a_stranger_learns_how_the_owner_claims_and_the_owner_does_it_in_a_server_unseen(
    discord: FakeDiscord, config: DiscordConfig, tmp_path: Path
) -> None:
    async with running_bot(discord, config, tmp_path, FakeRenderer(), Rules()):
        refused = await discord.slash("help")
        await until(lambda: refused.message_id and discord.answer_to(refused)["text"])
        assert "setup --claim" in discord.answer_to(refused)["text"]
        code = issue_claim(tmp_path, NOW_MS, SystemRandom())
        assert "not valid" in str((await answer_to(discord, "0000-0000-0000"))["text"])
        answer = await answer_to(discord, code)
        assert "You are my host now" in str(answer["text"])
        assert int(str(answer["flags"])) & EPHEMERAL
        shown = await discord.slash("help")
        await until(lambda: shown.message_id and discord.answer_to(shown)["text"])
        assert "setup --claim" not in discord.answer_to(shown)["text"]


async def test_a_code_in_a_message_works_in_private_and_is_void_in_a_channel(
    discord: FakeDiscord, config: DiscordConfig, tmp_path: Path
) -> None:
    async with running_bot(discord, config, tmp_path, FakeRenderer(), Rules()):
        code = issue_claim(tmp_path, NOW_MS, SystemRandom())
        mention = {"mentions": [BOT]}
        public = await discord.send_message(f"<@{BOT['id']}> /claim {code}", **mention)
        await until(lambda: discord.replies(public))
        assert "void" in str(discord.replies(public)[0]["text"])
        private = await discord.send_message(f"/claim {code}", in_guild=False)
        await until(lambda: discord.replies(private))
        assert "not valid" in str(discord.replies(private)[0]["text"])
        code = issue_claim(tmp_path, NOW_MS, SystemRandom())
        again = await discord.send_message(f"/claim {code}", in_guild=False)
        await until(lambda: discord.replies(again))
        assert "You are my host now" in str(discord.replies(again)[0]["text"])
