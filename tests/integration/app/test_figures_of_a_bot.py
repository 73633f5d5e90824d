"""What a real Prometheus scrapes from a running bot agrees with its database, by job and by platform.

Needs Debian's package ``prometheus``.
"""

import asyncio
import json
import re
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.fakes.discord_gateway import until
from tests.fakes.discord_rest import Interaction
from tests.fakes.discord_server import FakeDiscord
from tests.fakes.pictures import file_name_of
from tests.fakes.telegram_server import TelegramServer
from tests.fakes.telegram_values import Person
from tests.integration.app.conftest import environment, line_with, sugarbot, with_platforms
from tests.integration.app.test_monitoring import ask, needs_prometheus, open_prometheus

FIRST_PICTURE_S = 90.0
SCRAPES = 120  # half a second apart
LARGE = {"count": 4, "lora": "sugar"}
pytestmark = [pytest.mark.slow, needs_prometheus]

# Figure → the same from the database, by the labels of the query.
QUERIES = {
    "sum by (platform) (sugarbot_jobs_accepted_total)": "SELECT platform, count(*) FROM job GROUP BY 1",
    "sum by (platform, state) (sugarbot_jobs_ended_total)": (
        "SELECT platform, state, count(*) FROM job WHERE ended_ms IS NOT NULL GROUP BY 1, 2"
    ),
    "sum by (platform, reason) (sugarbot_jobs_ended_total{state='failed'})": (
        "SELECT platform, fail, count(*) FROM job WHERE state = 'failed' GROUP BY 1, 2"
    ),
    "sum by (platform) (sugarbot_jobs_refunded_total)": (
        "SELECT platform, count(*) FROM job WHERE id IN (SELECT job FROM ledger WHERE kind = 'refund')"
        " GROUP BY 1"
    ),
    "sum(sugarbot_pictures_total)": "SELECT count(*) FROM picture",
    "sum(sugarbot_deliveries_total{outcome='sent'})": "SELECT count(*) FROM outbox WHERE state = 'sent'",
    "sum(sugarbot_stage_seconds_count{stage='denoise'})": "SELECT count(*) FROM job WHERE state = 'done'",
    "sum(sugarbot_queue_wait_seconds_count)": "SELECT count(*) FROM job WHERE state = 'done'",
    "sum(sugarbot_queue_waiting) + sum(sugarbot_queue_drawing)": (
        "SELECT count(*) FROM job WHERE ended_ms IS NULL"
    ),
}
Rows = set[tuple[tuple[str, ...], float]]


def of_database(folder: Path, query: str) -> Rows:
    with closing(sqlite3.connect(folder / "sugarbot.db", timeout=5)) as database:
        return {(tuple(sorted(map(str, row[:-1]))), float(row[-1])) for row in database.execute(query)}


async def of_prometheus(client: httpx.AsyncClient, query: str) -> Rows:
    try:
        series = await ask(client, query)
    except (httpx.TransportError, json.JSONDecodeError):
        return set()  # it still starts
    found = ((tuple(sorted(each["metric"].values())), float(each["value"][1])) for each in series)
    return {(labels, value) for labels, value in found if value or not labels}


