"""Time from process start to the first picture, with a real host and a real worker: figure E8.

``python -m engine.bench.startup --folder FOLDER`` reads the weights into the page cache, starts a worker as
the bot does, and draws two pictures with a random rank-32 LoRA. Without ``--folder`` it uses the built-in
model, so that the script runs anywhere.
"""

import argparse
import asyncio
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from structlog.processors import TimeStamper
from structlog.testing import capture_logs

from engine.bench.rows.random_loras import RandomLoras
from engine.checkpoint.contents import STEMS, linear_shapes, weight_files
from engine.checkpoint.model import ModelInfo, find_model
from engine.config import BUILT_IN, TRITON_DIR, EngineConfig, Plan, WeightLocation
from engine.host import Host
from engine.request import Failed, FailReason, Finished, RenderRequest

TARGET_RATIO = 1.6  # figure E8: the start ÷ the sum of its inevitable parts
TARGET_SIZE = (1024, 1024)
PIECE_BYTES = 16 * 2**20


@dataclass(frozen=True, slots=True)
class StartupTimes:
    """The measured times. All seconds count from the moment at which the host starts the worker.

    Attributes:
        steps_s: Step of the worker's start → its time.
        parts: Each part's weights: ``gigabytes``, ``seconds``.
        picture_s: The first picture alone, requested from a ready worker; ``again_s`` is the next one.
        first_picture_s: Start to first picture.
        alone_s: What no start can do without → its seconds alone: importing torch, reading the weights, and
            the second picture.
        peak_bytes: Peak memory of the pictures, weights included; 0 if unknown.
        are_kernels_cached: Whether Triton's kernels were cached; otherwise a card's picture waits for them.
        is_bytecode_cached: Whether Python's bytecode was cached; otherwise imports take twice as long.
    """

    device: str
    dtype: str
    model: str
    size: str
    page_cache_s: float
    steps_s: Mapping[str, float]
    parts: Mapping[str, Mapping[str, float]]
    ready_s: float
    picture_s: float
    again_s: float
    first_picture_s: float
    alone_s: Mapping[str, float]
    peak_bytes: int
    are_kernels_cached: bool
    is_bytecode_cached: bool

    @property
    def ratio(self) -> float:
        """The figure E8: the start ÷ the sum of its inevitable parts."""
        return self.first_picture_s / sum(self.alone_s.values())


def measure_alone(model: ModelInfo, device: str) -> dict[str, float]:
    """Measure importing torch and reading the weights, each in a process that does nothing else."""
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "started_s = time.perf_counter()\n"
        "import torch\n"
        "print(time.perf_counter() - started_s)\n"
        "from engine.zimage.device import choose_placement\n"
        "from engine.zimage.weight_reader import WeightReader\n"
        "placement = choose_placement(sys.argv[2])\n"
        "torch.zeros(1, device=placement.device)\n"
        "started_s = time.perf_counter()\n"
        "reader = WeightReader(Path(sys.argv[1]), placement)\n"
        "parts = [reader.wait_for(part) for part in sys.argv[3:]]\n"
        "print(time.perf_counter() - started_s)\n"
    )
    command = [sys.executable, "-c", code, str(model.folder), device, *STEMS]
    run = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own code
    numbers = [line for line in run.stdout.splitlines() if line.replace(".", "").isdigit()]
    return dict(zip(("torch", "weights"), map(float, numbers), strict=True))


def fill_page_cache(model: ModelInfo) -> float:
    """Read every weights file once into the page cache; return the seconds."""
    started_s = time.perf_counter()
    for path in (path for part in STEMS for path in weight_files(model.folder, part)):
        with path.open("rb", buffering=0) as file:
            while file.read(PIECE_BYTES):
                pass
    return time.perf_counter() - started_s


async def measure(config: EngineConfig, size: tuple[int, int], loras: RandomLoras) -> StartupTimes:
    """Start a worker, draw two pictures, end the worker.

    Args:
        config: The model must be on disk.
        size: Width and height in px; the model must allow it.
        loras: The first is the LoRA of both pictures; in the LoRA folder of ``config``.

    Raises:
        ModelError: The worker cannot load the model.
        RuntimeError: A picture failed; the message has the outcome.
    """
    model = find_model(config)
    page_cache_s = fill_page_cache(model)
    alone_s = await asyncio.to_thread(measure_alone, model, config.device)
    are_kernels_cached = _are_kernels_cached(config)
    loras.choice(0)  # writes the file before the time counts
    host = Host(config)
    with capture_logs(processors=[TimeStamper()]) as lines:
        started_at_s, started_s = time.time(), time.perf_counter()
        try:
            info = await host.start()
            ready_s = time.perf_counter() - started_s
            picture_s, peak_bytes = await _draw(host, "first", size, loras)
            first_picture_s = time.perf_counter() - started_s
            again_s, again_bytes = await _draw(host, "second", size, loras)
        finally:
            await host.close()
    return StartupTimes(
        device=info.device_name,
        dtype=info.dtype,
        model=str(model.folder),
        size=f"{size[0]}x{size[1]}",
        page_cache_s=page_cache_s,
        steps_s={
            line["step"]: line["timestamp"] - started_at_s
            for line in lines
            if line["event"] == "worker starts"
        },
        parts={line["part"]: _figures(line) for line in lines if line["event"] == "weights read"},
        ready_s=ready_s,
        picture_s=picture_s,
        again_s=again_s,
        first_picture_s=first_picture_s,
        alone_s=alone_s | {"picture": again_s},
        peak_bytes=max(peak_bytes, again_bytes),
        are_kernels_cached=are_kernels_cached,
        is_bytecode_cached=_is_bytecode_cached(),
    )


