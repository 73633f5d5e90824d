"""The figures of a bot: they agree with its database, and a real Prometheus takes them.

The tests with Prometheus need Debian's package ``prometheus``.
"""

import asyncio
import json
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from bot.chats.web import CardPanel, WebChat
from bot.commands.values import Draw
from bot.errors import TooManyWaiting
from bot.monitoring.monitor import Monitor, Snapshot, _Figures
from bot.policy.rules import Rules
from engine.host import HostState
from engine.planner.monitor import CardReading
from tests.fakes.desk_harness import DeskHarness, a_context, open_harness, until
from tests.fakes.figures import figure
from tests.fakes.ports import free_port
from tests.fakes.renderer import Act, FakeRenderer

FILES = Path(str(files("bot.monitoring"))) / "files"
PROMETHEUS, PROMTOOL = shutil.which("prometheus"), shutil.which("promtool")
needs_prometheus = pytest.mark.skipif(
    PROMETHEUS is None or PROMTOOL is None, reason="needs Debian's package prometheus"
)
READY_S = 60.0
ENDED = "sugarbot_jobs_ended_total"


@dataclass
class WatchedBot:
    """A bot with a page on loopback; ``snapshot`` is what its monitor sees."""

    harness: DeskHarness
    url: str
    snapshot: Snapshot

    async def get(self, path: str) -> httpx.Response:
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
            return await client.get(self.url + path)


@asynccontextmanager
async def open_bot(folder: Path) -> AsyncIterator[WatchedBot]:
    renderer = FakeRenderer()
    async with open_harness(folder, renderer=renderer, rules=Rules(max_waiting=2)) as harness:
        bot = WatchedBot(harness, "", Snapshot(HostState.READY))
        monitor = Monitor(lambda: bot.snapshot, harness.store.respond)
        card = CardPanel("CPU", 1, 1, 2)
        page = WebChat(harness.desk, card=lambda: card, monitor=monitor, host="127.0.0.1", port=0)
        async with harness.running():
            await page.open()
            bot.url = page.url.rstrip("/")
            try:
                yield bot
            finally:
                await page.close()


def ends() -> dict[str, float]:
    return {state: figure(ENDED, state=state) for state in ("done", "failed", "cancelled")}


async def draw_jobs_of_every_end(bot: WatchedBot) -> None:
    """Three jobs are drawn, one of them with three pictures, and one fails."""
    harness = bot.harness
    harness.renderer.acts.extend([Act.DRAW, Act.DRAW, Act.DRAW, Act.FAIL])
    for number, wanted in enumerate(({}, {}, {"count": 3}, {})):
        receipt = await harness.accept(str(number), f"member {number}", **wanted)
        async with asyncio.timeout(30):
            while (await harness.job(receipt.job_id)).ended_ms is None:  # noqa: ASYNC110 - no signal
                await asyncio.sleep(0.01)


async def test_figures_agree_with_the_database_to_the_job(tmp_path: Path) -> None:
    async with open_bot(tmp_path) as bot:
        before, accepted, pictures = (
            ends(),
            figure("sugarbot_jobs_accepted_total"),
            figure("sugarbot_pictures_total"),
        )
        waits, drawn = (
            figure("sugarbot_queue_wait_seconds_count"),
            figure("sugarbot_stage_seconds_count", stage="text"),
        )
        sent = figure("sugarbot_deliveries_total", outcome="sent")

        await draw_jobs_of_every_end(bot)

        stored = await bot.harness.store.survey()
        assert {state: ends()[state] - before[state] for state in before} == {
            state: stored.jobs.get(state, 0) for state in before
        }
        assert figure("sugarbot_jobs_accepted_total") - accepted == sum(stored.jobs.values()) == 4
        assert figure("sugarbot_pictures_total") - pictures == stored.pictures
        assert figure("sugarbot_queue_wait_seconds_count") - waits == 4
        assert figure("sugarbot_stage_seconds_count", stage="text") - drawn == stored.jobs["done"]
        await until(lambda: figure("sugarbot_deliveries_total", outcome="sent") - sent == 4)
        assert len(bot.harness.chat.results) == 4


