"""Measures pictures that begin with an earlier one, next to a picture from noise, in one run.

``python -m engine.bench.larger --folder CHECKPOINT`` draws a 1024 x 1024 picture from noise, varies one
subtly and strongly, draws the final form of a half-size draft, and enlarges one to 2048 x 2048, each with a
LoRA and a new prompt, by the worker's own pipeline. It prints the median seconds to the pixels, the ratio to
the picture from noise, the seconds of the stages and the peak memory. Without ``--folder`` it uses the
built-in model at its own sizes, so that the script runs anywhere.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from engine.bench.measurement import warm_up_rounds
from engine.bench.rows.random_loras import RandomLoras
from engine.checkpoint.contents import linear_shapes
from engine.checkpoint.model import ModelInfo, find_model
from engine.config import BUILT_IN, EngineConfig, Plan, WeightFormat
from engine.finish.encoder import encode
from engine.finish.metadata import PictureSettings
from engine.formatting import GIB
from engine.reporting import JobReporter
from engine.request import (
    FINAL,
    LARGER,
    VARY_STRONG,
    VARY_SUBTLE,
    Event,
    Failed,
    FailReason,
    Finished,
    LoraChoice,
    RenderRequest,
    StartPicture,
    Timings,
)
from engine.worker.failures import describe_failure
from engine.zimage.pipeline import Pipeline

TARGET_RATIO = 6.0  # of the larger picture: issue "In the chat", figure "larger on the card"
TARGET_SIZE = (1024, 1024)
FROM_NOISE, LARGER_WAY = "from noise", "larger"
Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Way:
    """One kind of picture: its size, and the size and strength of what it begins with."""

    name: str
    size: Size
    start_size: Size | None = None
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


def ways_of(size: Size, larger: Size) -> tuple[Way, ...]:
    """Return what is measured, the picture from noise first."""
    half = size[0] // 32 * 16, size[1] // 32 * 16
    return (
        Way(FROM_NOISE, size),
        Way("vary, subtle", size, size, VARY_SUBTLE),
        Way("vary, strong", size, size, VARY_STRONG),
        Way("final of a draft", size, half, FINAL),
        Way(LARGER_WAY, larger, size, LARGER),
    )


class StartedWorkload:
    """The worker's pipeline and the files that pictures begin with.

    Args:
        pipeline: Loaded.
        lora: Of every picture.
        rounds: Measured pictures of each way.
    """

    def __init__(self, pipeline: Pipeline, lora: LoraChoice, rounds: int) -> None:
        self._pipeline, self._lora, self._rounds = pipeline, lora, rounds
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
            _text(way.size),
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
            loras=(self._lora,), start=start,
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


def _noise_file(size: Size) -> bytes:
    """Return a picture of noise: none takes longer to unpack."""
    pixels = np.random.default_rng(1).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return encode(pixels, PictureSettings("noise", 1, *size, steps=1, model="none"))


def format_table(times: Sequence[WayTimes], machine: str) -> str:
    """Return the figures as a text table."""
    lines = [
        machine,
        "way               size       strength steps  seconds  ratio  steps / start / VAE s   peak",
    ]
    for each in times:
        stages = each.stages
        lines.append(
            f"{each.name:17} {each.size:10} {each.strength:8g} {each.steps:5} {each.seconds:8.3f} "
            f"{each.ratio:6.2f}  {stages.denoise_s:.3f} / {stages.start_s:.3f} / {stages.decode_s:.3f}"
            f"   {each.peak_bytes / GIB:.1f} GiB"
        )
    (larger,) = (each for each in times if each.name == LARGER_WAY)
    lines.append(f"larger ÷ from noise: {larger.ratio:.2f}, to reach: {TARGET_RATIO:g}")
    return "\n".join(lines)


def _text(size: Size) -> str:
    return f"{size[0]}x{size[1]}"


def _size_of(model: ModelInfo, wanted: str) -> Size:
    if wanted:
        width, height = map(int, wanted.split("x"))
        return width, height
    native = model.native_width_px, model.native_height_px
    return TARGET_SIZE if model.allows(*TARGET_SIZE) else native


def main(arguments: Sequence[str] | None = None) -> list[WayTimes]:
    """Measure according to the command line, print the table, write JSON; return the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--folder", default=BUILT_IN, help="a checkpoint; left out: the built-in model")
    parser.add_argument("--size", default="", help="left out: 1024x1024, or the native size of a small model")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", choices=[*WeightFormat], default=WeightFormat.BF16)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--data-dir", type=Path, help="with kernels built before")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as empty:
        config = EngineConfig(
            options.data_dir or Path(empty),
            lora_dir=Path(empty),
            model=options.folder,
            device=options.device,
            plan=Plan(weight_format=WeightFormat(options.precision)),
        )
        model = find_model(config)
        size = _size_of(model, options.size)
        loras = RandomLoras(linear_shapes(model.folder), config.lora_dir, torch.device("cpu"), torch.bfloat16)
        lora = loras.choice(0)
        pipeline = Pipeline.load(config)
        workload = StartedWorkload(pipeline, lora, options.rounds)
        times = workload.measure(ways_of(size, model.larger_sizes(*size)[0]))
        pipeline.close()
    info = pipeline.info
    print(
        format_table(times, f"{info.device_name}, {info.dtype}, torch {info.versions['torch']}, {model.name}")
    )
    if options.json:
        options.json.write_text(
            json.dumps([asdict(each) for each in times], indent=2) + "\n", encoding="utf-8"
        )
    return times


if __name__ == "__main__":
    main()
