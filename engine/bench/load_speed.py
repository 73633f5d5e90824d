"""Seconds per GB of each method that turns safetensors files into tensors on the device, in one run.

``python -m engine.bench.load_speed --folder FOLDER``. It first reads the files once, to fill the page cache.
``python -m engine.bench.random_checkpoint`` writes a folder of real size.
"""

import argparse
import gc
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from diffusers import ZImagePipeline
from safetensors import safe_open
from torch import Tensor

from engine.bench.startup import fill_page_cache
from engine.checkpoint.contents import STEMS, weight_files
from engine.checkpoint.model import read_model
from engine.zimage.device import Placement, choose_placement
from engine.zimage.model_loader import load_pipeline
from engine.zimage.weight_reader import PartWeights, WeightReader

READERS = (1, 2, 4, 8, 16)


@dataclass(frozen=True, slots=True)
class LoadTime:
    """One method: its seconds, and the amount of data."""

    name: str
    seconds: float
    gigabytes: float


def load_methods(folder: Path, placement: Placement) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield each method's name, and a function that loads everything and returns the loaded objects."""
    for readers in READERS:
        yield f"ours, {readers} readers", partial(_ours, folder, placement, readers)
    yield "safetensors, straight to device", lambda: _by_library(folder, placement, str(placement.device))
    yield "safetensors, by way of the CPU", lambda: _by_library(folder, placement, "cpu")
    yield "load_pipeline, modules and all", lambda: load_pipeline(folder, placement)
    yield "ZImagePipeline.from_pretrained", lambda: _stock(folder, placement)


def _ours(folder: Path, placement: Placement, readers: int) -> list[PartWeights]:
    weights = WeightReader(folder, placement, readers=readers)
    return [weights.wait_for(part) for part in STEMS]


def _by_library(folder: Path, placement: Placement, device: str) -> list[Tensor]:
    tensors = []
    for path in (path for part in STEMS for path in weight_files(folder, part)):
        with safe_open(path, "pt", device=device) as file:
            tensors += [file.get_tensor(name).to(placement.device, placement.dtype) for name in file.keys()]  # noqa: SIM118 - it is no mapping
    return tensors


def _stock(folder: Path, placement: Placement) -> object:
    return ZImagePipeline.from_pretrained(folder, dtype=placement.dtype, local_files_only=True).to(
        placement.device
    )


def measure(folder: Path, placement: Placement) -> Iterator[LoadTime]:
    """Run every method once, each with an empty device."""
    paths = [path for part in STEMS for path in weight_files(folder, part)]
    gigabytes = sum(path.stat().st_size for path in paths) / 1e9
    for name, load in load_methods(folder, placement):
        started_s = time.perf_counter()
        loaded = load()
        if placement.is_card:
            torch.cuda.synchronize(placement.device)
        yield LoadTime(name, time.perf_counter() - started_s, gigabytes)
        del loaded
        gc.collect()
        if placement.is_card:
            torch.cuda.empty_cache()


def main(arguments: Sequence[str] | None = None) -> list[LoadTime]:
    """Measure and print every method; return the lines."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args(arguments)
    fill_page_cache(read_model(options.folder))
    placement = choose_placement(options.device)
    if placement.is_card:
        torch.zeros(1, device=placement.device)  # the first method must not pay for creating the context
    lines = []
    for line in measure(options.folder, placement):
        lines.append(line)
        rate = f"{line.seconds / line.gigabytes:6.3f} s/GB"
        print(f"{line.name:32} {line.seconds:7.2f} s {line.gigabytes:6.2f} GB {rate}")
    return lines


if __name__ == "__main__":
    main()
