"""One job's talk with the outside while it is drawn: progress and pictures out, the wish to stop in.

Pictures leave in their order, each as soon as its file is ready, always from the painting thread.
"""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future

from engine.finish.encode import Encoded, Encoder
from engine.finish.stamp import PictureSettings
from engine.request import Drawn, Event, Picture, Progress, RenderRequest
from engine.zimage.measure import Gauge
from engine.zimage.vae import Pixels


class Job:
    """A request being drawn.

    Args:
        request: What to draw.
        report: Gets every event.
        is_cancelled: Whether to stop.
        encoder: Makes the files.
        gauge: Measures the job.
    """

    def __init__(
        self,
        request: RenderRequest,
        report: Callable[[Event], None],
        is_cancelled: Callable[[], bool],
        encoder: Encoder,
        gauge: Gauge,
    ) -> None:
        self.request = request
        self.gauge = gauge
        self.is_cancelled = is_cancelled
        self._report = report
        self._encoder = encoder
        self._waiting: deque[tuple[int, PictureSettings, Future[Encoded]]] = deque()

    def step_done(self, index: int, step: int) -> None:
        """Report a step of picture ``index``, and what was encoded meanwhile."""
        self._report(
            Progress(self.request.job_id, self.request.attempt, index, step, self.request.steps),
        )
        while self._waiting and self._waiting[0][2].done():
            self._report_first()

    def add(self, index: int, pixels: Pixels, settings: PictureSettings) -> None:
        """Begin to encode picture ``index`` as soon as it is drawn."""
        self._waiting.append((index, settings, self._encoder.submit(pixels.wait, settings)))

    def report_all(self) -> None:
        """Wait for every picture that was added, and report it."""
        while self._waiting:
            self._report_first()

    def _report_first(self) -> None:
        index, settings, future = self._waiting.popleft()
        encoded = future.result()
        self.gauge.add("encode_s", encoded.encode_s)
        picture = Picture(index, settings.seed, settings.width_px, settings.height_px, encoded.png)
        self._report(Drawn(self.request.job_id, self.request.attempt, picture))
