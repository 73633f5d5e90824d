"""The command line of ``python -m engine.bench.larger``."""

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch

import engine.bench.larger
from engine.bench.larger.workload import LARGER_WAY, StartedWorkload, WayTimes, ways_of
from engine.bench.rows.random_loras import RandomLoras
from engine.bench.rows.workload import PictureSize
from engine.checkpoint.contents import linear_shapes
from engine.checkpoint.model import ModelInfo, find_model
from engine.config import BUILT_IN, EngineConfig, Plan, WeightFormat
from engine.formatting import GIB
from engine.zimage.pipeline import Pipeline

TARGET_RATIO = 6.0  # of the larger picture: issue "In the chat", figure "larger on the card"
TARGET_SIZE = (1024, 1024)


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


def _size_of(model: ModelInfo, wanted: str) -> PictureSize:
    if wanted:
        width, height = map(int, wanted.split("x"))
        return width, height
    native = model.native_width_px, model.native_height_px
    return TARGET_SIZE if model.allows(*TARGET_SIZE) else native


def main(arguments: Sequence[str] | None = None) -> list[WayTimes]:
    """Measure according to the command line, print the table, write JSON; return the figures."""
    parser = argparse.ArgumentParser(description=(engine.bench.larger.__doc__ or "").partition("\n")[0])
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
        pipeline = Pipeline.load(config)
        workload = StartedWorkload(pipeline, loras, options.rounds)
        times = workload.measure(ways_of(size, model))
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
