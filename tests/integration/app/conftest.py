"""A whole bot in a separate process, with the real engine and fake platforms on loopback."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from tests.fakes import discord_schema, discord_server, telegram_server
from tests.fakes.discord_payloads import GUILD_ID, MEMBER_ID
from tests.fakes.discord_server import FakeDiscord
from tests.fakes.specs import SPECS
from tests.fakes.telegram_schema import TelegramSchema
from tests.fakes.telegram_server import TelegramServer

ROOT = Path(__file__).resolve().parents[3]
END_S = 40.0
WAIT_S = 60.0


@pytest.fixture
async def discord() -> AsyncIterator[FakeDiscord]:
    file = SPECS / "discord" / "openapi.json"
    async with FakeDiscord(discord_schema.load(file) if file.is_file() else None) as server:
        yield server
    assert not server.problems


@pytest.fixture
async def telegram() -> AsyncIterator[TelegramServer]:
    file = SPECS / "telegram" / "api.json"
    async with TelegramServer(TelegramSchema(file) if file.is_file() else None) as server:
        yield server
    assert not server.problems


def environment(data_dir: Path, **more: str) -> dict[str, str]:
    """The environment of a started process, without the settings of this one."""
    kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
    return kept | {"PYTHONPATH": str(ROOT), "SUGARBOT_DATA_DIR": str(data_dir)} | more


def with_platforms(discord: FakeDiscord, telegram: TelegramServer) -> dict[str, str]:
    """The settings of a bot on both platforms, with one Discord host and all chats served."""
    return {
        "DISCORD_TOKEN": discord_server.TOKEN,
        "SUGARBOT_DISCORD__API_BASE": discord.api_base,
        "SUGARBOT_DISCORD__GATEWAY": discord.gateway.url,
        "TELEGRAM_TOKEN": telegram_server.TOKEN,
        "SUGARBOT_TELEGRAM__BASE_URL": telegram.base_url,
        "SUGARBOT_WEB__ENABLED": "false",
        "SUGARBOT_HOSTS": f"discord:{MEMBER_ID}",
        "SUGARBOT_ALLOW": f"discord:{GUILD_ID},telegram:*",
    }


@asynccontextmanager
async def sugarbot(*words: str, environ: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run ``sugarbot`` during the block; then stop it, which must succeed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bot",
        *words,
        cwd=environ["SUGARBOT_DATA_DIR"],
        env=environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        # Not ``process.send_signal``, which polls: it could take the exit code from asyncio's own watcher.
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), END_S)
        except TimeoutError:
            process.kill()
            await process.wait()
            raise


async def line_with(process: asyncio.subprocess.Process, words: str) -> str:
    """The next line of the output that contains these words."""
    assert process.stdout is not None
    async with asyncio.timeout(WAIT_S):
        while True:
            line = (await process.stdout.readline()).decode()
            assert line, "the process has ended"
            if words in line:
                return line


async def run_to_end(*words: str, environ: dict[str, str]) -> tuple[int, str]:
    """Run ``sugarbot`` until it ends; return its exit code and output."""
    async with sugarbot(*words, environ=environ) as process:
        async with asyncio.timeout(90):
            output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()
