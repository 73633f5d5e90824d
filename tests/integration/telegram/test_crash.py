"""Killed at any moment, the bot loses no message, makes no second job and charges once."""

import asyncio
import random
import sqlite3
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.fakes.telegram_server import TelegramServer
from tests.fakes.telegram_world import Person, World

KILLS = 10
MESSAGES_EACH = 5
ROOT = Path(__file__).resolve().parents[3]


async def start(server: TelegramServer, folder: Path) -> asyncio.subprocess.Process:
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.fakes.telegram_child",
        server.base_url,
        str(folder),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert child.stdout is not None
    async with asyncio.timeout(20.0):
        while b"ready" not in (line := await child.stdout.readline()):
            assert line, "the child ended before it was ready"
    return child


async def kill(child: asyncio.subprocess.Process) -> None:
    child.kill()
    await child.communicate()


def unanswered(world: World, said: list[int]) -> set[int]:
    """Messages that no picture replies to yet."""
    return set(said) - {sent.reply_to for sent in world.messages.values() if sent.kind == "photo"}


@pytest.mark.slow
async def test_ten_kills_lose_nothing_and_charge_once(
    server: TelegramServer, world: World, tmp_path: Path
) -> None:
    chance = random.Random(7)
    said: list[int] = []
    for _ in range(KILLS):
        child = await start(server, tmp_path)
        said += [world.say("a fox", by=Person(chance.randint(1, 6))) for _ in range(MESSAGES_EACH)]
        await server.wake()
        await asyncio.sleep(chance.uniform(0.0, 0.25))
        await kill(child)
    child = await start(server, tmp_path)
    try:
        await server.until(lambda: not unanswered(world, said), timeout_s=30.0)
    finally:
        await kill(child)

    with sqlite3.connect(tmp_path / "sugarbot.db") as database:
        jobs = database.execute("SELECT event_id, job FROM origin").fetchall()
        charges = database.execute(
            "SELECT job, count(*) FROM ledger WHERE kind = 'charge' GROUP BY job"
        ).fetchall()
    database.close()
    assert Counter(int(event.split(":")[1]) for event, _ in jobs) == Counter(said)
    assert sorted(charges) == sorted((job, 1) for _, job in jobs)
    pictures = Counter(sent.reply_to for sent in world.messages.values() if sent.kind == "photo")
    assert sum(pictures.values()) - len(said) <= KILLS  # seen twice now and then, never charged twice
