"""The card's queues of work. A lane works in order; between lanes, a mark and a wait make an order."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from enum import StrEnum
from typing import Protocol

import torch


class Lane(StrEnum):
    """One queue of the card."""

    COMPUTE = "compute"  # the steps; torch's current stream
    COPY = "copy"  # main memory → slots
    MERGE = "merge"  # LoRAs into slots


Mark = torch.cuda.Event | None  # a moment of a lane; None has passed


class Lanes(Protocol):
    """The queues of one device."""

    def on(self, lane: Lane) -> AbstractContextManager[None]:
        """Submit the work inside the context to a lane."""

    def mark(self, lane: Lane) -> Mark:
        """Return the moment at which all work of a lane so far is done."""

    def wait(self, lane: Lane, mark: Mark) -> None:
        """Let the later work of a lane begin after a moment of another."""


class HostLanes:
    """The queues of a processor: all work is done when the call returns."""

    def on(self, lane: Lane) -> AbstractContextManager[None]:
        """Submit work to a lane."""
        return nullcontext()

    def mark(self, lane: Lane) -> Mark:
        """Return a moment that has passed."""
        return None

    def wait(self, lane: Lane, mark: Mark) -> None:
        """Wait for nothing."""


class CardLanes:
    """The streams of a card. Merging has priority: a block must be complete before its products begin.

    Args:
        device: The card.
    """

    def __init__(self, device: torch.device) -> None:
        self._streams = {
            Lane.COPY: torch.cuda.Stream(device),  # type: ignore[no-untyped-call]
            Lane.MERGE: torch.cuda.Stream(device, priority=-1),  # type: ignore[no-untyped-call]
        }

    @contextmanager
    def on(self, lane: Lane) -> Iterator[None]:
        """Submit the work inside the context to a lane."""
        with torch.cuda.stream(self._stream(lane)):
            yield

    def mark(self, lane: Lane) -> Mark:
        """Return the moment at which all work of a lane so far is done."""
        event: torch.cuda.Event = self._stream(lane).record_event()
        return event

    def wait(self, lane: Lane, mark: Mark) -> None:
        """Let the later work of a lane begin after a moment of another."""
        if mark is not None:
            self._stream(lane).wait_event(mark)

    def _stream(self, lane: Lane) -> torch.cuda.Stream:
        return self._streams.get(lane) or torch.cuda.current_stream()


def lanes_of(device: torch.device) -> Lanes:
    """Return the lanes of a device."""
    return CardLanes(device) if device.type == "cuda" else HostLanes()
