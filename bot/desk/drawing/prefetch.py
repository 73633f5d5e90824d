"""Which LoRAs the next jobs need: told to the renderer, so that they lie in main memory when it is time."""

from typing import Protocol

from bot.desk.queue import JobQueue
from engine.request import LoraChoice

JOBS_AHEAD = 8  # how far down the line is looked
LORAS_AHEAD = 4  # at 159 MB each they fill about half of the worker's cache and drive out nothing in use


class PrefetchesLoras(Protocol):
    """A renderer, from this side."""

    def prefetch(self, loras: tuple[LoraChoice, ...]) -> None:
        """Fetch these from the disk, soonest needed first, beside whatever is drawn."""


class LoraPrefetch:
    """Looks down the line whenever it changes."""

    def __init__(self, line: JobQueue, renderer: PrefetchesLoras) -> None:
        self._line = line
        self._renderer = renderer
        self._told: tuple[LoraChoice, ...] = ()

    def queue_changed(self, _joined: str = "") -> None:
        """Tell the renderer if other LoRAs are needed next than it was told of."""
        ahead: dict[str, LoraChoice] = {}
        for job_id in self._line.queue(JOBS_AHEAD):
            for choice in self._line.loras_of(job_id):
                ahead.setdefault(choice.sha256, choice)
        loras = tuple(ahead.values())[:LORAS_AHEAD]
        if loras and loras != self._told:
            self._told = loras
            self._renderer.prefetch(loras)
