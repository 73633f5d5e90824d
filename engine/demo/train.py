"""Trains the built-in model: ``python -m engine.demo.train --out var/demo``.

Stages: probe, vae, read, flow, distil, loras, export. The same command resumes a stopped run; the same seed
gives the same faces and captions. ``--smoke`` runs every stage with a few steps in a minute on a CPU.
"""

import json
import time
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console

from engine.demo.captions import vocabulary_texts
from engine.demo.faces.styles import SHELF, SPARE
from engine.demo.networks import save_pipeline
from engine.demo.probe import save_probe
from engine.demo.tokenizer import build_tokenizer
from engine.demo.training.datasets import LORA_STYLES, DatasetCache
from engine.demo.training.flow import train_distil, train_flow
from engine.demo.training.loras import save_lora, train_lora
from engine.demo.training.loss_plot import plot_losses
from engine.demo.training.probe import train_probe
from engine.demo.training.run import TimeLimitReached, TrainingPlan, TrainingRun, smoke
from engine.demo.training.sidecars import write_sidecars
from engine.demo.training.text_encoder import train_text_encoder
from engine.demo.training.vae import train_vae

EXIT_UNFINISHED = 75  # exit code: run the same command again
echo = Console().print


def train(run: TrainingRun) -> Path:
    """Run all stages and export the model.

    Returns:
        The export folder: ``weights/``, ``loras/``, ``spare/``, ``probe.safetensors``.

    Raises:
        TimeLimitReached: The time of this call is over; the checkpoints are written.
    """
    tokenizer = build_tokenizer(vocabulary_texts())
    cache = DatasetCache(run, tokenizer)
    figures: dict[str, object] = {}
    if not (run.is_done("probe") and run.is_done("vae")):
        _timed(run, "draw", cache.labelled)
    if run.is_done("probe"):
        probe = train_probe(run, [], [])
    else:
        probe = train_probe(run, cache.labelled(), cache.held_out(min(600, run.plan.faces)))
    figures["probe"] = run.result("probe")["accuracy"]
    echo("probe on held-out drawn faces", figures["probe"])
    if run.is_done("vae"):
        vae = train_vae(run, [], [])
    else:
        vae = train_vae(run, [pool for pool, _ in cache.labelled()], cache.others()[:1])
    echo("vae", run.result("vae")["psnr"], "dB")
    encoder = train_text_encoder(run, tokenizer)
    figures["reading"] = run.result("read")["accuracy"]
    echo("share of traits read right from unseen captions", figures["reading"])
    is_trained = run.is_done("flow") and (run.plan.distil == 0 or run.is_done("distil"))
    base = [] if is_trained else cache.base_datasets(vae)
    cache.forget("base")
    teacher = train_flow(run, base, tokenizer, encoder)
    model = train_distil(run, teacher, base, tokenizer) if run.plan.distil else teacher
    del base, teacher
    loras = {}
    for style in LORA_STYLES:
        ready = run.is_done(f"lora-{style}")
        loras[style] = train_lora(run, style, model, {} if ready else cache.style_datasets(vae, style))
        cache.forget(style)
    export = run.out / "export"
    for style in (*SHELF, SPARE):
        save_lora(export / ("spare" if style == SPARE else "loras") / f"{style}.safetensors", loras[style])
    write_sidecars(export / "loras")
    save_probe(probe, export / "probe.safetensors")
    save_pipeline(export / "weights", vae, model.transformer, model.text_encoder, tokenizer)
    plot_losses(run.out / "losses.jsonl", export / "losses.svg")
    figures |= {"vae_psnr_db": run.result("vae")["psnr"]}
    (export / "training.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return export


def _timed(run: TrainingRun, stage: str, work: object) -> None:
    start = time.monotonic()
    work()  # type: ignore[operator]
    if run.on_card:
        torch.cuda.synchronize()
    echo(f"{stage}: {time.monotonic() - start:.1f} s")


def main(
    out: Annotated[Path, typer.Option(help="Folder of checkpoints, losses and the export.")] = Path(
        "var/demo"
    ),
    seed: Annotated[int, typer.Option(help="Draws the faces, the captions and the first weights.")] = 1,
    limit_s: Annotated[float, typer.Option(help="Stop with a checkpoint after so many seconds.")] = 1e9,
    plan: Annotated[str, typer.Option(help="Changes of the plan: flow=6000,vae=4000.")] = "",
    compiled: Annotated[
        bool, typer.Option("--compile", help="Compile the networks; pays on a card.")
    ] = False,
    small: Annotated[
        bool, typer.Option("--smoke", help="Every stage in a few steps, to see that all works.")
    ] = False,
) -> None:
    """Train the built-in model, or go on with it."""
    changes = {
        name: int(value) for name, _, value in (item.partition("=") for item in plan.split(",") if item)
    }
    base = smoke() if small else TrainingPlan()
    whole = TrainingPlan(
        **({name: getattr(base, name) for name in TrainingPlan.__dataclass_fields__} | changes)
    )
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True
    out.mkdir(parents=True, exist_ok=True)
    run = TrainingRun(out, device, whole, seed, time.monotonic() + limit_s, compiled)
    try:
        echo("exported to", train(run))
    except TimeLimitReached as over:
        echo(f"time is over in stage {over}; run the same command to go on")
        raise typer.Exit(EXIT_UNFINISHED) from over


if __name__ == "__main__":
    typer.run(main)
