"""A DiscordChat with the real discord.py, connected over sockets to a fake Discord."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from bot.chats.discord_ import DiscordChat, DiscordConfig
from bot.commands.values import Command, Draw, Reroll, Vary
from bot.errors import PersonError
from bot.outcomes import (
    Address,
    CancelAccepted,
    CommandContext,
    JobResult,
    JobState,
    LoraSummary,
    Outcome,
    PictureFile,
    Platform,
    Receipt,
    Recipe,
)
from engine.request import TimeEstimate
from tests.fakes.desk import ScriptedDesk
from tests.fakes.discord_gateway import until
from tests.fakes.discord_payloads import MEMBER_ID
from tests.fakes.discord_rest import Interaction
from tests.fakes.discord_schema import Schema, load
from tests.fakes.discord_server import TOKEN, FakeDiscord
from tests.fakes.renderer import tiny_png
from tests.fakes.specs import SPECS
from tests.fakes.unhurried import PATIENCE_S, unhurried

JOB_ID = "k3f9job0000000000000a2"
RECIPE = Recipe("a face", (), 512, 768, seed=7, count=2, steps=8, typed="a face")
RECEIPT = Receipt(JOB_ID, RECIPE, price=2, credits_left=18, position=1, wait=TimeEstimate(11.0, 14.0))
Pictures = tuple[PictureFile, ...]
CARDS = tuple(
    LoraSummary(f"sugar{number}", {"en": f"Sugar {number}", "zh-CN": f"糖 {number}"}, "", 0.8)
    for number in range(40)
)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def answer(command: Command, context: CommandContext) -> Outcome:
    """The default outcome of the desk: it accepts drawings and cancels."""
    return RECEIPT if isinstance(command, Draw | Reroll | Vary) else CancelAccepted(JOB_ID, was_running=True)


def refusing(error: PersonError) -> Callable[[Command, CommandContext], Outcome]:
    """Make a desk that refuses every command with this error."""

    def refuse(command: Command, context: CommandContext) -> Outcome:
        raise error

    return refuse


async def answered(discord: FakeDiscord, asked: Interaction) -> str:
    """Wait for the text of the answer and return it."""
    await until(lambda: asked.message_id and discord.answer_to(asked)["text"])
    text: str = discord.answer_to(asked)["text"]
    return text


async def reply_to(discord: FakeDiscord, message_id: str) -> dict[str, object]:
    """Wait for the only reply of the bot and return it."""
    await until(lambda: discord.replies(message_id))
    [reply] = discord.replies(message_id)
    return reply


async def direct_message(discord: FakeDiscord) -> dict[str, object]:
    """Return the only direct message to the member."""
    await until(lambda: discord.in_channel(discord.direct_channel(MEMBER_ID)))
    [message] = discord.in_channel(discord.direct_channel(MEMBER_ID))
    return message


class Clock:
    """The real time plus an offset that a test sets."""

    def __init__(self) -> None:
        self.ahead_ms = 0

    def __call__(self) -> int:
        return now_ms() + self.ahead_ms


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    monkeypatch.setattr("bot.chats.discord_.outgoing.placeholders.CHECK_INTERVAL_S", 0.02)
    return Clock()


@pytest.fixture(scope="session")
def schema() -> Schema | None:
    """Discord's own schema; without it the requests are not checked (``test_discord_schema`` is skipped)."""
    file = SPECS / "discord" / "openapi.json"
    return load(file) if file.is_file() else None


@pytest.fixture
async def discord(schema: Schema | None) -> AsyncIterator[FakeDiscord]:
    """A running server; at the end, every request must match Discord's schema."""
    async with FakeDiscord(schema) as server:
        server.acknowledge_s = PATIENCE_S  # row 23a of the crash table checks the time
        yield server
    assert not server.problems


@pytest.fixture
def desk() -> ScriptedDesk:
    return ScriptedDesk(answer, CARDS)


@pytest.fixture
def config(discord: FakeDiscord, tmp_path: Path) -> DiscordConfig:
    return DiscordConfig(
        token=SecretStr(TOKEN),
        menu_file=tmp_path / "discord-menu.sha256",
        identifies_file=tmp_path / "discord-starts.json",
        api_base=discord.api_base,
        gateway=discord.gateway.url,
        open_timeout_s=PATIENCE_S,
        edit_interval_s=0.05,
    )


@asynccontextmanager
async def opened(
    config: DiscordConfig, desk: ScriptedDesk, clock: Callable[[], int] = now_ms
) -> AsyncIterator[DiscordChat]:
    """Open the chat and serve."""
    chat = desk.chat = DiscordChat(config, desk, clock)
    try:
        await chat.open()
        serving = asyncio.create_task(chat.serve(), name="serve")
        yield chat
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
    finally:
        await chat.close()


@pytest.fixture
async def chat(config: DiscordConfig, desk: ScriptedDesk) -> AsyncIterator[DiscordChat]:
    async with opened(config, desk) as chat:
        yield chat


@pytest.fixture
def pictures(tmp_path: Path) -> tuple[PictureFile, ...]:
    """Two small PNG files on disk."""
    made = []
    for index in range(2):
        path = tmp_path / f"{index}.png"
        path.write_bytes(tiny_png(7 + index))
        made.append(PictureFile(index, 7 + index, path))
    return tuple(made)


def result_of(address: Address, pictures: tuple[PictureFile, ...], **changed: Any) -> JobResult:
    """Make the result of a finished job."""
    facts: dict[str, Any] = {
        "job_id": JOB_ID,
        "address": address,
        "user_id": MEMBER_ID,
        "user_name": "a member",
        "locale": "en",
        "private": False,
        "state": JobState.DONE,
        "recipe": RECIPE,
        "pictures": pictures,
        "price": 2,
        "refund": 0,
        "credits_left": 18,
        "seconds": 1.5,
    }
    return JobResult(**facts | changed)


__all__ = [
    "JOB_ID",
    "RECEIPT",
    "RECIPE",
    "Pictures",
    "Platform",
    "answered",
    "direct_message",
    "opened",
    "refusing",
    "reply_to",
    "result_of",
    "unhurried",
]
