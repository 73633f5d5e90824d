"""Judges pictures that begin with an earlier one: ``python -m engine.demo.judge.starts``.

The built-in model draws faces, then each again from itself at every strength: with another seed (vary), with
its own seed (final, of a draft of the same size: the model draws nothing smaller), and with its own seed at
twice its sides (larger). A line has the strength, the share of the asked traits that the probe still sees,
SSIM with the start (the larger picture shrunk to it), and the mean difference of a value. ``--sheet`` writes
the pictures. The constants in ``engine.request`` are chosen by these lines and by looking.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from PIL import Image
from torch import Tensor

from engine.config import Plan
from engine.demo.judge.drawer import Drawer, opened
from engine.demo.judge.judgement import obedience
from engine.demo.judge.similarity import Pixels, shrunk, ssim
from engine.demo.metrics import EvaluationSet, make_evaluation_set
from engine.demo.networks import NATIVE
from engine.demo.probe import Probe, load_probe
from engine.request import StartPicture

STRENGTHS = (0.04, 0.06, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
OTHER_SEED = 1_000_000  # added to a picture's seed for its variation
SHOWN = 4  # faces of the sheet


@dataclass(frozen=True, slots=True)
class StartedPictures:
    """Pictures of one way at one strength, with what they began with."""

    way: str
    strength: float
    starts: Sequence[Pixels]
    results: Sequence[Pixels]


def judge_starts(count: int, strengths: Sequence[float], device: str = "cpu") -> list[StartedPictures]:
    """Draw ``count`` faces in every way at every strength, and print a line for each."""
    drawer, probe, asked = Drawer(device, Plan()), load_probe(), make_evaluation_set(count)
    prompts = [caption.text for caption in asked.captions]
    larger = 2 * NATIVE[0], 2 * NATIVE[1]
    starts = [drawer.draw_file(prompt, seed) for seed, prompt in enumerate(prompts)]
    typer.echo(f"start            {_line(probe, asked, [opened(png) for png in starts])}")
    found = []
    for way, size, seed_change in (("vary", NATIVE, OTHER_SEED), ("final", NATIVE, 0), ("larger", larger, 0)):
        for strength in strengths:
            results = [
                drawer.draw_file(prompt, seed + seed_change, size=size, start=StartPicture(start, strength))
                for seed, (prompt, start) in enumerate(zip(prompts, starts, strict=True))
            ]
            found.append(
                StartedPictures(
                    way, strength, [opened(png) for png in starts], [opened(png) for png in results]
                )
            )
            line = _line(probe, asked, found[-1].results, found[-1].starts)
            typer.echo(f"{way:7} {strength:<8g} {line}")
    drawer.close()
    return found


def _line(
    probe: Probe, asked: EvaluationSet, pictures: Sequence[Pixels], starts: Sequence[Pixels] = ()
) -> str:
    line = f"traits {obedience(probe, asked, _at_native_size(pictures)):.1%}"
    if not starts:
        return line
    pairs = [(shrunk(picture, start), start) for picture, start in zip(pictures, starts, strict=True)]
    similar = [ssim(*pair) for pair in pairs]
    differs = statistics.mean(float(np.abs(one.astype(int) - other).mean()) for one, other in pairs)
    return (
        f"{line}  SSIM {statistics.median(similar):.3f} (least {min(similar):.3f})  differs by {differs:.1f}"
    )


def _at_native_size(pictures: Sequence[Pixels]) -> Tensor:
    """Return the pictures as the probe reads them."""
    sized = [np.asarray(Image.fromarray(each).resize(NATIVE, Image.Resampling.LANCZOS)) for each in pictures]
    return torch.from_numpy(np.stack(sized)).permute(0, 3, 1, 2).float() / 255


def draw_sheet(found: Sequence[StartedPictures], way: str) -> Image.Image:
    """Arrange the first faces of one way: a row for each, the start and then every strength."""
    shown = [each for each in found if each.way == way]
    height, width = shown[0].results[0].shape[:2]
    rows = min(SHOWN, len(shown[0].starts))
    sheet = Image.new("RGB", ((1 + len(shown)) * width, rows * height), "white")
    for row in range(rows):
        cells = [shown[0].starts[row], *(each.results[row] for each in shown)]
        for column, cell in enumerate(cells):
            sized = Image.fromarray(cell).resize((width, height), Image.Resampling.NEAREST)
            sheet.paste(sized, (column * width, row * height))
    return sheet


def main(
    count: Annotated[int, typer.Option(help="Faces.")] = 40,
    strengths: Annotated[list[float] | None, typer.Option("--strength", help="Left out: many.")] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    sheet: Annotated[Path | None, typer.Option(help="Folder for vary.png, final.png, larger.png.")] = None,
) -> None:
    """Print what becomes of pictures that begin with an earlier one."""
    found = judge_starts(count, strengths or STRENGTHS, device)
    if sheet is not None:
        sheet.mkdir(parents=True, exist_ok=True)
        for way in dict.fromkeys(each.way for each in found):
            draw_sheet(found, way).save(sheet / f"{way}.png")


if __name__ == "__main__":
    typer.run(main)
