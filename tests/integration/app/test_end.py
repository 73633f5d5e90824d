"""The process ends even if something hangs: a download, a driver, a drain, a library's thread."""

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.integration.app.conftest import environment

SOON_S = 20.0  # "within about 5 s", on two busy cores; a stop that waits in vain takes 28 s
HANG = "print('hanging', flush=True); time.sleep(300)"

DRIVER = f"""
import sys, time
from engine.planner.headroom import HeadroomProbe
def hang(self):
    {HANG}
HeadroomProbe.read = hang
sys.argv = ["sugarbot", "run"]
from bot.__main__ import main
main()
"""
THREAD = """
import sys, threading, time
from bot.cli import doctor
async def report(settings, options):
    threading.Thread(target=lambda: time.sleep(300), name="library").start()
    print('hanging', flush=True)
    return 3
doctor.report = report
sys.argv = ["sugarbot", "doctor"]
from bot.__main__ import main
main()
"""
DRAIN = """
import asyncio, sys, time
from bot.cli import doctor
from bot.cli import runner
runner.STOP_S = 1.0
async def report(settings, options):
    try:
        print('hanging', flush=True)
        await asyncio.sleep(300)
    finally:
        print('stopping', flush=True)
        await asyncio.sleep(300)
doctor.report = report
sys.argv = ["sugarbot", "doctor"]
from bot.__main__ import main
main()
"""


@asynccontextmanager
async def started(script: str, data_dir: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start a command and wait until it hangs; kill it at the end if it still runs."""
    environ = environment(data_dir, SUGARBOT_WEB__PORT="0")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, cwd=data_dir, env=environ,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        async with asyncio.timeout(40):
            async for line in process.stdout:
                if b"hanging" in line:
                    break
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def seconds_to_end(process: asyncio.subprocess.Process) -> float:
    began_s = time.monotonic()
    async with asyncio.timeout(60):
        await process.wait()
    return time.monotonic() - began_s


@pytest.mark.slow
@pytest.mark.parametrize(("command", "code"), [("run", 0), ("setup", 130), ("say /help", 130)])
async def test_ctrl_c_does_not_wait_for_a_download(command: str, code: int, tmp_path: Path) -> None:
    asked = asyncio.Event()

    async def accept_and_hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await reader.read()  # until the client disconnects
        writer.close()

    hub = await asyncio.start_server(accept_and_hang, "127.0.0.1", 0)
    port = hub.sockets[0].getsockname()[1]
    environ = environment(
        tmp_path,
        SUGARBOT_WEB__PORT="0",
        SUGARBOT_ENGINE__MODEL="owner/name",
        SUGARBOT_ENGINE__REVISION="0123456789abcdef0123456789abcdef01234567",
        HF_ENDPOINT=f"http://127.0.0.1:{port}",
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", *command.split(), cwd=tmp_path, env=environ,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(40):
            await asked.wait()
        process.send_signal(signal.SIGINT)
        assert await seconds_to_end(process) < SOON_S
        assert process.returncode == code
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        hub.close()
        await asyncio.sleep(0.05)  # for the connection to close, too


async def test_a_driver_that_hangs_does_not_hold_a_stop(tmp_path: Path) -> None:
    async with started(DRIVER, tmp_path) as process:
        process.send_signal(signal.SIGTERM)
        assert await seconds_to_end(process) < SOON_S
        assert process.returncode == 0


async def test_a_library_s_thread_does_not_hold_a_command_that_is_done(tmp_path: Path) -> None:
    async with started(THREAD, tmp_path) as process:
        assert await seconds_to_end(process) < SOON_S
        assert process.returncode == 3


async def test_a_drain_that_hangs_is_abandoned(tmp_path: Path) -> None:
    async with started(DRAIN, tmp_path) as process:
        process.send_signal(signal.SIGTERM)
        assert await seconds_to_end(process) < SOON_S
        assert process.returncode == 1


async def test_a_second_ctrl_c_ends_at_once(tmp_path: Path) -> None:
    async with started(DRAIN.replace("STOP_S = 1.0", "STOP_S = 60.0"), tmp_path) as process:
        process.send_signal(signal.SIGINT)
        assert process.stdout is not None
        assert await process.stdout.readline() == b"stopping\n"
        process.send_signal(signal.SIGINT)
        assert await seconds_to_end(process) < SOON_S
        assert process.returncode == 130
