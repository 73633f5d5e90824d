"""A host with a real child process, whose pipeline misbehaves on demand."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import psutil

from engine.config import EngineConfig
from engine.host import Host
from engine.request import (
    Event,
    Progress,
    RenderRequest,
)

FAKE = "tests.integration.engine.fake_child"
CONFIG = EngineConfig(
    Path("var"),
    Path("shelf"),
    model="fake",
    device="cpu",
    start_timeout_s=90,  # of what takes a second: the machine may be busy
    step_timeout_s=60,
    keeps_spare=False,
)


def pauses_from(first_s: float) -> tuple[float, ...]:
    """Pauses before restarts that double."""
    return tuple(first_s * 2**number for number in range(8))


@asynccontextmanager
async def started(config: EngineConfig = CONFIG) -> AsyncIterator[Host]:
    host = Host(config, module=FAKE)
    try:
        await host.start()
        yield host
    finally:
        await host.close()


def make_request(
    job_id: str = "j", prompt: str = "a face", *, attempt: int = 1, count: int = 1
) -> RenderRequest:
    return RenderRequest(job_id, attempt, prompt, 512, 768, 7, count)


async def eventually(is_so: Callable[[], object], timeout_s: float = 30) -> None:
    async with asyncio.timeout(timeout_s):
        while not is_so():  # noqa: ASYNC110 - what is awaited happens in another process
            await asyncio.sleep(0.01)


@contextmanager
def stopped_worker(host: Host) -> Iterator[None]:
    """Stop the worker process while the block runs: what it is sent meanwhile reaches it at once."""
    assert host.info is not None
    os.kill(host.info.pid, signal.SIGSTOP)
    yield
    os.kill(host.info.pid, signal.SIGCONT)


def has_ended(pid: int) -> bool:
    """Whether the process is over; in a container, process 1 may leave a zombie, which holds nothing."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def at_step(step: int, effect: Callable[[], object]) -> Callable[[Event], None]:
    """A listener that does something once a step was reached."""

    def listen(event: Event) -> None:
        if isinstance(event, Progress) and event.step == step:
            effect()

    return listen
