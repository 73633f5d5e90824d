"""A fork server starts whole bots in a tenth of the time: it imports everything once and forks each bot.

``python -m tests.crash.platforms.fork_server`` is the server. It reads one line of JSON for each bot (the
settings), prints the child's process id, and ends at the end of its input.
"""

import asyncio
import json
import logging
import os
import signal
import sys
import time
import traceback
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, TextIO

ROOT = Path(__file__).resolve().parents[3]
END_S = 40.0
FAKE_CHILD = "tests.integration.engine.fake_child"
LOOK_EVERY_S = 0.005


class ForkServer:
    """The client of the server process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def start(self, environ: dict[str, str]) -> int:
        """Start a bot; return its process id."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(environ).encode() + b"\n")
        await self._process.stdin.drain()
        return int(await self._process.stdout.readline())


@asynccontextmanager
async def open_fork_server(log: Path) -> AsyncIterator[ForkServer]:
    """Start a fork server; the output of its bots goes to ``log``."""
    with log.open("ab") as file:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            __name__,
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=file,
        )
        try:
            assert process.stdout is not None
            assert await process.stdout.readline() == b"ready\n"
            yield ForkServer(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            await process.wait()


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def wait_for_end(pid: int, timeout_s: float = END_S) -> None:
    """Return when the process is gone."""
    async with asyncio.timeout(timeout_s):
        while is_alive(pid):  # noqa: ASYNC110 - only a parent can wait for the process
            await asyncio.sleep(0.002)


async def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    await wait_for_end(pid)


class FakeHost:
    """Replaces ``engine.host.Host`` by a renderer without a worker process; it fails sometimes."""

    def __init__(self, config: Any, *, fails: bool = True, **_: Any) -> None:
        from engine.host import HostState
        from tests.fakes.renderer import FakeRenderer

        self.state = HostState.READY
        self.errors: tuple[Any, ...] = ()
        self._renderer = FakeRenderer(_random_acts() if fails else (), step_s=0.0005)
        self.info: Any = None
        self.render = self._renderer.render
        self.cancel = self._renderer.cancel
        self.prefetch = self._renderer.prefetch
        self.withdraw = self._renderer.withdraw

    async def start(self) -> Any:
        from engine.request import WorkerInfo

        self.info = WorkerInfo(0, "cpu", "a fake", "float32", "a test", "fake", 0.0, 1)
        return self.info

    def held_bytes(self) -> int:
        return 0

    def device(self) -> str:
        return "cpu"

    def share(self) -> Any:
        from engine.planner.monitor import WorkerShare

        return WorkerShare()

    def loading_s(self) -> float | None:
        return None

    async def watch(self) -> None:
        await asyncio.Event().wait()

    async def close(self) -> None:
        pass


def _random_acts() -> Any:
    from random import Random

    from tests.fakes.renderer import Act

    return Random(os.getpid()).choices([Act.DRAW, Act.FAIL, Act.LOSE], weights=[18, 1, 1], k=5_000)


def run_bot(environ: dict[str, str]) -> None:
    """Run one bot like ``sugarbot run``."""
    import structlog

    import bot.app
    from bot.cli import serve
    from bot.settings import SettingsFiles

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.disable(logging.CRITICAL)  # the libraries would log every kill
    match environ.pop("TEST_RENDERER", ""):
        case "fake":
            bot.app.Host = FakeHost  # type: ignore[assignment, misc]
        case "steady":
            bot.app.Host = partial(FakeHost, fails=False)  # type: ignore[assignment, misc]
        case "child":
            bot.app.Host = partial(bot.app.Host, module=FAKE_CHILD)  # type: ignore[assignment, misc]
    lags = environ.pop("TEST_LAGS", "")
    os.environ.update(environ)  # a running bot reads its settings again
    files = SettingsFiles()
    asyncio.run(_run_and_record_lags(serve.run(files.read(), files), lags))


async def _run_and_record_lags(work: Coroutine[Any, Any, int], lags: str) -> None:
    """Run the work and record every few milliseconds how late the loop is."""
    if not lags:
        await work
        return
    with Path(lags).open("a", buffering=1) as file:  # noqa: ASYNC230 - a line is a write into the page cache
        recorder = asyncio.create_task(_record_lags(file), name="record lags")
        await work
        recorder.cancel()


async def _record_lags(file: TextIO) -> None:
    while True:
        before_s = time.monotonic()
        await asyncio.sleep(LOOK_EVERY_S)
        file.write(f"{before_s:.4f} {time.monotonic() - before_s - LOOK_EVERY_S:.4f}\n")


def run_bot_and_exit(environ: dict[str, str]) -> NoReturn:
    """Run a bot and exit without the cleanup of the fork server."""
    code = 1
    try:
        run_bot(environ)
        code = 0
    finally:
        if code:
            traceback.print_exc()
        os._exit(code)


def main() -> None:
    # Import before the fork what a bot imports late.
    import pypinyin  # noqa: F401

    import bot.chats.discord_
    import bot.chats.telegram_
    import bot.cli.serve  # noqa: F401
    import tests.fakes.renderer  # noqa: F401

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # this process does not wait for the bots
    print("ready", flush=True)
    for line in sys.stdin:
        if pid := os.fork():
            print(pid, flush=True)
            continue
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.close(0)
        run_bot_and_exit(json.loads(line))


if __name__ == "__main__":
    main()