async def use_the_bot(discord: FakeDiscord, telegram: TelegramServer, folder: Path, bot_pid: int) -> None:
    """Ask on both platforms; one job is cancelled while it waits, another loses its start picture."""
    asked: list[Interaction] = [await discord.slash("sugar", {"prompt": "a face", "seed": 1})]
    await until(lambda: shown(discord, asked[0]), FIRST_PICTURE_S)
    telegram.world.say("a face 1")
    await telegram.until(lambda: pictures(telegram), FIRST_PICTURE_S)

    [worker] = psutil.Process(bot_pid).children()
    worker.suspend()  # it holds two jobs; what comes after them waits
    asked += [await discord.slash("sugar", {"prompt": f"a face {n}", **LARGE}) for n in range(2)]
    await until(lambda: all(one.message_id for one in asked) and running(folder) == 2, 30)
    telegram.world.say("a face 2 -n 4", by=Person(12))
    telegram.world.say("a face 3", by=Person(13))
    await telegram.until(lambda: telegram.world.texts(13))
    buttons = {one.get("label", ""): one["custom_id"] for one in discord.buttons(asked[0].message_id)}
    vary = next(data for label, data in buttons.items() if label.startswith("Vary"))
    await discord.press(asked[0].message_id, vary)
    await until(lambda: waiting(folder) >= 3, 30)
    for file in first_files(folder):
        file.unlink()
    telegram.world.say("/cancel", by=Person(13))
    cancelled = "SELECT count(*) FROM job WHERE state = 'cancelled'"
    await telegram.until(lambda: count(of_database(folder, cancelled)), 30)
    worker.resume()
    await until(lambda: unfinished(folder) == 0, FIRST_PICTURE_S)


def shown(discord: FakeDiscord, asked: Interaction) -> bool:
    return bool(asked.message_id and discord.answer_to(asked)["attachments"])


def pictures(telegram: TelegramServer) -> list[Any]:
    return [sent for sent in telegram.world.messages.values() if sent.file]


def waiting(folder: Path) -> float:
    return count(of_database(folder, "SELECT count(*) FROM job WHERE state = 'queued'"))


def running(folder: Path) -> float:
    return count(of_database(folder, "SELECT count(*) FROM job WHERE state = 'running'"))


def unfinished(folder: Path) -> float:
    return count(of_database(folder, "SELECT count(*) FROM outbox WHERE state <> 'sent'")) + count(
        of_database(folder, "SELECT count(*) FROM job WHERE ended_ms IS NULL")
    )


def count(rows: Rows) -> float:
    [(_, value)] = rows
    return value


def first_files(folder: Path) -> list[Path]:
    """The picture files of the first job on Discord."""
    with closing(sqlite3.connect(folder / "sugarbot.db", timeout=5)) as database:
        rows = database.execute(
            "SELECT sha256 FROM picture WHERE job = "
            "(SELECT id FROM job WHERE platform = 'discord' ORDER BY accepted_order LIMIT 1)"
        )
        return [folder / "pictures" / file_name_of(sha256) for (sha256,) in rows]


async def test_prometheus_and_the_database_agree(
    discord: FakeDiscord, telegram: TelegramServer, tmp_path: Path
) -> None:
    folder = tmp_path / "bot"
    folder.mkdir(mode=0o700)
    settings = with_platforms(discord, telegram) | {
        "SUGARBOT_WEB__ENABLED": "true",
        "SUGARBOT_WEB__PORT": "0",
        "SUGARBOT_QUOTA__MAX_WAITING": "20",
    }
    async with sugarbot("run", environ=environment(folder, **settings)) as process:
        assert process.stdout is not None
        [address] = re.findall(r"127\.0\.0\.1:\d+", await line_with(process, "http://127.0.0.1:"))
        log = asyncio.create_task(process.stdout.read(), name="log")
        await until(lambda: discord.gateway.is_connected and telegram.named("getUpdates"), 60)
        await use_the_bot(discord, telegram, folder, process.pid)
        states = {
            labels
            for labels, _ in of_database(folder, "SELECT platform, state, count(*) FROM job GROUP BY 1, 2")
        }
        assert {
            ("discord", "done"),
            ("done", "telegram"),
            ("cancelled", "telegram"),
            ("discord", "failed"),
        } <= states
        async with open_prometheus(tmp_path / "prometheus", address) as client:
            await compare(client, folder, tuple(QUERIES))
    await log


async def compare(client: httpx.AsyncClient, folder: Path, queries: Iterable[str]) -> None:
    """Wait until each figure is what the database says."""
    for query in queries:
        expected, found = of_database(folder, QUERIES[query]), Rows()
        for _ in range(SCRAPES):
            if (found := await of_prometheus(client, query)) == expected:
                break
            await asyncio.sleep(0.5)
        assert found == expected, query
