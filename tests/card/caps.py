"""Draws with the whole bot while a ballast leaves little of the card free: figures E10 and E11.

``python -m tests.card.caps --folder CHECKPOINT --free 24,16,12,8 --crowd 60``. For each amount of free memory
it starts the bot, times pictures one at a time (same prompt and LoRA, new prompt, new LoRA), and then lets
50 people ask at once for random sizes and LoRAs. Without a card it draws once with the built-in model, so
that the script can be tried.
"""

import argparse
import asyncio
import contextlib
import io
import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import structlog
import torch
from rich.console import Console

from bot.app import Application, open_application, serve_chats
from bot.chats.console import ConsoleAnswer, ConsoleChat
from bot.desk.drawing.loop import Renderer
from bot.monitoring.figures import REGISTRY
from bot.outcomes import JobState
from bot.settings import Settings
from engine.bench.rows.random_loras import RandomLoras
from engine.checkpoint.contents import linear_shapes
from engine.checkpoint.model import find_model
from engine.config import BUILT_IN, PROMPTS, EngineConfig
from engine.host import Host
from engine.planner.costs.book import CostBook
from engine.request import Event, Failed, Finished, LoraChoice, LoraSource, Progress, RenderRequest, Stopped
from tests.card.ballast import Ballast, open_ballast
from tests.integration.engine.host.hosting import eventually

GIB = 2**30
PEOPLE = 50
LORAS = 6
POLL_S = 0.02
NEAR = 0.05
MOST_MISSES = 40
REPORT_EVERY = 50  # pictures of the crowd: a run that is stopped has told how far it came
MOST_LINES, MOST_CHARS = 60, 1_000  # of the log: a lack of memory is explained at its end


@dataclass
class CapResult:
    """What one amount of free memory allowed; seconds are of the worker's work on one picture.

    Attributes:
        free_gib: Free before the bot started.
        plan: The plan that the worker carried out.
        ready_s: From the start of the bot to a ready worker.
        seconds: Size → kind of picture → median seconds.
        peak_gib: The most that the card was used above what was used before the bot started.
        crowd: State of each job of the crowd → how many; ``seconds`` it took.
        predicted: Predicted ÷ real peak of the crowd's jobs: ``least``, ``median``, ``most``, and the shares
            ``within_5_percent`` and ``over_2_percent_too_low``.
        misses: Jobs whose peak was not predicted within 5 %: size, predicted, real and kept MiB.
        starts: Starts of the crowd's jobs before, within and after the wait that they were promised.
        events: Line of the log → how often it was written; a retry after a lack of memory is one of them.
    """

    free_gib: float
    plan: str = ""
    ready_s: float = 0.0
    seconds: dict[str, dict[str, float]] = field(default_factory=dict)
    peak_gib: float = 0.0
    crowd: dict[str, float] = field(default_factory=dict)
    predicted: dict[str, float] = field(default_factory=dict)
    misses: list[str] = field(default_factory=list)
    starts: dict[str, float] = field(default_factory=dict)
    events: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)


