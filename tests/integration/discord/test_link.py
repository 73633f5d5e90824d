"""/link in Discord: only the person sees the code, and the option accepts one."""

import re
from pathlib import Path

from bot.chats.discord_ import DiscordConfig
from tests.fakes.discord_gateway import until
from tests.fakes.discord_payloads import EPHEMERAL
from tests.fakes.discord_server import FakeDiscord
from tests.fakes.renderer import FakeRenderer
from tests.integration.discord.test_end_to_end import running_bot


async def test_a_link_code_is_private_and_useless_to_its_own_person(
    discord: FakeDiscord, config: DiscordConfig, tmp_path: Path
) -> None:
    async with running_bot(discord, config, tmp_path, FakeRenderer()):
        asked = await discord.slash("link")
        await until(lambda: asked.message_id and discord.answer_to(asked)["text"])
        answer = discord.answer_to(asked)
        assert answer["flags"] & EPHEMERAL
        found = re.search(r"/link ([0-9A-Z]{4}-[0-9A-Z]{4})", str(answer["text"]))
        assert found is not None
        back = await discord.slash("link", {"code": found[1]})
        await until(lambda: back.message_id and discord.answer_to(back)["text"])
        assert "your own code" in discord.answer_to(back)["text"]
        alone = await discord.slash("unlink")
        await until(lambda: alone.message_id and discord.answer_to(alone)["text"])
        assert "not linked" in discord.answer_to(alone)["text"]
