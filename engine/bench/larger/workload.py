"""The ways to draw a picture that begins with an earlier one, and what each takes in one run."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch

from engine.bench.measurement import warm_up_rounds
from engine.bench.rows.random_loras import RandomLoras
from engine.bench.rows.workload import PictureSize, format_size
from engine.checkpoint.model import ModelInfo
from engine.finish.encoder import encode
from engine.finish.metadata import PictureSettings
from engine.reporting import JobReporter
from engine.request import (
    FINAL,
    VARY_STRONG,
    VARY_SUBTLE,
    Event,
    Failed,
    FailReason,
    Finished,
    RenderRequest,
    StartPicture,
    Timings,
)
from engine.worker.failures import describe_failure
from engine.zimage.pipeline import Pipeline

FROM_NOISE, LARGER_WAY = "from noise", "larger"


@dataclass(frozen=True, slots=True)
class Way:
    """One kind of picture: its size, and the size and strength of what it begins with."""

    name: str
    size: PictureSize
    start_size: PictureSize | None = None
    strength: float = 1.0


@dataclass(frozen=True, slots=True)
class WayTimes:
    """The figures of one way.

    Attributes:
        seconds: From the request to the pixels, median.
        ratio: That ÷ the seconds of a picture from noise.
        stages: The medians of each stage.
        peak_bytes: The most that torch allocated; 0 if every picture was flat, as random weights may draw it.
    """

    name: str
    size: str
    strength: float
    steps: int
    seconds: float
    ratio: float
    stages: Timings
    peak_bytes: int


def ways_of(size: PictureSize, model: ModelInfo) -> tuple[Way, ...]:
    """Return what is measured, the picture from noise first."""
    half = size[0] // 32 * 16, size[1] // 32 * 16
    return (
        Way(FROM_NOISE, size),
        Way("vary, subtle", size, size, VARY_SUBTLE),
        Way("vary, strong", size, size, VARY_STRONG),
        Way("final of a draft", size, half, FINAL),
        Way(LARGER_WAY, model.larger_sizes(*size)[0], size, model.larger_strength),
    )


class StartedWorkload:
    """The worker's pipeline and the files that pictures begin with.

    Args:
        pipeline: Loaded.
        loras: The first is that of every picture.
        rounds: Measured pictures of each way.
    """

    def __init__(self, pipeline: Pipeline, loras: RandomLoras, rounds: int) -> None:
        self._pipeline, self._loras, self._rounds = pipeline, loras, rounds
        self._count = 0
        device = torch.device(pipeline.info.device)
        self._unmeasured = warm_up_rounds(device)

    def measure(self, ways: Sequence[Way]) -> list[WayTimes]:
        """Draw the ways in turn, so that all see the same machine; the first is what the others divide by."""
        for way in ways:
            for _ in range(self._unmeasured):
                self._draw(way)
        drawn: dict[str, list[tuple[float, Finished | None]]] = {way.name: [] for way in ways}
        for _ in range(self._rounds):
            for way in ways:
                drawn[way.name].append(self._draw(way))
        base_s = statistics.median(seconds for seconds, _ in drawn[ways[0].name])
        return [self._times(way, drawn[way.name], base_s) for way in ways]

    def _times(self, way: Way, drawn: Sequence[tuple[float, Finished | None]], base_s: float) -> WayTimes:
        seconds = statistics.median(seconds for seconds, _ in drawn)
        ends = [end for _, end in drawn if end is not None]
        stages = Timings()
        if ends:
            names = asdict(ends[0].timings)
            stages = Timings(
                **{name: statistics.median(getattr(end.timings, name) for end in ends) for name in names}
            )
        return WayTimes(
            way.name,
            format_size(way.size),
            way.strength,
            self._request(way).steps_taken,
            seconds,
            seconds / base_s,
            stages,
            max((end.peak_bytes for end in ends), default=0),
        )

    def _request(self, way: Way) -> RenderRequest:
        start = None
        if way.start_size is not None:
            start = StartPicture(_noise_file(way.start_size), way.strength)
        self._count += 1
        return RenderRequest(
            f"bench-{self._count}", 1, f"a face, number {self._count}", *way.size, self._count,
            loras=(self._loras.choice(0),), lora_files=self._loras.sources(0), start=start,
        )  # fmt: skip

    def _draw(self, way: Way) -> tuple[float, Finished | None]:
        """Draw one picture; return the seconds to its pixels, and its end unless it was flat."""
        request, events = self._request(way), list[Event]()
        reporter = JobReporter(request, events.append, describe_failure)
        started_s = time.perf_counter()
        end = self._pipeline.draw(request, reporter, lambda: False)
        if callable(end):
            end()  # waits for the card
        seconds = time.perf_counter() - started_s
        reporter.report_end(end)
        reporter.wait()
        last = events[-1]
        # Random weights may draw one flat colour. The work up to the pixels is the same.
        is_flat = isinstance(last, Failed) and last.reason is FailReason.BLANK_PICTURE
        if not isinstance(last, Finished) and not is_flat:
            raise RuntimeError(f"a picture failed: {last}")
        return seconds, last if isinstance(last, Finished) else None


def _noise_file(size: PictureSize) -> bytes:
    """Return a picture of noise: none takes longer to unpack."""
    pixels = np.random.default_rng(1).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return encode(pixels, PictureSettings("noise", 1, *size, steps=1, model="none"))
