"""E8: from nothing to the first picture, through the very host that the bot has."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from engine.bench import start
from engine.bench.report.figures import FIRST
from engine.bench.report.results import ResultLine
from engine.bench.rows.subject import Subject, said
from engine.config import TRITON_DIR, EngineConfig
from engine.zimage.memory import free_memory

READY = "start to ready"
COMPILED = "first picture, kernels compiled"
GIB = 2**30


class FirstPicture:
    """A worker that is yet to be started. Open it last: it takes the weights off the card."""

    def __init__(self, subject: Subject) -> None:
        self._folder = subject.folder
        self._place = subject.place
        self._size = subject.sizes["E2"]
        self._loras = subject.loras
        self._loras.choice(0)  # written while the numbers can still be made where the others' were
        subject.release()
        free_memory()

    def lines(self) -> Iterator[ResultLine]:
        """Start it on files that are in the page cache, and have it draw with a LoRA; on a card twice.

        The first time Triton builds the card's kernels, unless the host keeps them elsewhere; the second time
        it finds them, as on any later day.
        """
        work = said(self._size)
        if self._folder is None:
            why = "random weights are not started from files; give a checkpoint with --folder"
            yield ResultLine("E8", FIRST, None, work=work, note=why)
            return
        with tempfile.TemporaryDirectory(prefix="sugarbot-bench-") as scratch:
            shutil.copy(self._loras.path(0), scratch)  # alone: a worker hashes its whole shelf
            config = EngineConfig(
                Path(scratch), Path(scratch), model=str(self._folder), device=str(self._place.device)
            )
            if self._place.is_card and TRITON_DIR not in os.environ:
                yield self._line(COMPILED, self._start(config), "an empty kernel cache")
            begun = self._start(config)
        note = "the worker process and its weights"
        yield ResultLine("E8", READY, begun.ready_s, work=work, note=note)
        yield self._line(FIRST, begun, "weights in the page cache")

    def close(self) -> None:
        """The worker was ended with its picture."""

    def _start(self, config: EngineConfig) -> start.Start:
        return asyncio.run(start.measure(config, self._size, self._loras.choice(0)))

    def _line(self, who: str, begun: start.Start, note: str) -> ResultLine:
        """The first picture; what a processor's worker holds is no card's memory."""
        peak = begun.peak_bytes / GIB if self._place.is_card and begun.peak_bytes else None
        return ResultLine("E8", who, begun.first_picture_s, work=said(self._size), peak_gib=peak, note=note)
