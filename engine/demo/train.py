"""Train the built-in model: ``python -m engine.demo.train --out var/demo``.

Stages: probe, vae, read, flow, distil, loras, export. The same command again goes on where the last one
stopped; the same seed draws the same faces and captions. ``--smoke`` goes through every stage in a minute on
a CPU, learning nothing.
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
from engine.demo.nets import save_pipeline
from engine.demo.probe import save_probe
from engine.demo.shelf_card import write_shelf_card
from engine.demo.tokenizer import build_tokenizer
from engine.demo.training.course import Course, OutOfTime, Plan, smoke
from engine.demo.training.flow import train_distil, train_flow
from engine.demo.training.loras import save_lora, train_lora
from engine.demo.training.plot import plot_losses
from engine.demo.training.probe import train_probe
from engine.demo.training.read import train_reading
from engine.demo.training.studio import TAUGHT, Studio
from engine.demo.training.vae import train_vae

UNFINISHED = 75  # exit code: run the same command again
say = Console().print


def train(course: Course) -> Path:
    """Go through all stages and export.

    Returns:
        The export folder: ``weights/``, ``loras/``, ``spare/``, ``probe.safetensors``.

    Raises:
        OutOfTime: The course's time is over; its checkpoints are written.
    """
    tokenizer = build_tokenizer(vocabulary_texts())
    studio = Studio(course, tokenizer)
    figures: dict[str, object] = {}
    if not (course.is_done("probe") and course.is_done("vae")):
        _timed(course, "draw", studio.marked)
    if course.is_done("probe"):
        probe = train_probe(course, [], [])
    else:
        probe = train_probe(course, studio.marked(), studio.held_out(min(600, course.plan.faces)))
    figures["probe"] = course.result("probe")["accuracy"]
    say("probe on held-out drawn faces", figures["probe"])
    if course.is_done("vae"):
        vae = train_vae(course, [], [])
    else:
        vae = train_vae(course, [pool for pool, _ in studio.marked()], studio.others()[:1])
    say("vae", course.result("vae")["psnr"], "dB")
    encoder = train_reading(course, tokenizer)
    figures["reading"] = course.result("read")["accuracy"]
    say("share of traits read right from unseen captions", figures["reading"])
    learned = course.is_done("flow") and (course.plan.distil == 0 or course.is_done("distil"))
    lessons = [] if learned else studio.base_lessons(vae)
    studio.forget("base")
    teacher = train_flow(course, lessons, tokenizer, encoder)
    reader = train_distil(course, teacher, lessons, tokenizer) if course.plan.distil else teacher
    del lessons, teacher
    loras = {}
    for style in TAUGHT:
        ready = course.is_done(f"lora-{style}")
        loras[style] = train_lora(course, style, reader, {} if ready else studio.style_lessons(vae, style))
        studio.forget(style)
    export = course.out / "export"
    for style in (*SHELF, SPARE):
        save_lora(export / ("spare" if style == SPARE else "loras") / f"{style}.safetensors", loras[style])
    write_shelf_card(export / "loras" / "loras.toml")
    save_probe(probe, export / "probe.safetensors")
    save_pipeline(export / "weights", vae, reader.transformer, reader.text_encoder, tokenizer)
    plot_losses(course.out / "losses.jsonl", export / "losses.svg")
    figures |= {"vae_psnr_db": course.result("vae")["psnr"]}
    (export / "training.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return export


def _timed(course: Course, stage: str, work: object) -> None:
    start = time.monotonic()
    work()  # type: ignore[operator]
    if course.on_card:
        torch.cuda.synchronize()
    say(f"{stage}: {time.monotonic() - start:.1f} s")


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
    base = smoke() if small else Plan()
    whole = Plan(**({name: getattr(base, name) for name in Plan.__dataclass_fields__} | changes))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True
    out.mkdir(parents=True, exist_ok=True)
    course = Course(out, device, whole, seed, time.monotonic() + limit_s, compiled)
    try:
        say("exported to", train(course))
    except OutOfTime as over:
        say(f"time is over in stage {over}; run the same command to go on")
        raise typer.Exit(UNFINISHED) from over


if __name__ == "__main__":
    typer.run(main)
