"""The LoRA requested is the LoRA seen: a probe judges the pictures that people receive on both platforms.

For every way to choose: option, tag, the chat's default, the bot's default, and the button that draws again.
The probe takes one picture in a hundred with *realistic* for one without, and two of 1,600 with *sugar*. So
commands name a seed. What the button has drawn, with a seed of its own, must be the picture that a command
draws with this seed and LoRA.
"""

import asyncio
from pathlib import Path

import pytest

from engine.finish.metadata import read_settings
from tests.fakes.discord_gateway import until
from tests.fakes.discord_payloads import MEMBER_ID
from tests.fakes.discord_rest import Interaction
from tests.fakes.discord_server import FakeDiscord
from tests.fakes.seen import seen
from tests.fakes.telegram_server import TelegramServer
from tests.fakes.telegram_values import Person, Sent
from tests.integration.app.conftest import environment, sugarbot, with_platforms
from tests.integration.app.test_main_job import pixels

PICTURE_S = 90.0  # the worker imports torch, on two cores that other tests use too
PROMPT, SEED = "a girl", 7
HOST = Person()
pytestmark = pytest.mark.slow


def seed_of(png: bytes) -> int:
    settings = read_settings(png)
    assert settings is not None
    return settings.seed


class DiscordSide:
    """A host on Discord."""

    def __init__(self, server: FakeDiscord) -> None:
        self._server = server

    async def draw(self, prompt: str, **options: str | bool) -> tuple[str, str]:
        """Draw; return the style that is seen, and the message with the picture."""
        asked = await self._server.slash("sugar", {"prompt": prompt, "size": "2:3", "seed": SEED, **options})
        return seen(await self._picture(asked))["style"], asked.message_id

    async def reroll(self, message_id: str, lora: str) -> str:
        """Press the button; return the LoRA if it has drawn what a command draws with it."""
        [button] = [each for each in self._server.buttons(message_id) if ":reroll:" in each["custom_id"]]
        rerolled = await self._picture(await self._server.press(message_id, button["custom_id"]))
        wanted = {"prompt": PROMPT, "size": "2:3", "seed": seed_of(rerolled), "lora": lora, "again": True}
        named = await self._picture(await self._server.slash("sugar", wanted))
        return lora if pixels(rerolled) == pixels(named) else "another"

    async def _picture(self, asked: Interaction) -> bytes:
        await until(lambda: asked.message_id and self._server.answer_to(asked)["attachments"], PICTURE_S)
        [png] = self._server.files[asked.message_id].values()
        return png

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
        sent = await self._drawn(f"{text} --size 2:3 --seed {SEED}")
        return seen(sent.file)["style"], sent

    async def reroll(self, sent: Sent, lora: str) -> str:
        """Press the button; return the LoRA if it has drawn what a command draws with it."""
        before = len(self._pictures())
        self._server.world.press(sent, "Reroll", by=HOST)
        rerolled = (await self._next_picture(before)).file
        named = await self._drawn(f"{PROMPT} --size 2:3 --seed {seed_of(rerolled)} --lora {lora} --again")
        return lora if pixels(rerolled) == pixels(named.file) else "another"

    async def _drawn(self, text: str) -> Sent:
        before = len(self._pictures())
        self._server.world.say(text, by=HOST)
        return await self._next_picture(before)

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

        found["discord nothing base"], _ = await on_discord.draw(PROMPT)
        found["telegram nothing base"], _ = await on_telegram.draw(PROMPT)
        found["discord option anime"], drawn = await on_discord.draw(PROMPT, lora="anime")
        found["discord button anime"] = await on_discord.reroll(drawn, "anime")
        found["discord tag realistic"], _ = await on_discord.draw(f"{PROMPT} <lora:realistic:1>")
        found["telegram option realistic"], picture = await on_telegram.draw(f"{PROMPT} --lora realistic")
        found["telegram button realistic"] = await on_telegram.reroll(picture, "realistic")
        found["telegram tag anime"], _ = await on_telegram.draw(f"{PROMPT} <lora:anime:1>")

        switched = await on_discord.switch("sugar", "bot")
        found["discord bot's-default sugar"], _ = await on_discord.draw(PROMPT)
        found["telegram bot's-default sugar"], picture = await on_telegram.draw(PROMPT)
        await on_discord.switch("anime", "chat")
        await on_telegram.say("/lora switch realistic", "realistic at weight")
        found["discord chat's-default anime"], _ = await on_discord.draw(PROMPT)
        found["telegram chat's-default realistic"], _ = await on_telegram.draw(PROMPT)
        found["telegram old-button sugar"] = await on_telegram.reroll(picture, "sugar")
        await on_discord.switch("default", "chat")
        found["discord default-again sugar"], _ = await on_discord.draw(PROMPT, again=True)
        found["discord none base"], _ = await on_discord.draw(PROMPT, lora="none")
    output = (await log).decode()

    assert process.returncode == 0, output
    assert {way: style for way, style in found.items() if way.split()[-1] != style} == {}
    assert "sugar at weight" in switched
    assert "Before: no LoRA" in switched