async def test_a_refusal_is_counted_under_its_rule(tmp_path: Path) -> None:
    async with open_bot(tmp_path) as bot:
        bot.harness.renderer.acts.extend([Act.HANG])
        before = figure("sugarbot_refusals_total", rule="TooManyWaiting")
        await bot.harness.accept("1")
        await bot.harness.accept("2")

        with pytest.raises(TooManyWaiting):
            await bot.harness.desk.handle(Draw("a"), a_context("3"))

        assert figure("sugarbot_refusals_total", rule="TooManyWaiting") == before + 1


async def test_the_probes_answer_with_their_status(tmp_path: Path) -> None:
    async with open_bot(tmp_path) as bot:
        alive, ready = await bot.get("/livez"), await bot.get("/readyz")
        bot.snapshot = Snapshot(HostState.LOST, read_ago_s=3_600.0, drawn_ago_s=7.0)
        hung, lost = await bot.get("/livez"), await bot.get("/readyz")

    assert (alive.status_code, ready.status_code) == (200, 200)
    assert (hung.status_code, lost.status_code) == (503, 503)
    assert lost.json()["last_picture_s"] == 7.0
    assert "set-cookie" not in {name for answer in (alive, ready, hung, lost) for name in answer.headers}


async def test_figures_contain_no_text_of_people(tmp_path: Path) -> None:
    async with open_bot(tmp_path) as bot:
        await bot.harness.accept("1", "a member of the test", prompt="a very private wish")
        figures = (await bot.get("/metrics")).text

    assert "sugarbot_jobs_accepted_total" in figures
    assert "member of the test" not in figures
    assert "private wish" not in figures


@asynccontextmanager
async def open_prometheus(folder: Path, target: str) -> AsyncIterator[httpx.AsyncClient]:
    """A Prometheus on loopback that scrapes the target every second and knows our rules."""
    port = free_port()
    config = await asyncio.to_thread(_write_config, folder, target)
    process = await asyncio.create_subprocess_exec(
        str(PROMETHEUS), f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        url = f"http://127.0.0.1:{port}/api/v1"
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=60) as client:
            yield client
    finally:
        process.terminate()
        await process.wait()


def _write_config(folder: Path, target: str) -> Path:
    config = folder / "prometheus.yml"
    folder.mkdir()
    content = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(FILES / "alerts.yml")],
        "scrape_configs": [{"job_name": "sugarbot", "static_configs": [{"targets": [target]}]}],
    }
    config.write_text(json.dumps(content))
    return config


