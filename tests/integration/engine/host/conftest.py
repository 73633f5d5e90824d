"""For all tests of the host: restarts come soon, a worker has time to end, and nothing is left afterwards."""

import asyncio
from collections.abc import AsyncIterator

import psutil
import pytest

from engine.host import host as host_module
from engine.host import worker_process as process_module
from tests.integration.engine.host.hosting import eventually, pauses_from


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_module, "RESTART_PAUSES_S", pauses_from(0.05))
    monkeypatch.setattr(process_module, "SHUTDOWN_S", 60.0)  # the machine may be busy


@pytest.fixture(autouse=True)
async def nothing_is_left() -> AsyncIterator[None]:
    """No process, file or task outlives any of these tests."""
    me = psutil.Process()
    files, children = me.num_fds(), set(me.children())  # another test's fork server or browser may be there
    yield
    await eventually(lambda: not set(me.children()) - children)
    await eventually(lambda: me.num_fds() <= files)
    await eventually(lambda: not [task for task in asyncio.all_tasks() if "worker" in task.get_name()])
