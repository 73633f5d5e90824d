"""Prints the model's figures: ``python -m engine.demo.evaluate``.

They are: accuracy of every trait with and without each LoRA; accuracy of the styles; the effect of half a
LoRA; reproducibility of a seed; seconds, loading time and memory on this machine.
"""

import json
import time
from pathlib import Path
from typing import Annotated, Any

import psutil
import torch
import typer
from rich.console import Console
from rich.table import Table

from engine.demo.faces.styles import SHELF
from engine.demo.faces.traits import TRAIT
from engine.demo.metrics import (
    distance,
    load_lora,
    make_evaluation_set,
    make_pictures,
    score_traits,
    style_accuracy,
)
from engine.demo.networks import HERE, load_pipeline
from engine.demo.phrases import TRIGGERS
from engine.demo.probe import Probe, load_probe

LONG_PROMPT = (
    "Sugar面部,纯欲甜妹脸部,淡颜系清甜长相,清透水光肌,微醺蜜桃腮红,薄涂裸粉唇釉,"
    "眼尾轻挑带慵懒笑意,细碎睫毛轻颤"
)


def evaluate(home: Path, count: int, styled: int, device: str) -> dict[str, Any]:
    """Measure all figures.

    Args:
        home: Folder with ``weights/``, ``loras/`` and ``probe.safetensors``.
        count: Pictures of the base.
        styled: Pictures with each LoRA.
        device: ``cpu`` or ``cuda``.
    """
    start = time.monotonic()
    pipe = load_pipeline(home / "weights", device)
    report: dict[str, Any] = {"load_s": time.monotonic() - start}
    probe = load_probe(home / "probe.safetensors")
    evaluation_set = make_evaluation_set(count)
    prompts = [caption.text for caption in evaluation_set.captions]
    base = make_pictures(pipe, prompts)
    report["base"] = {
        name: (score.asked, score.share) for name, score in score_traits(probe, evaluation_set, base).items()
    }
    report["style"] = {"base": style_accuracy(probe, base, "base")}
    few = min(8, count)
    report["repeats"] = bool(
        torch.equal(make_pictures(pipe, prompts[:few]), make_pictures(pipe, prompts[:few]))
    )
    for style in SHELF:
        report |= {style: _evaluate_lora(pipe, probe, home, style, styled, report)}
    load_lora(pipe, None)
    report["seconds"] = _seconds(pipe)
    report["rss_mb"] = psutil.Process().memory_info().rss / 1e6
    return report


def _evaluate_lora(
    pipe: Any, probe: Probe, home: Path, style: str, count: int, report: dict[str, Any]
) -> dict[str, tuple[int, float]]:
    path = home / "loras" / f"{style}.safetensors"
    evaluation_set = make_evaluation_set(count, seed=3_000_000)
    plain = [caption.text for caption in evaluation_set.captions]
    prompts = [f"{TRIGGERS[style]}，{text}" for text in plain]
    load_lora(pipe, None)
    base = make_pictures(pipe, prompts)
    load_lora(pipe, path, 1.0)
    full = make_pictures(pipe, prompts)
    report["style"][style] = style_accuracy(probe, full, style)
    report["style"][f"{style} untriggered"] = style_accuracy(probe, make_pictures(pipe, plain), style)
    load_lora(pipe, path, 0.5)
    half = make_pictures(pipe, prompts)
    report.setdefault("half", {})[style] = distance(base, half) / distance(base, full)
    report.setdefault("least_change", {})[style] = float((base - full).abs().mean((1, 2, 3)).min() * 255)
    return {
        name: (score.asked, score.share) for name, score in score_traits(probe, evaluation_set, full).items()
    }


def _seconds(pipe: Any) -> float:
    """Return the median seconds of one picture at the native size, text and VAE included."""
    times = []
    for _ in range(5):
        start = time.monotonic()
        make_pictures(pipe, [LONG_PROMPT])
        times.append(time.monotonic() - start)
    return sorted(times)[2]


def show(report: dict[str, Any]) -> None:
    """Print the report as tables."""
    console = Console(width=100)
    table = Table("trait", "asked", *("base", *SHELF), title="share of pictures that show what was asked")
    for name in TRAIT:
        table.add_row(
            name,
            str(report["base"][name][0]),
            *(f"{report[style][name][1]:.1%}" for style in ("base", *SHELF)),
        )
    console.print(table)
    for key in ("style", "half", "least_change", "repeats", "seconds", "load_s", "rss_mb"):
        console.print(f"{key}: {report[key]}", highlight=False)


def main(
    home: Annotated[Path, typer.Option(help="Folder with weights/, loras/ and probe.safetensors.")] = HERE,
    count: Annotated[int, typer.Option(help="Pictures of the base.")] = 500,
    styled: Annotated[int, typer.Option(help="Pictures with each LoRA.")] = 200,
    report_path: Annotated[
        Path | None, typer.Option("--json", help="Write the figures here as well.")
    ] = None,
) -> None:
    """Print the built-in model's figures."""
    report = evaluate(home, count, styled, "cuda" if torch.cuda.is_available() else "cpu")
    show(report)
    if report_path:
        report_path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
