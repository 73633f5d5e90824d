"""Killed at any moment, the bot loses no message, makes no second job and charges once."""

import asyncio
import multiprocessing
import random
import sqlite3
from collections import Counter
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest

from tests.fakes.telegram_child import run
from tests.fakes.telegram_server import TOKEN, TelegramServer
from tests.fakes.telegram_world import Person, World

KILLS = 10
MESSAGES_EACH = 5
READY_S = 20.0

# Each child is forked from a server that has imported everything once: a start takes a tenth of the time.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.fakes.telegram_child"])


async def start(server: TelegramServer, folder: Path) -> ForkServerProcess:
    ready, child_end = PROCESSES.Pipe(duplex=False)
    child = PROCESSES.Process(target=run, args=(server.base_url, TOKEN, str(folder), child_end))
    child.start()
    child_end.close()
    with ready:
        assert await asyncio.to_thread(ready.poll, READY_S)
        assert ready.recv() == "ready"
    return child


async def kill(child: ForkServerProcess) -> None:
    child.kill()
    await asyncio.to_thread(child.join)
    child.close()


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
