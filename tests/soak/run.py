"""The whole bot as a process, with the built-in model and both platforms, while people ask steadily.

The parent's main memory must not grow, and nothing may stay unanswered.
"""

import asyncio
import os
import re
import sqlite3
import statistics
import sys
from collections import Counter
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import httpx
import psutil

from tests.fakes.discord_payloads import GUILD_ID, MEMBER_ID
from tests.fakes.discord_server import TOKEN as DISCORD_TOKEN
from tests.fakes.discord_server import FakeDiscord
from tests.fakes.ports import free_port
from tests.fakes.telegram_server import TOKEN as TELEGRAM_TOKEN
from tests.fakes.telegram_server import TelegramServer
from tests.soak.people import Crowd, wait_until_answered

ROOT = Path(__file__).resolve().parents[2]
MIB = 2**20
OPEN_S = 120.0
ANSWERED_S = 240.0  # after the last act
END_S = 60.0
PAUSE_S = (1.0, 3.0)  # between two acts
WARM_UP = 1 / 6  # the part of a run in which caches fill
LOG_LEVEL = re.compile(r"\[(warning|error|critical)\s*\]\s+(.{1,80})")


@dataclass
class SoakReport:
    """What a run found.

    Attributes:
        minutes: How long people asked.
        acts: What they did.
        jobs: Jobs by their state, from the database.
        parent_mib, worker_mib: Resident main memory, one reading a minute (of a short run: twelve in all).
        unanswered: Events without an answer, minutes after the last one.
        failures: Broken promises, as sentences.
        warnings: Lines of the log that are no information, by their text.
    """

    minutes: float
    acts: int = 0
    jobs: dict[str, int] = field(default_factory=dict)
    parent_mib: list[float] = field(default_factory=list)
    worker_mib: list[float] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    warnings: Counter[str] = field(default_factory=Counter)

    @property
    def growth_mib(self) -> float:
        """By how much the parent grew after the warm-up: the last tenth of the readings against the first."""
        warm = self.parent_mib[int(len(self.parent_mib) * WARM_UP) :]
        some = max(1, len(warm) // 10)
        return statistics.median(warm[-some:]) - statistics.median(warm[:some]) if warm else 0.0

    def __str__(self) -> str:
        readings = " ".join(f"{value:.0f}" for value in self.parent_mib)
        worker = " ".join(f"{value:.0f}" for value in self.worker_mib)
        return "\n".join(
            (
                f"{self.minutes:g} minutes, {self.acts:,} acts of people, jobs: {self.jobs}",
                f"parent's memory, MiB: {readings}",
                f"worker's memory, MiB: {worker}",
                f"growth of the parent after the warm-up: {self.growth_mib:+.1f} MiB",
                f"unanswered: {len(self.unanswered)} {self.unanswered[:5]}",
                f"failures: {len(self.failures)} {self.failures[:5]}",
                f"warnings in the log: {dict(self.warnings.most_common(8))}",
            )
        )


async def soak(
    folder: Path, minutes: float, *, seed: int = 1, traces: bool = False, haste: float = 1.0
) -> SoakReport:
    """Run a bot in this folder while people ask for so many minutes.

    Args:
        traces: Let the bot note what it holds at the end (``tests.soak.traced``); it is slower then.
        haste: How many times as often people ask.
    """
    report = SoakReport(minutes)
    async with FakeDiscord() as discord, TelegramServer() as telegram:
        crowd = Crowd(Random(seed), discord, telegram)
        port = free_port()
        module = "tests.soak.traced" if traces else "bot"
        with (folder / "bot.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", module, "run", cwd=folder, stdout=log, stderr=asyncio.subprocess.STDOUT,
                env=_environment(folder, port, discord, telegram),
            )  # fmt: skip
        try:
            await _wait_until_open(discord, telegram, process)
            async with asyncio.TaskGroup() as group:
                watching = group.create_task(_watch(process.pid, port, report), name="watch")
                await _keep_asking(crowd, minutes, process, haste)
                watching.cancel()
            report.unanswered = await wait_until_answered(crowd, ANSWERED_S)
            report.failures += await _compare_with_figures(folder, port)
        finally:
            report.failures += await _stop(process)
            report.acts = crowd.acts
    report.jobs = _jobs(folder)
    report.failures += [
        f"{count} jobs are {state}" for state, count in report.jobs.items() if state not in _ENDS
    ]
    report.warnings = _warnings(folder)
    return report


_ENDS = ("done", "cancelled")


def _environment(folder: Path, port: int, discord: FakeDiscord, telegram: TelegramServer) -> dict[str, str]:
    kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
    return kept | {
        "PYTHONPATH": str(ROOT),
        "SUGARBOT_DATA_DIR": str(folder),
        "DISCORD_TOKEN": DISCORD_TOKEN,
        "SUGARBOT_DISCORD__API_BASE": discord.api_base,
        "SUGARBOT_DISCORD__GATEWAY": discord.gateway.url,
        "TELEGRAM_TOKEN": TELEGRAM_TOKEN,
        "SUGARBOT_TELEGRAM__BASE_URL": telegram.base_url,
        "SUGARBOT_WEB__PORT": str(port),
        "SUGARBOT_HOSTS": f"discord:{MEMBER_ID}",
        "SUGARBOT_ALLOW": f"discord:{GUILD_ID},telegram:*",
        "SUGARBOT_QUOTA__DAILY_CREDITS": "100000",
        "SUGARBOT_QUOTA__MAX_WAITING": "100",
    }


async def _wait_until_open(
    discord: FakeDiscord, telegram: TelegramServer, process: asyncio.subprocess.Process
) -> None:
    async with asyncio.timeout(OPEN_S):
        while not (discord.gateway.is_connected and telegram.named("getUpdates")):
            assert process.returncode is None, "the bot ended at its start; see bot.log"
            await asyncio.sleep(0.1)


async def _keep_asking(
    crowd: Crowd, minutes: float, process: asyncio.subprocess.Process, haste: float
) -> None:
    end_s = asyncio.get_running_loop().time() + 60 * minutes
    while asyncio.get_running_loop().time() < end_s and process.returncode is None:
        await crowd.act()
        await asyncio.sleep(crowd.random.uniform(*PAUSE_S) / haste)
        crowd.telegram.calls.clear()  # the fakes keep every request
        crowd.discord.requests.clear()


async def _watch(pid: int, port: int, report: SoakReport) -> None:
    """Read the memory once a minute, and ask the probes as a service does, until cancelled."""
    every_s = min(60.0, 60 * report.minutes / 12)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as client:
        while True:
            with suppress(psutil.Error):
                parent = psutil.Process(pid)
                report.parent_mib.append(parent.memory_info().rss / MIB)
                report.worker_mib.append(sum(one.memory_info().rss for one in parent.children()) / MIB)
            try:
                for path in ("/livez", "/metrics"):
                    if (answer := await client.get(path)).status_code != 200:
                        report.failures.append(f"{path} answered {answer.status_code}")
            except httpx.HTTPError as error:
                report.failures.append(f"a probe failed: {error!r}")
            await asyncio.sleep(every_s)


async def _compare_with_figures(folder: Path, port: int) -> list[str]:
    """Compare the counters of the bot with its database."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as client:
        text = (await client.get("/metrics")).text
    counted: Counter[str] = Counter()
    for state, value in re.findall(
        r'^sugarbot_jobs_ended_total\{.*?state="(\w+)"\} (\S+)', text, re.MULTILINE
    ):
        counted[state] += int(float(value))
    stored = {state: count for state, count in _jobs(folder).items() if state not in ("queued", "running")}
    return [] if counted == stored else [f"figures say {dict(counted)}, the database {stored}"]


async def _stop(process: asyncio.subprocess.Process) -> list[str]:
    if process.returncode is not None:
        return [f"the bot ended by itself with {process.returncode}"]
    process.terminate()
    try:
        async with asyncio.timeout(END_S):
            status = await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
        return ["the bot did not end when asked"]
    return [] if status == 0 else [f"the bot ended with {status}"]


def _jobs(folder: Path) -> dict[str, int]:
    with closing(sqlite3.connect(folder / "sugarbot.db", timeout=5)) as database:
        return dict(database.execute("SELECT state, count(*) FROM job GROUP BY state"))


def _warnings(folder: Path) -> Counter[str]:
    log = (folder / "bot.log").read_text(errors="replace")
    return Counter(f"{level}: {text.split('  ')[0].strip()}" for level, text in LOG_LEVEL.findall(log))
