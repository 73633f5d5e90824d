"""Sends messages to the host from a thread of its own, so that no thread that draws waits for the socket."""

import os
import queue
import socket
import threading

from engine import wire


class EventSender:
    """A queue of frames, and the only thread that writes to the socket.

    The queue needs no bound: the host sends the next job only after one has ended.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._frames: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="send", daemon=True)
        self._thread.start()

    def put(self, message: wire.WorkerMessage) -> None:
        """Queue a message, after those queued before it; from any thread.

        Raises:
            WireError: The message cannot be encoded.
        """
        self._frames.put(wire.encode(message))

    def close(self, timeout_s: float | None = None) -> None:
        """Return when every message was sent, or after ``timeout_s``; no message may follow."""
        self._frames.put(None)
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while (frame := self._frames.get()) is not None:
            try:
                self._connection.sendall(frame)
            except OSError:
                # The host is gone. Nobody waits for a picture, and the next worker needs the card at once.
                os._exit(0)