class Stopwatch:
    """Measures the time of each job between its first step and its end; otherwise a ``Host``."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self.costs: CostBook | None = None
        self.predicted: list[float] = []  # predicted ÷ real peak
        self.misses: list[str] = []  # of the jobs whose prediction is more than 5 % off
        self.seconds: list[float] = []
        self.begun_s: list[float] = []  # times at which a job's first step began
        self.has_begun = asyncio.Event()
        self.outcomes: list[Finished | Stopped | Failed] = []

    async def render(
        self, request: RenderRequest, listen: Callable[[Event], None]
    ) -> Finished | Stopped | Failed:
        """Draw a job and note its time."""
        started_s, expected_bytes = time.perf_counter(), 0
        if self.costs is not None:
            size = request.width_px, request.height_px
            expected_bytes = self.costs.predict(*size, request.count, len(request.loras), request.steps).bytes

        def note(event: Event) -> None:
            nonlocal started_s
            if isinstance(event, Progress) and event.step == 0:
                started_s = time.perf_counter()
                self.begun_s.append(started_s)
                self.has_begun.set()
            listen(event)

        outcome = await self._host.render(request, note)
        self.seconds.append(time.perf_counter() - started_s)
        self.outcomes.append(outcome)
        if isinstance(outcome, Finished) and outcome.peak_bytes:
            self.predicted.append(expected_bytes / outcome.peak_bytes)
            if abs(self.predicted[-1] - 1) > NEAR:
                mib = [each // 2**20 for each in (expected_bytes, outcome.peak_bytes, outcome.kept_bytes)]
                self.misses.append(f"{len(self.predicted)}: {request.width_px} x {request.height_px} {mib}")
        return outcome

    def cancel(self, job_id: str) -> None:
        """Stop a job."""
        self._host.cancel(job_id)

    def prefetch(self, loras: Sequence[LoraChoice], files: Sequence[LoraSource]) -> None:
        """Read LoRAs ahead."""
        self._host.prefetch(loras, files)

    def withdraw(self, sha256: frozenset[str]) -> None:
        """Forget and refuse these LoRAs."""
        self._host.withdraw(sha256)


@dataclass
class Peak:
    """The most memory of the card in use since the start."""

    before_bytes: int
    bytes: int = 0


@contextlib.asynccontextmanager
async def watch_peak() -> AsyncIterator[Peak]:
    """Read the card's memory every ``POLL_S``; all zero without a card."""
    if not torch.cuda.is_available():
        yield Peak(0)
        return
    import pynvml

    pynvml.nvmlInit()
    handle = pynvml.nvmlDeviceGetHandleByIndex(int(os.environ.get("CUDA_VISIBLE_DEVICES", "0")))
    peak = Peak(pynvml.nvmlDeviceGetMemoryInfo(handle).used)

    async def poll() -> None:
        while True:
            peak.bytes = max(peak.bytes, pynvml.nvmlDeviceGetMemoryInfo(handle).used - peak.before_bytes)
            await asyncio.sleep(POLL_S)

    task = asyncio.create_task(poll(), name="watch the card")
    try:
        yield peak
    finally:
        task.cancel()
        await asyncio.wait([task])


@dataclass
class OpenBot:
    """The whole bot with a console chat."""

    application: Application
    chat: ConsoleChat
    stopwatch: Stopwatch
    ready_s: float

    async def say(self, prompt: str, size: str, lora: str, seed: int, who: str = "a member") -> ConsoleAnswer:
        """Ask for one picture and wait for it."""
        flags = f"--size {size} --seed {seed}" + (f" --lora {lora}" if lora else "")
        return await self.chat.say(f"/sugar {flags} -- {prompt}", user_name=who)


TRIALS_S = 300.0  # each new LoRA is tried out before anybody can choose it


@contextlib.asynccontextmanager
async def open_bot(settings: Settings) -> AsyncIterator[OpenBot]:
    """Open the bot and wait until its worker is ready."""
    watches: list[Stopwatch] = []

    def wrap(host: Host) -> Renderer:
        watches.append(Stopwatch(host))
        return watches[0]

    started_s = time.perf_counter()
    async with open_application(settings, wrap_renderer=wrap) as application:
        quiet = Console(file=io.StringIO())
        chat = ConsoleChat(
            application.desk, out_dir=settings.data_dir / "out", answers=io.StringIO(), console=quiet
        )
        async with serve_chats(application, [chat]):
            await application.worker
            await eventually(lambda: not application.desk.parts.shelf.files.checking, TRIALS_S)
            watches[0].costs = application.costs
            yield OpenBot(application, chat, watches[0], time.perf_counter() - started_s)


async def time_pictures(bot: OpenBot, size: str, loras: Sequence[str], rounds: int) -> dict[str, float]:
    """Draw one picture at a time; return the median seconds of each kind."""
    kinds: dict[str, list[float]] = {"first": [], "same": [], "new prompt": [], "new LoRA": [], "no LoRA": []}
    work = [("first", "a face", 0), ("first", "a face", 0)]
    work += [("same", "a face", 0)] * rounds
    work += [("new prompt", f"a face, number {number}", 0) for number in range(rounds)]
    work += [("new LoRA", "a face", 1 + number % (len(loras) - 1)) for number in range(rounds)]
    work += [("no LoRA", "a face", -1)] * rounds
    for seed, (kind, prompt, number) in enumerate(work):
        count = len(bot.stopwatch.seconds)
        await bot.say(prompt, size, loras[number] if number >= 0 else "none", seed)
        kinds[kind] += bot.stopwatch.seconds[count:]
    return {kind: round(statistics.median(seconds), 3) for kind, seconds in kinds.items() if seconds}


