"""E8: from nothing to the first picture, through the very host that the bot has."""

import asyncio
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from engine.bench.book import Line
from engine.bench.figures import FIRST
from engine.bench.subject import PROMPT, Subject, said
from engine.config import EngineConfig
from engine.host import Host
from engine.request import Drawn, Event, RenderRequest
from engine.zimage.room import free_memory

PIECE = 16 * 2**20
READY = "start to ready"


class Start:
    """A worker that is yet to be started. Open it last: it takes the weights off the card."""

    def __init__(self, subject: Subject) -> None:
        self._folder = subject.folder
        self._device = str(subject.place.device)
        self._size = subject.sizes["E2"]
        subject.release()
        free_memory()

    def lines(self) -> Iterator[Line]:
        """Start it on files that are in the page cache, and have it draw."""
        work = said(self._size)
        if self._folder is None:
            why = "random weights are not started from files; give a checkpoint with --folder"
            yield Line("E8", FIRST, None, work=work, note=why)
            return
        _read_once(self._folder)
        with tempfile.TemporaryDirectory(prefix="sugarbot-bench-") as scratch:
            config = EngineConfig(Path(scratch), Path(scratch), model=str(self._folder), device=self._device)
            ready_s, first_s = asyncio.run(_start(config, self._size))
        yield Line("E8", READY, ready_s, work=work, note="the worker process and its weights")
        yield Line("E8", FIRST, first_s, work=work, note="its file in hand, weights in the page cache")

    def close(self) -> None:
        """The worker was ended with its picture."""


async def _start(config: EngineConfig, size: tuple[int, int]) -> tuple[float, float]:
    """Seconds from now until the worker is ready, and until the first picture is there."""
    drawn_s: list[float] = []

    def listen(event: Event) -> None:
        if isinstance(event, Drawn):
            drawn_s.append(time.perf_counter())

    host = Host(config)
    began_s = time.perf_counter()
    try:
        await host.start()
        ready_s = time.perf_counter()
        request = RenderRequest("bench-first", 1, PROMPT, *size, seed=0)
        end = await host.render(request, listen)
    finally:
        await host.close()
    if not drawn_s:
        raise RuntimeError(f"the first picture was not drawn: {end}")
    return ready_s - began_s, drawn_s[0] - began_s


def _read_once(folder: Path) -> None:
    """Bring the weights into the page cache."""
    for path in folder.rglob("*.safetensors"):
        with path.open("rb") as file:
            while file.read(PIECE):
                pass
