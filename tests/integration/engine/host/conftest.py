"""What holds for every test of the host: restarts come soon, and nothing is left afterwards."""

import asyncio
from collections.abc import AsyncIterator

import psutil
import pytest

from engine.host import host as host_module
from tests.integration.engine.host.hosting import pauses_from


@pytest.fixture(autouse=True)
def quick_restarts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_module, "RESTART_PAUSES_S", pauses_from(0.05))


@pytest.fixture(autouse=True)
async def nothing_is_left() -> AsyncIterator[None]:
    """No process, file or task outlives any of these tests."""
    me = psutil.Process()
    files, children = me.num_fds(), set(me.children())  # another test's fork server or browser may be there
    yield
    await asyncio.sleep(0.05)
    new = set(me.children()) - children
    assert not new | {below for child in new for below in child.children(recursive=True)}
    assert me.num_fds() <= files
    assert [task for task in asyncio.all_tasks() if "worker" in task.get_name()] == []
