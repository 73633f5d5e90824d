"""What the worker says, from whichever thread knows it, while the painting one goes on to the next job.

Of one job: its beginning, its steps at once, its pictures in their order as their files become ready, and
after the last of them its end. Words of two jobs may lie between each other; each has its job's name.
"""

import os
import queue
import socket
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace

from engine import wire
from engine.request import Drawn, Event, Failed, Finished, Picture, Progress, RenderRequest, Stopped
from engine.worker import failures

# A finish is asked for after the last picture: only then is it known what the job took.
End = Stopped | Failed | Callable[[], Finished]


@dataclass(frozen=True, slots=True)
class Encoded:
    """A picture with its file, and the seconds that making the file took."""

    picture: Picture
    encode_s: float


class EventSender:
    """The way out: a queue of frames, and the one thread that writes to the socket.

    The queue needs no bound: the host hands over the next job only when one has ended.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._frames: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._send, name="answers", daemon=True)
        self._thread.start()

    def put(self, message: wire.WorkerMessage) -> None:
        """Send a message soon, after those put before it; from any thread.

        Raises:
            WireError: It cannot be sent to anybody.
        """
        self._frames.put(wire.encode(message))

    def close(self, timeout_s: float | None = None) -> None:
        """Return when everything was sent, or after ``timeout_s``; nothing can be put any more."""
        self._frames.put(None)
        self._thread.join(timeout_s)

    def _send(self) -> None:
        while (frame := self._frames.get()) is not None:
            try:
                self._connection.sendall(frame)
            except OSError:
                # The host is gone: nobody waits for a picture, and the card must be free for its next worker.
                os._exit(0)


class JobReporter:
    """What is said of one job.

    Args:
        request: The job.
        say: Takes an event; from any thread. ``EventSender.put``.
        failed: Returns how a job ends that met an error; from any thread.

    Attributes:
        request: The job.
    """

    def __init__(
        self,
        request: RenderRequest,
        say: Callable[[Event], None],
        failed: Callable[[RenderRequest, Exception], Failed] = failures.failed,
    ) -> None:
        self.request = request
        self._failed_by = failed
        self._job = (request.job_id, request.attempt)
        self._say = say
        self._lock = threading.Lock()
        self._pictures: deque[Future[Encoded]] = deque()
        self._encode_s = 0.0
        self._failed: Failed | None = None
        self._end: End | None = None
        self._has_ended = threading.Event()

    def step(self, index: int, step: int) -> None:
        """A step of picture ``index`` is done; step 0 of picture 0: the job begins."""
        self._say(Progress(*self._job, index, step, self.request.steps))

    def show(self, picture: Future[Encoded]) -> None:
        """Say the picture as soon as its file and those before it are ready; one that fails fails the job."""
        with self._lock:
            self._pictures.append(picture)
        picture.add_done_callback(lambda _: self._say_what_is_ready())

    def end(self, end: End) -> None:
        """Say the end after the last picture; nothing is shown any more. A finish gets its ``encode_s``."""
        with self._lock:
            self._end = end
        self._say_what_is_ready()

    @property
    def has_ended(self) -> bool:
        """Whether the end was said."""
        return self._has_ended.is_set()

    def wait(self) -> None:
        """Return when the end was said."""
        self._has_ended.wait()

    def _say_what_is_ready(self) -> None:
        with self._lock:
            while self._pictures and self._pictures[0].done():
                self._say_picture(self._pictures.popleft())
            if self._end is None or self._pictures or self.has_ended:
                return
            if not callable(self._end):
                self._say(self._end)
            elif self._failed:
                self._say(self._failed)
            else:
                self._say(self._finished(self._end))
            self._has_ended.set()

    def _finished(self, end: Callable[[], Finished]) -> Finished | Failed:
        try:
            finished = end()
        except Exception as error:  # noqa: BLE001 - asking for the timings waits for the card
            return self._failed_by(self.request, error)
        return replace(finished, timings=replace(finished.timings, encode_s=self._encode_s))

    def _say_picture(self, picture: Future[Encoded]) -> None:
        try:
            encoded = picture.result()
            self._say(Drawn(*self._job, encoded.picture))
        except Exception as error:  # noqa: BLE001 - as in ``serve``: what goes wrong with a file fails its job alone
            failed = self._failed_by(self.request, error)
            self._failed = self._failed or failed
        else:
            self._encode_s += encoded.encode_s
