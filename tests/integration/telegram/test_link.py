"""/link as people type it in Telegram: a code from elsewhere, typed twice; never a code in a group."""

import asyncio
from pathlib import Path

from bot.commands.reading import format_link_code, link_code_of
from bot.commands.values import Draw, Link
from bot.outcomes import LinkCode, Platform, Receipt
from bot.policy.rules import Rules
from tests.fakes.desk_harness import DeskHarness, a_context
from tests.fakes.renderer import FakeRenderer
from tests.fakes.telegram_server import TelegramServer
from tests.fakes.telegram_values import Group
from tests.fakes.telegram_world import World
from tests.integration.telegram.test_end_to_end import GROUP, serve_bot

DISCORD = Rules(allow=frozenset({"discord:*", "telegram:*"}))


async def ask_on_discord(harness: DeskHarness, event: str, command: Link | Draw) -> object:
    return await harness.desk.handle(command, a_context(event, "900", platform=Platform.DISCORD))


async def answer_to(server: TelegramServer, world: World, text: str, group: Group | None = None) -> str:
    """Send a message and return the answer."""
    chat_id = group.id if group else 11
    before = len(world.in_chat(chat_id))
    world.say(text, group=group)
    await server.until(lambda: len(world.in_chat(chat_id)) > before)
    return world.texts(chat_id)[before]


async def test_a_code_from_discord_typed_twice_shares_its_history(
    server: TelegramServer, world: World, tmp_path: Path
) -> None:
    async with serve_bot(server, tmp_path, FakeRenderer(), rules=DISCORD) as harness:
        receipt = await ask_on_discord(harness, "1", Draw(prompt="a fox of Discord"))
        issued = await ask_on_discord(harness, "2", Link())
        assert isinstance(receipt, Receipt)
        for _ in range(6_000):
            if (job := await harness.store.jobs.find(receipt.job_id)) and job.state == "done":
                break
            await asyncio.sleep(0.01)
        assert isinstance(issued, LinkCode)
        assert "name of 900" in await answer_to(
            server, world, f"/link {format_link_code(issued.code).lower()}"
        )
        assert "Discord, Telegram" in await answer_to(server, world, f"关联 {issued.code}")
        count = len(world.in_chat(11))
        assert "a fox of Discord" in await answer_to(server, world, "/mine")
        await server.until(lambda: len(world.in_chat(11)) == count + 2)  # the list and the picture
        assert "start over on Telegram" in await answer_to(server, world, "/unlink")
        assert "no pictures yet" in await answer_to(server, world, "/mine")


async def test_a_code_is_given_only_in_the_private_chat(
    server: TelegramServer, world: World, tmp_path: Path
) -> None:
    async with serve_bot(server, tmp_path, FakeRenderer(), rules=DISCORD) as harness:
        assert "/link in a private chat" in await answer_to(server, world, "/link", group=GROUP)
        text = await answer_to(server, world, "/link")
        [code] = [word for word in map(link_code_of, text.split()) if len(word) == 8 and word.isupper()]
        found = await harness.store.links.find_code(code, harness.clock())
        assert found is not None
        assert found.platform == "telegram"
