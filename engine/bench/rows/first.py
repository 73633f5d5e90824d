"""E8: from nothing to the first picture, through the very host that the bot has."""

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

from engine.bench.rows.subject import Subject, said
from engine.bench.start import measure
from engine.bench.tell.book import Line
from engine.bench.tell.figures import FIRST
from engine.config import EngineConfig
from engine.zimage.room import free_memory

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
        with tempfile.TemporaryDirectory(prefix="sugarbot-bench-") as scratch:
            config = EngineConfig(Path(scratch), Path(scratch), model=str(self._folder), device=self._device)
            start = asyncio.run(measure(config, self._size))
        yield Line("E8", READY, start.ready_s, work=work, note="the worker process and its weights")
        yield Line("E8", FIRST, start.first_picture_s, work=work, note="weights in the page cache")

    def close(self) -> None:
        """The worker was ended with its picture."""
