"""The gateway connection is lost in every possible way while people send commands."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from random import Random
from unittest.mock import patch

from pydantic import SecretStr

from bot.chats.discord_ import DiscordChat, DiscordConfig, client
from bot.commands.values import Command
from bot.outcomes import CommandContext, Outcome, Receipt
from tests.fakes import discord_server
from tests.fakes.desk import ScriptedDesk
from tests.fakes.discord_gateway import until
from tests.fakes.discord_rest import Interaction
from tests.fakes.discord_server import FakeDiscord
from tests.fakes.telegram_app import RECIPE

WAYS = ("op 7", "op 9, resumable", "op 9", "reset", "silence")
HEARTBEAT_MS = 60
SILENT_S = 0.25  # instead of 60; the rest of the time is the reconnect of discord.py
BACK_S = 60.0
NEXT_IDENTIFY_S = 0.05  # instead of 5


@dataclass(frozen=True)
class Drops:
    """The outcome of the drops.

    Attributes:
        lost: Commands of a session that was resumed which were never handled.
        back_s: From the drop to the next session or resume, sorted.
    """

    commands: int
    twice: int
    lost: int
    back_s: tuple[float, ...]

    @property
    def p95_s(self) -> float:
        return self.back_s[int(len(self.back_s) * 0.95)]


def answer(command: Command, context: CommandContext) -> Outcome:
    return Receipt(f"job{context.event_id[-10:]}", RECIPE, 1, 9, 0, None)


def drops(folder: Path, count: int, seed: int = 1) -> Drops:
    """Lose the connection this many times."""
    with patch.object(client, "NEXT_IDENTIFY_S", NEXT_IDENTIFY_S):
        return asyncio.run(_drops(folder, count, Random(seed)))


async def _drops(folder: Path, count: int, random: Random) -> Drops:
    desk, back_s = ScriptedDesk(answer), list[float]()
    required, optional = list[Interaction](), list[Interaction]()
    async with FakeDiscord() as discord:
        discord.gateway.heartbeat_ms = HEARTBEAT_MS
        discord.gateway.repeats = 2  # a resume that starts a little early
        config = DiscordConfig(
            token=SecretStr(discord_server.TOKEN),
            menu_file=folder / "menu",
            identifies_file=folder / "starts",
            api_base=discord.api_base,
            gateway=discord.gateway.url,
            heartbeat_timeout_s=SILENT_S,
        )
        chat = DiscordChat(config, desk)
        try:
            await chat.open()
            serving = asyncio.create_task(chat.serve(), name="discord serve")
            for _ in range(count):
                config.identifies_file.unlink(missing_ok=True)  # each drop is a day after the one before
                way = random.choice(WAYS)
                await _ask(discord, required if way != "op 9" else optional)
                back_s.append(await _drop(discord, way, required if way != "op 9" else optional, random))
                assert not serving.done(), "the session ended"
            await until(lambda: {one.interaction_id for one in required} <= _handled(desk), BACK_S)
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
        except TimeoutError:
            pass  # the figures show it
        finally:
            await chat.close()
    handled = Counter(context.event_id for _, context in desk.handled)
    twice = sum(times > 1 for times in handled.values())
    lost = len({one.interaction_id for one in required} - set(handled))
    return Drops(len(required) + len(optional), twice, lost, tuple(sorted(back_s)))


def _handled(desk: ScriptedDesk) -> set[str]:
    return {context.event_id for _, context in desk.handled}


async def _ask(discord: FakeDiscord, asked: list[Interaction]) -> None:
    try:
        asked.append(await discord.slash("sugar", {"prompt": "a face"}))
    except ConnectionError:
        return  # the gateway keeps it for the resume


async def _drop(discord: FakeDiscord, way: str, asked: list[Interaction], random: Random) -> float:
    """Lose the connection and wait for the next one; return the seconds."""
    gateway = discord.gateway
    sessions = len(gateway.identified) + len(gateway.resumed)
    await asyncio.sleep(random.uniform(0, 0.01))
    began_s = time.monotonic()
    match way:
        case "op 7":
            await gateway.ask_to_reconnect()
        case "op 9, resumable":
            await gateway.invalidate(resumable=True)
        case "op 9":
            await gateway.invalidate(resumable=False)
        case "reset":
            await gateway.drop()
        case "silence":
            gateway.fall_silent()
    if way in ("reset", "silence"):
        await _ask(discord, asked)  # the bot is not connected now
    await until(lambda: len(gateway.identified) + len(gateway.resumed) > sessions, BACK_S)
    await until(lambda: gateway.is_connected, BACK_S)
    return time.monotonic() - began_s