async def crowd(
    bot: OpenBot, sizes: Sequence[str], loras: Sequence[str], pictures: int, limit_s: float
) -> dict[str, float]:
    """Let ``PEOPLE`` people ask at once for ``pictures`` pictures, or for ``limit_s``; count the states."""
    random, states = Random(10), dict.fromkeys(JobState, 0)
    left = list(range(pictures))

    async def person(number: int) -> None:
        while left and time.perf_counter() - started_s < limit_s:
            seed = left.pop()
            answer = await bot.say(
                f"a face, {seed % 7}",
                random.choice(sizes),
                random.choice(loras),
                seed,
                who=f"member {number}",
            )
            states[answer.state or JobState.FAILED] += 1
            if not sum(states.values()) % REPORT_EVERY:
                print(f"{sum(states.values())} after {time.perf_counter() - started_s:.0f} s", flush=True)

    started_s = time.perf_counter()
    await asyncio.gather(*(person(number) for number in range(PEOPLE)))
    counted = {state.value: float(count) for state, count in states.items() if count}
    return counted | {"seconds": round(time.perf_counter() - started_s, 1)}


def make_settings(folder: str, data_dir: Path, precision: str) -> Settings:
    """Return settings without quotas."""
    return Settings.model_validate(
        {
            "data_dir": data_dir,
            "web": {"enabled": False},
            "quota": {"daily_credits": 100_000, "max_waiting": 100},
            "engine": {"model": folder, "precision": precision, "reserve_mib": 256},
        }
    )


def remember(
    lines: list[str], counts: dict[str, int] | None = None
) -> Callable[[Any, str, dict[str, Any]], dict[str, Any]]:
    """Return a log processor that keeps what matters for the result, and counts all of it."""

    def keep(logger: Any, method: str, event: dict[str, Any]) -> dict[str, Any]:
        name = str(event.get("event", ""))
        matters = "plan" in name or method in ("warning", "error")
        if matters and counts is not None:
            counts[name[:MOST_CHARS]] = counts.get(name[:MOST_CHARS], 0) + 1
        if matters and len(lines) < MOST_LINES:
            text = " ".join(f"{key}={value}" for key, value in event.items())
            lines.append(
                text if len(text) <= MOST_CHARS else f"{text[: MOST_CHARS // 2]} … {text[-MOST_CHARS // 2 :]}"
            )
        raise structlog.DropEvent

    return keep


async def measure(
    free_bytes: int | None, ballast: Ballast | None, settings: Settings, loras: Sequence[str], options: Any
) -> CapResult:
    """Start the bot beside the ballast, draw, and stop it."""
    result = CapResult(0.0)
    structlog.configure(processors=[remember(result.log, result.events)])
    if ballast is not None and free_bytes is not None:
        result.free_gib = round(await ballast.leave_free(free_bytes) / GIB, 2)
    async with watch_peak() as peak:
        try:
            async with open_bot(settings) as bot:
                result.ready_s = round(bot.ready_s, 1)
                result.plan = str(getattr(bot.application.host.info, "plan", ""))
                for size in options.sizes:
                    result.seconds[size] = await time_pictures(bot, size, loras, options.rounds)
                print(json.dumps(asdict(result)), flush=True)  # a run that is stopped has told this much
                if options.crowd:
                    first, before = len(bot.stopwatch.predicted), _starts()
                    sizes = options.crowd_sizes.split(",") if options.crowd_sizes else options.sizes
                    result.crowd = await crowd(bot, sizes, loras, options.crowd, options.crowd_s)
                    result.predicted = _shares(bot.stopwatch.predicted[first:])
                    result.misses = bot.stopwatch.misses[-MOST_MISSES:]
                    result.starts = {name: count - before[name] for name, count in _starts().items()}
                failed = [each for each in bot.stopwatch.outcomes if isinstance(each, Failed)]
                result.failures = [f"{each.reason}: {each.detail}"[:200] for each in failed]
        except Exception as error:  # noqa: BLE001 - the next amount of memory is still measured
            result.failures.append(f"{type(error).__name__}: {error}"[:400])
    result.peak_gib = round(peak.bytes / GIB, 2)
    return result


