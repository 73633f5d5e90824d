"""E8: time from worker start to first picture, with the host that the bot uses."""

import asyncio
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from engine.bench import startup
from engine.bench.report.results import ResultLine
from engine.bench.report.targets import ALONE, FIRST
from engine.bench.rows.workload import Workload, format_size
from engine.config import TRITON_DIR, EngineConfig
from engine.zimage.out_of_memory import free_memory

READY = "start to ready"
COMPILED = "first picture, kernels compiled"
GIB = 2**30


class FirstPicture:
    """A worker that is not started yet. Open it last: it frees the weights on the card."""

    def __init__(self, workload: Workload) -> None:
        self._folder = workload.folder
        self._placement = workload.placement
        self._size = workload.sizes["E2"]
        self._loras = workload.loras
        self._loras.choice(0)  # write the file on the same device as the others, before the release
        workload.release()
        free_memory()

    def lines(self) -> Iterator[ResultLine]:
        """Start the worker with files in the page cache and draw with a LoRA; on a card twice.

        The first start compiles the Triton kernels, unless a kernel cache is configured. The second start
        finds them in the cache.
        """
        work = format_size(self._size)
        if self._folder is None:
            why = "random weights are not started from files; give a checkpoint with --folder"
            yield ResultLine("E8", FIRST, None, work=work, note=why)
            return
        with tempfile.TemporaryDirectory(prefix="sugarbot-bench-") as scratch:
            config = EngineConfig(
                Path(scratch),
                Path(self._loras.path(0)).parent,
                model=str(self._folder),
                device=str(self._placement.device),
                keeps_spare=False,
            )
            if self._placement.is_card and TRITON_DIR not in os.environ:
                yield self._line(COMPILED, self._start(config), "an empty kernel cache")
            started = self._start(config)
        note = "the worker process and its weights"
        yield ResultLine("E8", READY, started.ready_s, work=work, note=note)
        yield self._line(FIRST, started, "weights in the page cache")
        parts = " + ".join(f"{seconds:.2f} {part}" for part, seconds in started.alone_s.items())
        yield ResultLine("E8", ALONE, sum(started.alone_s.values()), work=work, note=f"{parts}, s")

    def close(self) -> None:
        """Do nothing: the worker has already ended."""

    def _start(self, config: EngineConfig) -> startup.StartupTimes:
        return asyncio.run(startup.measure(config, self._size, self._loras))

    def _line(self, who: str, started: startup.StartupTimes, note: str) -> ResultLine:
        """Return the line of a first picture. Without a card it has no peak memory."""
        peak = started.peak_bytes / GIB if self._placement.is_card and started.peak_bytes else None
        return ResultLine(
            "E8", who, started.first_picture_s, work=format_size(self._size), peak_gib=peak, note=note
        )
