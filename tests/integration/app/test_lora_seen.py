"""The LoRA requested is the LoRA seen: a probe judges the pictures that people receive on both platforms.

For every way to choose: option, tag, the chat's default, the bot's default, and the button that draws again.
The probe takes one picture in a hundred with *realistic* for one without, and none with *sugar* or *anime*.
So commands name a seed, and the button, which draws with another seed, has a second try with *realistic*.
"""

import asyncio
from pathlib import Path

import pytest

from tests.fakes.discord_gateway import until
from tests.fakes.discord_payloads import MEMBER_ID
from tests.fakes.discord_server import FakeDiscord
from tests.fakes.seen import seen
from tests.fakes.telegram_server import TelegramServer
from tests.fakes.telegram_values import Person, Sent
from tests.integration.app.conftest import environment, sugarbot, with_platforms

PICTURE_S = 90.0  # the worker imports torch, on two cores that other tests use too
SEED = 7
HOST = Person()
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


class DiscordSide:
    """A host on Discord."""

    def __init__(self, server: FakeDiscord) -> None:
        self._server = server

    async def draw(self, prompt: str, **options: str | bool) -> tuple[str, str]:
        """Draw; return the style that is seen, and the message with the picture."""
        asked = await self._server.slash("sugar", {"prompt": prompt, "size": "2:3", "seed": SEED, **options})
        await until(lambda: asked.message_id and self._server.answer_to(asked)["attachments"], PICTURE_S)
        [png] = self._server.files[asked.message_id].values()
        return seen(png)["style"], asked.message_id

    async def reroll(self, message_id: str) -> str:
        [button] = [each for each in self._server.buttons(message_id) if ":reroll:" in each["custom_id"]]
        pressed = await self._server.press(message_id, button["custom_id"])
        await until(lambda: pressed.message_id and self._server.answer_to(pressed)["attachments"], PICTURE_S)
        [png] = self._server.files[pressed.message_id].values()
        return seen(png)["style"]

    async def switch(self, name: str, where: str) -> str:
        asked = await self._server.slash("lora switch", {"name": name, "where": where})
        await until(lambda: asked.message_id and self._server.answer_to(asked)["text"], PICTURE_S)
        return str(self._server.answer_to(asked)["text"])


class TelegramSide:
    """A host in the private chat."""

    def __init__(self, server: TelegramServer) -> None:
        self._server = server

    def _pictures(self) -> list[Sent]:
        return [sent for sent in self._server.world.messages.values() if sent.file]

    async def _next_picture(self, before: int) -> Sent:
        await self._server.until(lambda: len(self._pictures()) > before, PICTURE_S)
        return self._pictures()[-1]

    async def draw(self, text: str) -> tuple[str, Sent]:
        before = len(self._pictures())
        self._server.world.say(f"{text} --size 2:3 --seed {SEED}", by=HOST)
        sent = await self._next_picture(before)
        return seen(sent.file)["style"], sent

    async def reroll(self, sent: Sent) -> str:
        before = len(self._pictures())
        self._server.world.press(sent, "Reroll", by=HOST)
        return seen((await self._next_picture(before)).file)["style"]

    async def reroll_twice(self, sent: Sent, style: str) -> str:
        return await self.reroll(sent) if await self.reroll(sent) != style else style

    async def say(self, text: str, answer: str) -> None:
        self._server.world.say(text, by=HOST)
        texts = self._server.world.texts
        await self._server.until(lambda: any(answer in each for each in texts(HOST.id)), PICTURE_S)


async def test_the_lora_requested_is_the_lora_seen(
    discord: FakeDiscord, telegram: TelegramServer, tmp_path: Path
) -> None:
    environ = environment(tmp_path, **with_platforms(discord, telegram))
    environ["SUGARBOT_HOSTS"] = f"discord:{MEMBER_ID},telegram:{HOST.id}"
    found: dict[str, str] = {}
    async with sugarbot("run", environ=environ) as process:
        assert process.stdout is not None
        log = asyncio.create_task(process.stdout.read(), name="log")
        await until(lambda: discord.gateway.is_connected and telegram.named("getUpdates"), 60)
        on_discord, on_telegram = DiscordSide(discord), TelegramSide(telegram)

        found["discord nothing base"], _ = await on_discord.draw("a girl")
        found["telegram nothing base"], _ = await on_telegram.draw("a girl")
        found["discord option anime"], drawn = await on_discord.draw("a girl", lora="anime")
        found["discord button anime"] = await on_discord.reroll(drawn)
        found["discord tag realistic"], _ = await on_discord.draw("a girl <lora:realistic:1>")
        found["telegram option realistic"], picture = await on_telegram.draw("a girl --lora realistic")
        found["telegram button realistic"] = await on_telegram.reroll_twice(picture, "realistic")
        found["telegram tag anime"], _ = await on_telegram.draw("a girl <lora:anime:1>")

        switched = await on_discord.switch("sugar", "bot")
        found["discord bot's-default sugar"], _ = await on_discord.draw("a girl")
        found["telegram bot's-default sugar"], picture = await on_telegram.draw("a girl")
        await on_discord.switch("anime", "chat")
        await on_telegram.say("/lora switch realistic", "realistic at weight")
        found["discord chat's-default anime"], _ = await on_discord.draw("a girl")
        found["telegram chat's-default realistic"], _ = await on_telegram.draw("a girl")
        found["telegram old-button sugar"] = await on_telegram.reroll(picture)
        await on_discord.switch("default", "chat")
        found["discord default-again sugar"], _ = await on_discord.draw("a girl", again=True)
        found["discord none base"], _ = await on_discord.draw("a girl", lora="none")
    output = (await log).decode()

    assert process.returncode == 0, output
    assert {way: style for way, style in found.items() if way.split()[-1] != style} == {}
    assert "sugar at weight" in switched
    assert "Before: no LoRA" in switched
