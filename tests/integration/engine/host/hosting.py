"""A host with a real child process, whose pipeline misbehaves on demand."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

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
    start_timeout_s=20,
    step_timeout_s=10,
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


def at_step(step: int, effect: Callable[[], object]) -> Callable[[Event], None]:
    """A listener that does something once a step was reached."""

    def listen(event: Event) -> None:
        if isinstance(event, Progress) and event.step == step:
            effect()

    return listen
