"""How a job that is drawn reports to the host: steps, pictures and its end, in this order, from any thread.

``zimage`` and ``finish`` make what is reported, and ``worker`` sends it. Events of two jobs may alternate;
each event names its job.
"""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace

from engine.request import Drawn, Event, Failed, Finished, Picture, Progress, RenderRequest, Stopped

# A finished job is a callable, because only after its last picture is known what it took.
JobEnd = Stopped | Failed | Callable[[], Finished]


@dataclass(frozen=True, slots=True)
class Encoded:
    """A picture with its file, and the seconds that making the file took."""

    picture: Picture
    encode_s: float


class JobReporter:
    """Reports one job: each step at once, the pictures in their order, and the end after the last picture.

    Args:
        request: The job.
        send: Sends an event; called from any thread.
        fail: Returns the end of a job that failed with this error; called from any thread.

    Attributes:
        request: The job.
    """

    def __init__(
        self,
        request: RenderRequest,
        send: Callable[[Event], None],
        fail: Callable[[RenderRequest, Exception], Failed],
    ) -> None:
        self.request = request
        self._send = send
        self._fail = fail
        self._job = (request.job_id, request.attempt)
        self._lock = threading.Lock()
        self._pictures: deque[Future[Encoded]] = deque()
        self._encode_s = 0.0
        self._failed: Failed | None = None
        self._end: JobEnd | None = None
        self._has_ended = threading.Event()

    def report_step(self, index: int, step: int, held_bytes: int = 0) -> None:
        """Report a step of picture ``index``; step 0 of picture 0 reports that the job starts."""
        self._send(Progress(*self._job, index, step, self.request.steps_of(index), held_bytes))

    def report_picture(self, picture: Future[Encoded]) -> None:
        """Report a picture as soon as its file and those before it are ready; its error fails the job."""
        with self._lock:
            self._pictures.append(picture)
        picture.add_done_callback(lambda _: self._send_ready())

    def report_end(self, end: JobEnd) -> None:
        """Report the end after the last picture; no picture may follow. A finished job gets ``encode_s``."""
        with self._lock:
            self._end = end
        self._send_ready()

    @property
    def has_ended(self) -> bool:
        """Whether the end was sent."""
        return self._has_ended.is_set()

    def wait(self) -> None:
        """Return when the end was sent."""
        self._has_ended.wait()

    def _send_ready(self) -> None:
        with self._lock:
            while self._pictures and self._pictures[0].done():
                self._send_picture(self._pictures.popleft())
            if self._end is None or self._pictures or self.has_ended:
                return
            if not callable(self._end):
                self._send(self._end)
            elif self._failed:
                self._send(self._failed)
            else:
                self._send(self._finished(self._end))
            self._has_ended.set()

    def _send_picture(self, picture: Future[Encoded]) -> None:
        try:
            encoded = picture.result()
            self._send(Drawn(*self._job, encoded.picture))
        except Exception as error:  # noqa: BLE001 - supervision: an error of one file fails its job alone
            failed = self._fail(self.request, error)
            self._failed = self._failed or failed
        else:
            self._encode_s += encoded.encode_s

    def _finished(self, end: Callable[[], Finished]) -> Finished | Failed:
        try:
            finished = end()
        except Exception as error:  # noqa: BLE001 - supervision: reading the timings waits for the card
            return self._fail(self.request, error)
        return replace(finished, timings=replace(finished.timings, encode_s=self._encode_s))
