"""One job's talk with the outside while it is drawn: steps and pictures out, the wish to stop in."""

from collections.abc import Callable

from engine.finish.encode import Encoder
from engine.finish.stamp import PictureSettings
from engine.reporting import JobReporter
from engine.request import RenderRequest
from engine.zimage.timing import StageTimer
from engine.zimage.vae.decode import DecodedPixels


class Job:
    """A request being drawn.

    Args:
        request: What to draw.
        reporter: Reports every step and every picture.
        is_cancelled: Whether to stop.
        encoder: Makes the files.
        gauge: Measures the job.
    """

    def __init__(
        self,
        request: RenderRequest,
        reporter: JobReporter,
        is_cancelled: Callable[[], bool],
        encoder: Encoder,
        headroom_monitor: StageTimer,
    ) -> None:
        self.request = request
        self.headroom_monitor = headroom_monitor
        self.is_cancelled = is_cancelled
        self._reporter = reporter
        self._encoder = encoder

    def step_done(self, index: int, step: int) -> None:
        """Report a step of picture ``index``."""
        self._reporter.report_step(index, step)

    def add(self, index: int, pixels: DecodedPixels, settings: PictureSettings) -> None:
        """Begin to encode picture ``index`` as soon as it is drawn; it is shown when its file is ready."""
        self._reporter.report_picture(self._encoder.submit(index, pixels.wait, settings))
