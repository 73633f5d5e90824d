"""The host's messages, read by a thread of its own while others load, draw and prepare.

The receiver knows whether a job is ready or is drawn, so a cancel finds it in either state. A late cancel
finds nothing.
"""

import os
import socket
import threading
from collections import deque
from collections.abc import Callable

import structlog

from engine import wire
from engine.errors import WireError
from engine.request import RenderRequest, Stopped

EXIT_WIRE_ERROR = 76  # EX_PROTOCOL of sysexits.h

log = structlog.get_logger("engine.worker")


class MessageReceiver:
    """Jobs to draw and things to prepare; starts to read at once.

    Args:
        connection: The worker's end of the host's socket.
        send: Reports a job that ends before it began.
    """

    def __init__(self, connection: socket.socket, send: Callable[[Stopped], None]) -> None:
        self._connection = connection
        self._send = send
        self._changed = threading.Condition()
        self._ready: deque[RenderRequest] = deque()
        self._to_prepare: deque[RenderRequest] = deque()
        self._prefetched: wire.PrefetchLoras | None = None
        self._withdrawn: wire.WithdrawLoras | None = None  # for the thread that prepares
        self._to_forget: wire.WithdrawLoras | None = None  # for the thread that draws
        self._drawn: RenderRequest | None = None
        self._is_cancelled = False
        self._is_ending = False
        threading.Thread(target=self._read, name="receiver", daemon=True).start()

    def next_request(self) -> RenderRequest | wire.WithdrawLoras | None:
        """Wait for the next job, which counts as drawn from now on; None at the end of the worker.

        LoRAs that were withdrawn come before it; ``next_to_prepare`` returns the same, perhaps sooner.
        """
        with self._changed:
            self._drawn = None
            self._changed.wait_for(lambda: self._ready or self._to_forget or self._is_ending)
            if self._is_ending:
                return None
            if self._to_forget is not None:
                withdrawn, self._to_forget = self._to_forget, None
                return withdrawn
            self._drawn, self._is_cancelled = self._ready.popleft(), False
            if self._drawn in self._to_prepare:  # too late to prepare it
                self._to_prepare.remove(self._drawn)
            return self._drawn

    def is_cancelled(self) -> bool:
        """Whether the drawn job should stop."""
        return self._is_cancelled or self._is_ending

    def next_to_prepare(self) -> RenderRequest | wire.PrefetchLoras | wire.WithdrawLoras | None:
        """Wait for what to do beside the drawn job; None at the end.

        First of all that is LoRAs that were withdrawn, then a job that is ready behind the drawn one, then
        LoRAs of later jobs.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self._withdrawn or self._to_prepare or self._prefetched or self._is_ending
            )
            if self._is_ending:
                return None
            if self._withdrawn is not None:
                withdrawn, self._withdrawn = self._withdrawn, None
                return withdrawn
            if self._to_prepare:
                return self._to_prepare.popleft()
            prefetched, self._prefetched = self._prefetched, None
            return prefetched

    def _read(self) -> None:
        while True:
            try:
                message = wire.receive_blocking(self._connection)
            except WireError as error:
                log.error("message malformed", detail=str(error))
                os._exit(EXIT_WIRE_ERROR)
            with self._changed:
                self._handle(message)
                self._changed.notify_all()

    def _handle(self, message: wire.Message | None) -> None:
        match message:
            case RenderRequest() if self._is_ending:
                self._send(Stopped(message.job_id, message.attempt))
            case RenderRequest():
                self._ready.append(message)
                if self._drawn is not None or len(self._ready) > 1:
                    self._to_prepare.append(message)
            case wire.CancelJob():
                self._cancel(message)
            case wire.PrefetchLoras():
                self._prefetched = message
            case wire.WithdrawLoras():
                self._withdrawn = self._to_forget = message
            case wire.Shutdown():
                self._is_ending = True
                while self._ready:
                    self._stop(self._ready[0])
            case _:
                # The host is gone, perhaps in the middle of a step. Nobody waits for the picture, and the
                # next worker needs the card at once.
                os._exit(0)

    def _cancel(self, cancel: wire.CancelJob) -> None:
        if self._drawn is not None and _is_for(cancel, self._drawn):
            self._is_cancelled = True
        elif ready := next((each for each in self._ready if _is_for(cancel, each)), None):
            self._stop(ready)

    def _stop(self, ready: RenderRequest) -> None:
        """End a job that has not begun."""
        self._ready.remove(ready)
        if ready in self._to_prepare:
            self._to_prepare.remove(ready)
        self._send(Stopped(ready.job_id, ready.attempt))


def _is_for(cancel: wire.CancelJob, request: RenderRequest) -> bool:
    return (cancel.job_id, cancel.attempt) == (request.job_id, request.attempt)