def promtool(*arguments: object, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([str(PROMTOOL), *map(str, arguments)], input=given, capture_output=True, timeout=60)


async def ask(client: httpx.AsyncClient, expression: str) -> list[dict[str, Any]]:
    answer = (await client.get("/query", params={"query": expression})).json()
    assert answer["status"] == "success", (expression, answer)
    found: list[dict[str, Any]] = answer["data"]["result"]
    return found


@needs_prometheus
@pytest.mark.slow
async def test_a_real_prometheus_scrapes_the_figures_and_takes_rules_and_dashboard(tmp_path: Path) -> None:
    async with open_bot(tmp_path) as bot:
        await draw_jobs_of_every_end(bot)
        expected = ends()
        async with open_prometheus(tmp_path / "prometheus", bot.url.removeprefix("http://")) as client:
            query, scraped = f"sum by (state) ({ENDED})", {}
            async with asyncio.timeout(READY_S):
                while {state: scraped.get(state, 0.0) for state in expected} != expected:
                    await asyncio.sleep(0.2)
                    try:
                        series = await ask(client, query)
                    except (httpx.TransportError, json.JSONDecodeError):
                        continue  # it still starts
                    scraped = {each["metric"]["state"]: float(each["value"][1]) for each in series}
            for panel in json.loads((FILES / "dashboard.json").read_text())["panels"]:
                for target in panel.get("targets", ()):
                    await ask(client, target["expr"])
            async with asyncio.timeout(READY_S):
                health = {"unknown"}
                while "unknown" in health:
                    await asyncio.sleep(0.2)
                    groups = (await client.get("/rules")).json()["data"]["groups"]
                    health = {rule["health"] for group in groups for rule in group["rules"]}
            assert health == {"ok"}


@needs_prometheus
async def test_promtool_takes_the_rules_and_the_figures(tmp_path: Path) -> None:
    async with open_bot(tmp_path) as bot:
        await draw_jobs_of_every_end(bot)
        figures = (await bot.get("/metrics")).content

    rules = await asyncio.to_thread(promtool, "check", "rules", FILES / "alerts.yml")
    linted = await asyncio.to_thread(promtool, "check", "metrics", given=figures)
    assert rules.returncode == 0, rules
    complaints = [line for line in linted.stderr.decode().splitlines() if line.startswith("sugarbot")]
    assert complaints == []


# Alert → series of ten hours that make it fire, when, and the labels that it then has. One value a minute.
FIRING: dict[str, tuple[dict[str, str], str, dict[str, str]]] = {
    "SugarbotDown": ({"up": "0x600"}, "3m", {}),
    "SugarbotWorkerLost": ({'sugarbot_worker_state{state="lost"}': "1x600"}, "6m", {"state": "lost"}),
    "SugarbotNothingDrawn": (
        {
            "sugarbot_queue_waiting": "3x600",
            'sugarbot_worker_state{state="ready"}': "1x600",
            "sugarbot_last_picture_timestamp_seconds": "0x600",
        },
        "25m",
        {},
    ),
    "SugarbotJobsFail": (
        {
            'sugarbot_jobs_ended_total{state="failed"}': "0+1x600",
            'sugarbot_jobs_ended_total{state="done"}': "0+1x600",
        },
        "20m",
        {},
    ),
    "SugarbotWorkerRestarts": (
        {'sugarbot_worker_ends_total{cause="lost"}': "0+1x600"}, "30m", {"cause": "lost"},
    ),
    "SugarbotChatClosed": (
        {'sugarbot_chat_open{platform="discord"}': "0x600"}, "11m", {"platform": "discord"},
    ),
    "SugarbotLongWaits": (
        {
            'sugarbot_queue_wait_seconds_bucket{le="300.0"}': "0x600",
            'sugarbot_queue_wait_seconds_bucket{le="1800.0"}': "0+2x600",
            'sugarbot_queue_wait_seconds_bucket{le="+Inf"}': "0+2x600",
        },
        "60m",
        {},
    ),
    "SugarbotResultsKept": (
        {'sugarbot_deliveries_total{outcome="kept"}': "0+1x600"}, "30m", {"outcome": "kept"},
    ),
}  # fmt: skip
HEALTHY = {
    "up": "1x600",
    'sugarbot_worker_state{state="lost"}': "0x100 1 0x499",  # one restart
    'sugarbot_worker_state{state="ready"}': "1x100 0 1x499",
    'sugarbot_worker_ends_total{cause="lost"}': "0x100 1x500",
    'sugarbot_worker_ends_total{cause="released"}': "0+1x600",
    "sugarbot_queue_waiting": "0 3x599",
    "sugarbot_last_picture_timestamp_seconds": "0+60x600",
    'sugarbot_jobs_ended_total{state="done"}': "0+5x600",
    'sugarbot_jobs_ended_total{state="cancelled"}': "0+5x600",
    'sugarbot_jobs_ended_total{state="failed"}': "0+1x600",
    'sugarbot_chat_open{platform="discord"}': "1x50 0x5 1x545",
    'sugarbot_queue_wait_seconds_bucket{le="60.0"}': "0+19x600",
    'sugarbot_queue_wait_seconds_bucket{le="1800.0"}': "0+20x600",
    'sugarbot_queue_wait_seconds_bucket{le="+Inf"}': "0+20x600",
    'sugarbot_deliveries_total{outcome="sent"}': "0+5x600",
    'sugarbot_deliveries_total{outcome="kept"}': "0x59 1x60 2x60 3x60 4x360",
}


def rules() -> dict[str, Any]:
    groups = yaml.safe_load((FILES / "alerts.yml").read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def series_of(values: dict[str, str]) -> list[dict[str, str]]:
    """The series with the labels that Prometheus adds to those of our job."""
    added = 'job="sugarbot", instance="here"'
    found = []
    for name, content in values.items():
        labelled = name.replace("{", "{" + added + ", ") if "{" in name else name + "{" + added + "}"
        found.append({"series": labelled, "values": content})
    return found


def check_rules(folder: Path, values: dict[str, str], expected: list[dict[str, Any]]) -> None:
    test = {
        "rule_files": [str(FILES / "alerts.yml")],
        "evaluation_interval": "1m",
        "tests": [{"interval": "1m", "input_series": series_of(values), "alert_rule_test": expected}],
    }
    file = folder / "test.yml"
    file.write_text(json.dumps(test))  # JSON is YAML
    process = promtool("test", "rules", file)
    assert process.returncode == 0, process.stdout + process.stderr


@needs_prometheus
@pytest.mark.parametrize("name", rules())
def test_each_alert_fires_on_what_it_is_for(tmp_path: Path, name: str) -> None:
    values, at, labels = FIRING[name]
    rule = rules()[name]
    texts = {
        key: text.replace("{{ $labels.platform }}", labels.get("platform", ""))
        for key, text in rule["annotations"].items()
    }
    added = {"job": "sugarbot", "instance": "here"} | rule["labels"] | labels
    alert = {"exp_labels": added, "exp_annotations": texts}
    early = {"eval_time": "0m", "alertname": name, "exp_alerts": []}
    check_rules(tmp_path, values, [early, {"eval_time": at, "alertname": name, "exp_alerts": [alert]}])


@needs_prometheus
def test_no_alert_fires_on_a_healthy_bot(tmp_path: Path) -> None:
    quiet = [
        {"eval_time": f"{minutes}m", "alertname": name, "exp_alerts": []}
        for name in rules()
        for minutes in range(0, 600, 5)
    ]
    check_rules(tmp_path, HEALTHY, quiet)


def expressions() -> list[str]:
    panels = json.loads((FILES / "dashboard.json").read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel.get("targets", ())]


@needs_prometheus
def test_promtool_reads_every_expression_of_the_dashboard(tmp_path: Path) -> None:
    recorded = [{"record": f"panel:{number}", "expr": each} for number, each in enumerate(expressions())]
    assert len(recorded) > 15
    file = tmp_path / "panels.yml"
    file.write_text(json.dumps({"groups": [{"name": "panels", "rules": recorded}]}))
    process = promtool("check", "rules", file)
    assert process.returncode == 0, process.stdout + process.stderr
    file.write_text(json.dumps({"groups": [{"name": "panels", "rules": [{"record": "a", "expr": "rate("}]}]}))
    assert promtool("check", "rules", file).returncode != 0


def test_the_dashboard_asks_for_figures_that_exist() -> None:
    reading = CardReading(
        at_s=1, total_bytes=1, weights_bytes=0, lora_bytes=0, work_bytes=0, other_bytes=0, headroom_bytes=1,
        utilisation=0.1, temperature_c=40, power_w=50.0,
    )  # fmt: skip
    now = Snapshot(HostState.READY, reading=reading, drawn_ago_s=1.0)
    names = {metric.name for metric in _Figures(now).collect()} | {"sugarbot_worker_resident_memory_bytes"}
    texts = (FILES / "dashboard.json").read_text() + (FILES / "alerts.yml").read_text()
    asked = {
        re.sub(r"_(total|bucket|count|sum)$", "", name)
        for name in re.findall(r"\bsugarbot_\w+|\bprocess_\w+_bytes", texts)
    }

    assert asked <= names
