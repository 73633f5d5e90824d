"""Forces faults on the worker of a whole bot and checks that every job still ends well: rows 30 to 34.

``python -m tests.card.faults --folder CHECKPOINT --ooms 20 --cuda-errors 10 --kills 10 --stops 3``. Each row
prints one JSON line. Without a card the ballast's rows are left out, so that the script can be tried.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import signal
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import structlog
import torch

from bot import app
from bot.outcomes import JobState
from engine.config import BUILT_IN
from engine.host import Host
from tests.card.ballast import Ballast, open_ballast
from tests.card.caps import GIB, OpenBot, make_settings, open_bot, remember, write_loras
from tests.card.faulty_worker import FLAG
from tests.integration.engine.host.hosting import eventually

NOTICED_S = 60.0
STEPS_PART = 0.4  # of a picture; the rest is its VAE, where a fault of a step comes too late


@dataclass
class FaultResult:
    """What one row saw.

    Attributes:
        events: Faults forced while a job was drawn.
        states: State of a job → how many.
        noticed_s: Seconds from a fault until the worker counts as lost: median and largest.
        lost_s: Seconds from a fault to the next picture's first step: median and largest.
        workers: Worker processes that were used.
        memory_drift_mib: Largest difference of free memory after the faults, against before.
        speed: Median seconds of a picture before and after the faults.
    """

    row: str
    events: int = 0
    states: dict[str, int] = field(default_factory=dict)
    noticed_s: list[float] = field(default_factory=list)
    lost_s: list[float] = field(default_factory=list)
    workers: int = 1
    memory_drift_mib: float = 0.0
    speed: list[float] = field(default_factory=list)
    log: list[str] = field(default_factory=list)

    def count(self, state: JobState | None) -> None:
        """Count a job's end."""
        name = state.value if state else "refused"
        self.states[name] = self.states.get(name, 0) + 1


async def speed_of(bot: OpenBot, size: str) -> float:
    """Return the median seconds of five pictures without a LoRA change."""
    count = len(bot.stopwatch.seconds)
    for seed in range(6):
        await bot.say("a face", size, "random-0", seed)
    return round(statistics.median(bot.stopwatch.seconds[count + 1 :]), 3)


async def lose_workers(
    bot: OpenBot, options: Any, fault: Callable[[int], None], result: FaultResult, count: int
) -> FaultResult:
    """Force ``count`` faults, each at a random step of a job, and measure the pause until drawing goes on.

    A fault that comes after a job's last step does not count. After ``options.most_s`` no fault is forced.
    """
    random, pids = Random(), set()
    picture_s, until_s = await speed_of(bot, options.size), time.monotonic() + options.most_s
    for number in itertools.count():
        if result.events == count or time.monotonic() >= until_s:
            break
        bot.stopwatch.has_begun.clear()
        job = asyncio.create_task(bot.say(f"a face {number}", options.size, "random-0", number), name="job")
        await bot.stopwatch.has_begun.wait()
        await asyncio.sleep(random.random() * picture_s * STEPS_PART)
        info = bot.application.host.info  # a new plan may have replaced the worker of the job before
        if info is None:  # it met the fault that came too late for the job before
            await job
            continue
        faulted_s = time.perf_counter()
        fault(info.pid)
        notice = asyncio.create_task(until_lost(bot, info.pid), name="until the worker is lost")
        answer = await job
        result.count(answer.state)
        again = [at for at in bot.stopwatch.begun_s if at > faulted_s]
        if again and notice.done():
            pids.add(info.pid)
            result.events += 1
            result.noticed_s.append(notice.result() - faulted_s)
            result.lost_s.append(again[0] - faulted_s)
        notice.cancel()
        options.flag.unlink(missing_ok=True)
    result.workers = len(pids)
    return result


async def until_lost(bot: OpenBot, pid: int) -> float:
    """Wait until the bot no longer counts on the worker; return the time of ``time.perf_counter``."""
    host = bot.application.host
    await eventually(lambda: host.info is None or host.info.pid != pid, NOTICED_S)
    return time.perf_counter()