def _starts() -> dict[str, float]:
    """Return how many jobs began before, within and after their promised wait, as in ``/metrics``."""
    labels = [{"result": result} for result in ("early", "within", "late")]
    return {each["result"]: REGISTRY.get_sample_value("sugarbot_eta_total", each) or 0.0 for each in labels}


def _shares(ratios: Sequence[float]) -> dict[str, float]:
    """Return how near the predictions were; empty without a card, where no peak is known."""
    if not ratios:
        return {}
    return {
        "least": round(min(ratios), 3),
        "median": round(statistics.median(ratios), 3),
        "most": round(max(ratios), 3),
        "within_5_percent": round(sum(abs(each - 1) <= NEAR for each in ratios) / len(ratios), 3),
        "over_2_percent_too_low": round(sum(each < 0.98 for each in ratios) / len(ratios), 3),
    }


def main(arguments: list[str] | None = None) -> list[CapResult]:
    """Measure every amount of free memory and print one JSON line for each."""
    parser = argparse.ArgumentParser(prog="python -m tests.card.caps")
    parser.add_argument("--folder", default=BUILT_IN, help="a checkpoint; left out: the built-in model")
    parser.add_argument("--free", default="", help="GiB that the ballast leaves free, like 24,16,12")
    parser.add_argument("--sizes", default="", help="left out: 512x768,1024x1024, or the native size")
    parser.add_argument("--crowd-sizes", default="", help="left out: those of --sizes")
    parser.add_argument("--precision", default="bf16")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--crowd", type=int, default=0, help="pictures of the crowd")
    parser.add_argument("--crowd-s", type=float, default=3600.0, help="the crowd asks for so long at most")
    parser.add_argument(
        "--data-dir", type=Path, help="kept, in caps/, but for database, pictures and prompts"
    )
    parser.add_argument("--into", type=Path, help="a file for the JSON lines")
    options = parser.parse_args(arguments)
    return asyncio.run(_measure_all(options))


async def _measure_all(options: Any) -> list[CapResult]:
    results = []
    with tempfile.TemporaryDirectory(prefix="sugarbot-caps-") as scratch:
        data_dir = (options.data_dir or Path(scratch)) / "caps"  # never the folder of a bot
        (data_dir / "loras").mkdir(parents=True, exist_ok=True)
        names = await asyncio.to_thread(write_loras, options.folder, data_dir)
        model = find_model(EngineConfig(data_dir, data_dir / "loras", model=options.folder))
        native = f"{model.native_width_px}x{model.native_height_px}"
        options.sizes = options.sizes.split(",") if options.sizes else [native]
        caps = [float(each) for each in options.free.split(",")] if options.free else [None]
        async with contextlib.AsyncExitStack() as stack:
            ballast = None
            if torch.cuda.is_available() and options.free:
                ballast = await stack.enter_async_context(open_ballast())
            for cap in caps:
                settings = make_settings(options.folder, data_dir, options.precision)
                for path in data_dir.glob("*sugarbot.db*"):
                    path.unlink()
                # Pictures without a database would be reported, and prompts would be known.
                for folder in ("pictures", "backups", PROMPTS):
                    shutil.rmtree(data_dir / folder, ignore_errors=True)
                free_bytes = None if cap is None else int(cap * GIB)
                result = await measure(free_bytes, ballast, settings, names, options)
                results.append(result)
                line = json.dumps({"cap_gib": cap, "precision": options.precision, **asdict(result)})
                print(line, flush=True)
                if options.into:
                    with options.into.open("a") as file:
                        file.write(line + "\n")
    return results


def write_loras(folder: str, data_dir: Path) -> list[str]:
    """Write random LoRAs of rank 32 onto the shelf, unless a run before left them; return their names."""
    config = EngineConfig(data_dir, data_dir / "loras", model=folder)
    kept = sorted(each.stem for each in config.lora_dir.glob("random-*.safetensors"))
    if len(kept) == LORAS:
        return kept
    shapes = linear_shapes(find_model(config).folder)
    loras = RandomLoras(shapes, config.lora_dir, torch.device("cpu"), torch.bfloat16)
    return [loras.choice(number).name for number in range(LORAS)]


if __name__ == "__main__":
    main()
