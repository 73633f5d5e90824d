"""Seconds per GB of each way from safetensors files to tensors on the device, in one run.

``python -m engine.bench.reading --folder FOLDER``. The files are read once before, so that the page cache has
them. ``python -m engine.bench.checkpoint`` writes a folder of real size.
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

from engine.bench.start import warm
from engine.checkpoint.contents import STEMS, weight_files
from engine.checkpoint.model import read_model
from engine.zimage.device import Placement, choose_placement
from engine.zimage.load import load_pipeline
from engine.zimage.weight_reader import WeightReader

READERS = (1, 2, 4, 8, 16)


@dataclass(frozen=True, slots=True)
class ReadingRow:
    """One way: its seconds, and what it read."""

    name: str
    seconds: float
    gigabytes: float


def ways(folder: Path, place: Placement) -> Iterator[tuple[str, Callable[[], object]]]:
    """Each way's name, and what loads everything and returns what holds it."""
    for readers in READERS:
        yield f"ours, {readers} readers", partial(_ours, folder, place, readers)
    yield "safetensors, straight to device", lambda: _by_library(folder, place, str(place.device))
    yield "safetensors, by way of the CPU", lambda: _by_library(folder, place, "cpu")
    yield "load_pipeline, modules and all", lambda: load_pipeline(folder, place)
    yield "ZImagePipeline.from_pretrained", lambda: _stock(folder, place)


def _ours(folder: Path, place: Placement, readers: int) -> list[dict[str, Tensor]]:
    weights = WeightReader(folder, place, readers=readers)
    return [weights.of(part) for part in STEMS]


def _by_library(folder: Path, place: Placement, device: str) -> list[Tensor]:
    tensors = []
    for path in (path for part in STEMS for path in weight_files(folder, part)):
        with safe_open(path, "pt", device=device) as file:
            tensors += [file.get_tensor(name).to(place.device, place.dtype) for name in file.keys()]  # noqa: SIM118 - it is no mapping
    return tensors


def _stock(folder: Path, place: Placement) -> object:
    return ZImagePipeline.from_pretrained(folder, dtype=place.dtype, local_files_only=True).to(place.device)


def measure(folder: Path, place: Placement) -> Iterator[ReadingRow]:
    """Take every way once, each with an empty device."""
    paths = [path for part in STEMS for path in weight_files(folder, part)]
    gigabytes = sum(path.stat().st_size for path in paths) / 1e9
    for name, load in ways(folder, place):
        began_s = time.perf_counter()
        loaded = load()
        if place.is_card:
            torch.cuda.synchronize(place.device)
        yield ReadingRow(name, time.perf_counter() - began_s, gigabytes)
        del loaded
        gc.collect()
        if place.is_card:
            torch.cuda.empty_cache()


def main(arguments: Sequence[str] | None = None) -> list[ReadingRow]:
    """Measure every way and print it; returns the lines."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args(arguments)
    warm(read_model(options.folder))
    place = choose_placement(options.device)
    if place.is_card:
        torch.zeros(1, device=place.device)  # what a process pays once is not the first way's
    lines = []
    for line in measure(options.folder, place):
        lines.append(line)
        rate = f"{line.seconds / line.gigabytes:6.3f} s/GB"
        print(f"{line.name:32} {line.seconds:7.2f} s {line.gigabytes:6.2f} GB {rate}")
    return lines


if __name__ == "__main__":
    main()