async def row_30(bot: OpenBot, size: str, ballast: Ballast, count: int, seen: list[str]) -> FaultResult:
    """Take the card's memory away while jobs are drawn, and give it back."""
    result, random = FaultResult("30, 34: memory taken away"), Random(30)
    # What a worker caches at its first pictures, and the kernels of its fallbacks, are not lost memory.
    free_at_start = torch.cuda.mem_get_info()[0]
    for number in range(6):
        await bot.say("a face", size, f"random-{number}", number)
    await ballast.leave_free(GIB // 2)
    await bot.say("a face", size, "random-0", 0)
    await ballast.leave_free(free_at_start)
    result.speed.append(await speed_of(bot, size))
    free_before = torch.cuda.mem_get_info()[0]
    pid = bot.application.host.info.pid if bot.application.host.info else 0
    for number in range(count):
        job = asyncio.create_task(
            bot.say(f"a face {number}", size, f"random-{number % 6}", number), name="job"
        )
        await asyncio.sleep(random.random() * 0.3)
        await ballast.leave_free(int(random.random() * 1.5 * GIB))
        await asyncio.sleep(random.random() * 0.5)
        await ballast.leave_free(free_before)
        result.events += 1
        result.count((await job).state)
    result.speed.append(await speed_of(bot, size))
    result.memory_drift_mib = round((free_before - torch.cuda.mem_get_info()[0]) / 2**20)
    result.workers = 1 if bot.application.host.info and bot.application.host.info.pid == pid else 2
    result.log = seen[-20:]
    return result


@contextlib.asynccontextmanager
async def faulty_bot(settings: Any, flag: Path) -> AsyncIterator[OpenBot]:
    """Open a bot whose workers meet a CUDA error once the flag exists."""
    os.environ[FLAG] = str(flag)
    real, app.Host = app.Host, partial(Host, module="tests.card.faulty_worker")  # type: ignore[misc,assignment]
    try:
        async with open_bot(settings) as bot:
            yield bot
    finally:
        app.Host = real  # type: ignore[misc]


def middle_and_most(seconds: list[float]) -> list[float]:
    """Return the median and the largest, or nothing."""
    return [round(statistics.median(seconds), 2), round(max(seconds), 2)] if seconds else []


def report(result: FaultResult) -> FaultResult:
    """Print one JSON line with the median and the largest pause."""
    result.noticed_s, result.lost_s = middle_and_most(result.noticed_s), middle_and_most(result.lost_s)
    print(json.dumps(asdict(result)), flush=True)
    return result


async def measure(options: Any, data_dir: Path) -> list[FaultResult]:
    """Run every row that the options ask for."""
    results, seen = [], list[str]()
    await asyncio.to_thread(write_loras, options.folder, data_dir)
    structlog.configure(processors=[remember(seen)])
    settings, options.flag = make_settings(options.folder, data_dir, options.precision), data_dir / "fault"
    signals = {"32: SIGKILL": (signal.SIGKILL, options.kills), "32: SIGSTOP": (signal.SIGSTOP, options.stops)}
    async with contextlib.AsyncExitStack() as stack:
        ballast = None
        if torch.cuda.is_available():
            ballast = await stack.enter_async_context(open_ballast())
            if options.free:
                await ballast.leave_free(int(options.free * GIB))
        async with open_bot(settings) as bot:
            if ballast is not None and options.ooms:
                results.append(report(await row_30(bot, options.size, ballast, options.ooms, seen)))
            for row, (number, count) in signals.items():
                if count:
                    fault = partial(_send, number)
                    results.append(report(await lose_workers(bot, options, fault, FaultResult(row), count)))
        if options.cuda_errors:
            async with faulty_bot(settings, options.flag) as bot:
                result = FaultResult("31: CUDA error")
                count = options.cuda_errors
                results.append(
                    report(await lose_workers(bot, options, lambda pid: options.flag.touch(), result, count))
                )
    return results


def _send(number: signal.Signals, pid: int) -> None:
    os.kill(pid, number)


def main(arguments: list[str] | None = None) -> list[FaultResult]:
    """Force the faults that the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.card.faults")
    parser.add_argument("--folder", default=BUILT_IN, help="a checkpoint; left out: the built-in model")
    parser.add_argument("--free", type=float, default=0.0, help="GiB that the ballast leaves free; 0 for all")
    parser.add_argument("--size", default="128x192")
    parser.add_argument("--precision", default="bf16")
    parser.add_argument("--ooms", type=int, default=0)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--stops", type=int, default=0)
    parser.add_argument("--cuda-errors", type=int, default=0)
    parser.add_argument("--most-s", type=float, default=3600.0, help="no row forces a fault after that time")
    parser.add_argument("--data-dir", type=Path, help="kept, with compiled kernels and the converted copy")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="sugarbot-faults-") as scratch:
        data_dir = options.data_dir or Path(scratch)
        (data_dir / "loras").mkdir(parents=True, exist_ok=True)
        return asyncio.run(measure(options, data_dir))


if __name__ == "__main__":
    main()