def _figures(line: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(line[name]) for name in ("gigabytes", "seconds")}


async def _draw(host: Host, job_id: str, size: tuple[int, int], loras: RandomLoras) -> tuple[float, int]:
    """Draw a picture; return the seconds and the worker's peak memory, which is 0 for a flat picture."""
    request = RenderRequest(
        job_id, 1, f"a face, {job_id}", width_px=size[0], height_px=size[1], seed=1,
        loras=(loras.choice(0),), lora_files=loras.sources(0),
    )  # fmt: skip
    started_s = time.perf_counter()
    outcome = await host.render(request, lambda event: None)
    seconds = time.perf_counter() - started_s
    # Random weights may draw one flat colour. The work up to the PNG is the same.
    is_flat = isinstance(outcome, Failed) and outcome.reason is FailReason.BLANK_PICTURE
    if not isinstance(outcome, Finished) and not is_flat:
        raise RuntimeError(f"the {job_id} picture failed: {outcome}")
    return seconds, outcome.peak_bytes if isinstance(outcome, Finished) else 0


def _are_kernels_cached(config: EngineConfig) -> bool:
    folder = Path(os.environ.get(TRITON_DIR, config.kernels_dir))
    return any(folder.glob("*"))


def _is_bytecode_cached() -> bool:
    spec = importlib.util.find_spec("torch")
    return bool(spec and spec.cached and Path(spec.cached).is_file())


def format_table(start: StartupTimes) -> str:
    """Return the times as a text table."""
    rows = [("worker: " + step, seconds, "") for step, seconds in start.steps_s.items()]
    rows += [
        (f"weights: {part}", each["seconds"], f"{each['gigabytes']:.2f} GB, beside the imports")
        for part, each in start.parts.items()
    ]
    rows += [
        ("ready", start.ready_s, "the host may send jobs"),
        ("first picture itself", start.picture_s, f"{start.size}; the next one {start.again_s:.2f} s"),
        ("start to first picture", start.first_picture_s, ""),
        *((f"alone: {part}", seconds, "") for part, seconds in start.alone_s.items()),
    ]
    head = f"{start.device}, {start.dtype}, {start.model}; into the page cache: {start.page_cache_s:.1f} s"
    ratio = f"start ÷ parts alone: {start.ratio:.2f}, to reach: {TARGET_RATIO} (E8, 1024x1024)"
    lines = [head, *(f"{name:28} {seconds:7.2f} s   {remark}".rstrip() for name, seconds, remark in rows)]
    lines.append(ratio)
    if not start.are_kernels_cached:
        lines.append("With a card, its kernels were compiled again: give a --data-dir and measure again.")
    if not start.is_bytecode_cached:
        lines.append("Python compiled the libraries again: unset PYTHONDONTWRITEBYTECODE and measure again.")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> StartupTimes:
    """Measure according to the command line, print the table, write JSON; return the times."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--folder", default=BUILT_IN, help="a checkpoint; left out: the built-in model")
    parser.add_argument("--size", default="", help="left out: 1024x1024, or the native size of a small model")
    parser.add_argument("--device", default="auto")
    parser.add_argument(
        "--base", choices=[*WeightLocation], help="where the pristine weights go; left out: on the card"
    )
    parser.add_argument("--data-dir", type=Path, help="with a converted copy, and with kernels built before")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as empty:
        config = EngineConfig(
            options.data_dir or Path(empty),
            lora_dir=Path(empty),
            model=options.folder,
            device=options.device,
            plan=Plan(base=WeightLocation(options.base)) if options.base else None,
            keeps_spare=False,  # its imports would take processors from the first picture
        )
        model = find_model(config)
        native = (model.native_width_px, model.native_height_px)
        width, height = map(int, options.size.split("x")) if options.size else TARGET_SIZE
        is_wanted = bool(options.size) or model.allows(width, height)
        loras = RandomLoras(linear_shapes(model.folder), config.lora_dir, torch.device("cpu"), torch.bfloat16)
        size = (width, height) if is_wanted else native
        start = asyncio.run(measure(config, size, loras))
    print(format_table(start))
    if options.json:
        options.json.write_text(json.dumps(asdict(start), indent=2) + "\n", encoding="utf-8")
    return start


if __name__ == "__main__":
    main()
