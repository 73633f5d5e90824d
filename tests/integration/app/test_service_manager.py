"""``sugarbot run`` under a service manager: a real process, and a socket as systemd's."""

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx

from tests.integration.app.conftest import environment, line_with, sugarbot

START_S = 90.0


async def until_received(listener: socket.socket, wanted: str) -> None:
    """Return when a datagram has this line."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(START_S):
        while wanted not in (await loop.sock_recv(listener, 4096)).decode().splitlines():
            pass


async def until_status(get: Callable[[], Awaitable[httpx.Response]], status: int) -> httpx.Response:
    async with asyncio.timeout(START_S):
        while (answer := await get()).status_code != status:  # noqa: ASYNC110 - it sends no signal
            await asyncio.sleep(0.1)
    return answer


async def test_the_manager_hears_of_start_life_and_stop_and_the_probes_answer(tmp_path: Path) -> None:
    data = tmp_path / "var"
    data.mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.setblocking(False)
        environ = environment(
            data, NOTIFY_SOCKET=listener.getsockname(), WATCHDOG_USEC="3000000",
            SUGARBOT_WEB__PORT="0", SUGARBOT_ENGINE__DEVICE="cpu",
        )  # fmt: skip
        async with sugarbot("run", environ=environ) as process:
            assert process.stdout is not None
            [url] = re.findall(r"http://127\.0\.0\.1:\d+", await line_with(process, "http://127.0.0.1:"))
            draining = asyncio.create_task(process.stdout.read(), name="output")
            await until_received(listener, "READY=1")
            async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=60) as client:
                ready = await until_status(lambda: client.get("/readyz"), 200)
                alive, figures = await client.get("/livez"), (await client.get("/metrics")).text
            await until_received(listener, "WATCHDOG=1")
            process.terminate()
            await until_received(listener, "STOPPING=1")
            await draining

    assert ready.json()["worker"] == "ready"
    assert alive.status_code == 200
    for name in (
        'sugarbot_worker_state{state="ready"} 1.0', 'sugarbot_chat_open{platform="web"} 1.0',
        'sugarbot_device_memory_used_bytes{kind="weights"}', "sugarbot_worker_resident_memory_bytes",
        "process_resident_memory_bytes",
    ):  # fmt: skip
        assert name in figures
    assert process.returncode == 0
