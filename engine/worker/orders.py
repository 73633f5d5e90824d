"""What the host wants, read by a thread of its own while others load, paint and fetch.

It knows of each job whether it lies ready or is drawn, so a cancel finds it in either state, and one that
comes too late finds nothing.
"""

import os
import socket
import threading
from collections import deque
from collections.abc import Callable

import structlog

from engine import wire
from engine.errors import WireError
from engine.request import LoraChoice, RenderRequest, Stopped

EXIT_WIRE_ERROR = 76  # EX_PROTOCOL of sysexits.h

log = structlog.get_logger("engine.worker")


class Orders:
    """Jobs to paint and things to prepare; begins to read at once.

    Args:
        connection: The worker's end of the host's socket.
        answer: Tells the host of a job that ends without having begun.
    """

    def __init__(self, connection: socket.socket, answer: Callable[[Stopped], None]) -> None:
        self._connection = connection
        self._answer = answer
        self._changed = threading.Condition()
        self._ready: deque[RenderRequest] = deque()
        self._to_prepare: deque[RenderRequest] = deque()
        self._prefetched: tuple[LoraChoice, ...] = ()
        self._drawn: RenderRequest | None = None
        self._is_cancelled = False
        self._is_ending = False
        threading.Thread(target=self._read, name="orders", daemon=True).start()

    def next_request(self) -> RenderRequest | None:
        """Wait for the next job, which is drawn from now on; None when it is time to end."""
        with self._changed:
            self._drawn = None
            self._changed.wait_for(lambda: self._ready or self._is_ending)
            if self._is_ending:
                return None
            self._drawn, self._is_cancelled = self._ready.popleft(), False
            if self._drawn in self._to_prepare:  # too late to prepare it beside another
                self._to_prepare.remove(self._drawn)
            return self._drawn

    def is_cancelled(self) -> bool:
        """Whether the job that is drawn shall stop."""
        return self._is_cancelled or self._is_ending

    def next_to_prepare(self) -> RenderRequest | tuple[LoraChoice, ...] | None:
        """Wait for a job that lies ready behind another, or else what later ones need; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._to_prepare or self._prefetched or self._is_ending)
            if self._is_ending:
                return None
            if self._to_prepare:
                return self._to_prepare.popleft()
            prefetched, self._prefetched = self._prefetched, ()
            return prefetched

    def _read(self) -> None:
        while True:
            try:
                order = wire.receive_blocking(self._connection)
            except WireError as error:
                log.error("order malformed", detail=str(error))
                os._exit(EXIT_WIRE_ERROR)
            with self._changed:
                self._take(order)
                self._changed.notify_all()

    def _take(self, order: wire.Message | None) -> None:
        match order:
            case RenderRequest() if self._is_ending:
                self._answer(Stopped(order.job_id, order.attempt))
            case RenderRequest():
                self._ready.append(order)
                if self._drawn is not None or len(self._ready) > 1:
                    self._to_prepare.append(order)
            case wire.CancelJob():
                self._cancel(order)
            case wire.PrefetchLoras():
                self._prefetched = order.loras
            case wire.Shutdown():
                self._is_ending = True
                while self._ready:
                    self._stop(self._ready[0])
            case _:
                # The host is gone, perhaps in the middle of a step: nobody waits for the picture, and
                # the card must be free for the next worker at once.
                os._exit(0)

    def _cancel(self, order: wire.CancelJob) -> None:
        if self._drawn is not None and _is_about(order, self._drawn):
            self._is_cancelled = True
        elif ready := next((each for each in self._ready if _is_about(order, each)), None):
            self._stop(ready)

    def _stop(self, ready: RenderRequest) -> None:
        """End a job that has not begun."""
        self._ready.remove(ready)
        if ready in self._to_prepare:
            self._to_prepare.remove(ready)
        self._answer(Stopped(ready.job_id, ready.attempt))


def _is_about(order: wire.CancelJob, request: RenderRequest) -> bool:
    return (order.job_id, order.attempt) == (request.job_id, request.attempt)
