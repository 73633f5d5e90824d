"""Draws thousands of pictures with random LoRA, size and placement: row 35.

``python -m tests.card.repeats --pictures 2400``. The built-in model draws a small set of jobs in random
order, under one placement after the other. Each picture must have the pixels that a fresh worker gives it,
and memory must not grow. Prints one JSON line. ``--device cpu`` tries the script without a card.
"""

import argparse
import asyncio
import hashlib
import io
import json
import os
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from random import Random

import psutil
import structlog
from PIL import Image

from engine.checkpoint.model import built_in_lora_folder, find_model
from engine.config import EngineConfig, Plan, WeightLocation
from engine.host import Host
from engine.request import Drawn, Event, Finished, LoraChoice, RenderRequest
from engine.shelf import read_shelf, sources_of

MIB = 2**20
WARM_UP = 100  # pictures of a worker after which its memory must stay the same
RATIOS = ((1, 1), (2, 3), (3, 2))
PLACEMENTS = {
    "two copies on the card": Plan(),
    "one copy": Plan(base=WeightLocation.PINNED),
    "one block on the card, encoder brought in": Plan(
        base=WeightLocation.PINNED, resident_blocks=1, encoder=WeightLocation.PINNED
    ),
    "blocks from the disk": Plan(base=WeightLocation.DISK, resident_blocks=1, encoder=WeightLocation.DISK),
}


@dataclass
class RepeatsResult:
    """What all pictures showed.

    Attributes:
        other_pixels: Pictures unlike those of a fresh worker.
        slope_mib: Placement → growth of the allocated memory for each picture, after the warm-up.
        child_mib: Placement → growth of the worker's resident memory after the warm-up.
        parent_mib: Growth of this process's resident memory, from the first placement's warm-up to the end.
        files: Growth of the open files of both processes.
    """

    pictures: int = 0
    not_drawn: int = 0
    other_pixels: int = 0
    slope_mib: dict[str, float] = field(default_factory=dict)
    child_mib: dict[str, float] = field(default_factory=dict)
    parent_mib: float = 0.0
    files: int = 0


def jobs_of(config: EngineConfig) -> list[RenderRequest]:
    """Return every combination of LoRA and size, without a LoRA as well."""
    model = find_model(config)
    found = read_shelf([built_in_lora_folder(model), config.lora_dir], model).files
    choices = [(), *((LoraChoice(file.name, file.sha256, file.weight),) for file in found.values())]
    files = sources_of(list(found.values()), [choice for each in choices for choice in each])
    return [
        RenderRequest(f"job-{number}", 1, "a calm face", *size, number, loras=loras, lora_files=files)
        for number, (loras, size) in enumerate(
            (loras, model.nearest(*ratio)[0]) for loras in choices for ratio in RATIOS
        )
    ]


async def draw(host: Host, request: RenderRequest) -> tuple[str, int]:
    """Draw one picture; return the hash of its pixels, empty if it failed, and the allocated bytes."""
    events: list[Event] = []
    outcome = await host.render(request, events.append)
    drawn = [event.picture.png for event in events if isinstance(event, Drawn)]
    if not isinstance(outcome, Finished) or not drawn:
        return "", 0
    pixels = await asyncio.to_thread(lambda: Image.open(io.BytesIO(drawn[0])).tobytes())
    return hashlib.sha256(pixels).hexdigest(), outcome.kept_bytes


async def fresh_pixels(config: EngineConfig, jobs: Sequence[RenderRequest]) -> dict[str, str]:
    """Draw each job in a worker of its own; return its pixels' hash by its id."""
    pixels = {}
    for job in jobs:
        host = Host(config)
        await host.start()
        pixels[job.job_id] = (await draw(host, job))[0]
        await host.close()
    return pixels


def _memory_of(process: psutil.Process) -> tuple[int, int]:
    """Return resident bytes and the number of open files."""
    return process.memory_info().rss, process.num_fds()


def _slope(values: Sequence[int]) -> float:
    """Return the growth for each value by least squares; 0 of fewer than two."""
    return statistics.linear_regression(range(len(values)), values).slope if len(values) > 1 else 0.0


def _random_jobs(jobs: Sequence[RenderRequest], count: int) -> Iterator[RenderRequest]:
    random = Random(35)
    for number in range(count):
        yield replace(random.choice(jobs), attempt=number + 1)


async def measure(config: EngineConfig, pictures: int, warm_up: int, looks: int | None) -> RepeatsResult:
    """Draw the pictures in equal parts under each placement."""
    result, jobs, this = RepeatsResult(), jobs_of(config)[:looks], psutil.Process(os.getpid())
    expected = await fresh_pixels(config, jobs)
    parent: list[tuple[int, int]] = []
    for placement, plan in PLACEMENTS.items():
        host = Host(replace(config, plan=plan))
        info = await host.start()
        child, allocated, before = psutil.Process(info.pid), list[int](), (0, 0)
        for number, job in enumerate(_random_jobs(jobs, pictures // len(PLACEMENTS))):
            pixels, kept_bytes = await draw(host, job)
            result.pictures += 1
            result.not_drawn += not pixels
            result.other_pixels += bool(pixels) and pixels != expected[job.job_id]
            if number == warm_up:
                before = _memory_of(child)
                parent.append(_memory_of(this))
            if number >= warm_up:
                allocated.append(kept_bytes)
        after = _memory_of(child)
        result.slope_mib[placement] = round(_slope(allocated) / MIB, 4)
        result.child_mib[placement] = round((after[0] - before[0]) / MIB, 1)
        result.files = max(result.files, after[1] - before[1])
        parent.append(_memory_of(this))
        await host.close()
    result.parent_mib = round((parent[-1][0] - parent[0][0]) / MIB, 1)
    result.files = max(result.files, parent[-1][1] - parent[0][1])
    return result


def main(arguments: list[str] | None = None) -> RepeatsResult:
    """Draw as many pictures as the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.card.repeats")
    parser.add_argument("--pictures", type=int, default=2_400)
    parser.add_argument("--warm-up", type=int, default=WARM_UP)
    parser.add_argument("--looks", type=int, help="how many pairs of a LoRA and a size; left out: all")
    parser.add_argument("--device", default="auto")
    options = parser.parse_args(arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with tempfile.TemporaryDirectory(prefix="sugarbot-repeats-") as scratch:
        config = EngineConfig(Path(scratch), Path(scratch) / "loras", device=options.device)
        config.lora_dir.mkdir()
        result = asyncio.run(measure(config, options.pictures, options.warm_up, options.looks))
    print(json.dumps(asdict(result)), flush=True)
    return result


if __name__ == "__main__":
    main()
