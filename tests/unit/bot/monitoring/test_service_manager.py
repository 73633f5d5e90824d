"""The notifications, received by a real socket as systemd's."""

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.monitoring.service_manager import ServiceManager


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        receiver.settimeout(30)
        yield receiver


def received(listener: socket.socket) -> dict[str, str]:
    return dict(line.split("=", 1) for line in listener.recv(4096).decode().splitlines())


def environment(listener: socket.socket, **more: str) -> dict[str, str]:
    return {"NOTIFY_SOCKET": listener.getsockname()} | more


def test_facts_arrive_in_one_datagram(listener: socket.socket) -> None:
    ServiceManager(environment(listener)).notify(READY="1", STATUS="ready, 0 jobs wait")

    assert received(listener) == {"READY": "1", "STATUS": "ready, 0 jobs wait"}


def test_a_socket_without_a_file_is_reached() -> None:
    name = f"sugarbot-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0{name}")
        listener.settimeout(30)

        ServiceManager({"NOTIFY_SOCKET": f"@{name}"}).notify(STOPPING="1")

        assert received(listener) == {"STOPPING": "1"}


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": "/nowhere/notify"}])
def test_without_a_listener_nothing_happens(environ: dict[str, str]) -> None:
    ServiceManager(environ).notify(READY="1")


async def test_the_watchdog_hears_of_a_bot_that_lives(listener: socket.socket) -> None:
    manager = ServiceManager(environment(listener, WATCHDOG_USEC="30000"))

    async def lives() -> bool:
        return True

    async with asyncio.timeout(30):
        keeping = asyncio.create_task(manager.keep_watchdog(lives, lambda: "ready"), name="watchdog")
        for _ in range(3):
            facts = await asyncio.to_thread(received, listener)
            assert facts == {"WATCHDOG": "1", "STATUS": "ready"}
        keeping.cancel()


async def test_the_watchdog_hears_nothing_of_a_bot_that_does_not_live(listener: socket.socket) -> None:
    manager = ServiceManager(environment(listener, WATCHDOG_USEC="3000"))
    asked = asyncio.Event()

    async def does_not_live() -> bool:
        asked.set()
        return False

    keeping = asyncio.create_task(manager.keep_watchdog(does_not_live, lambda: ""), name="watchdog")
    async with asyncio.timeout(30):
        await asked.wait()
    keeping.cancel()
    await asyncio.wait([keeping])

    listener.setblocking(False)
    with pytest.raises(BlockingIOError):
        listener.recv(1)


@pytest.mark.parametrize(
    "watchdog",
    [
        {},
        {"WATCHDOG_USEC": "0"},
        {"WATCHDOG_USEC": "soon"},
        {"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"},
    ],
)
async def test_without_a_watchdog_of_this_process_nothing_is_kept(
    listener: socket.socket, watchdog: dict[str, str]
) -> None:
    async def never() -> bool:
        raise AssertionError

    async with asyncio.timeout(30):
        await ServiceManager(environment(listener, **watchdog)).keep_watchdog(never, str)
