"""The command line of the judge."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from engine.config import WeightFormat
from engine.demo.judge.judgement import PLACEMENTS, Judgement, judge


def main(
    device: Annotated[str, typer.Option(help="cpu, or cuda for bf16 alone.")] = "cpu",
    formats: Annotated[list[WeightFormat] | None, typer.Option("--format", help="Left out: all.")] = None,
    placements: Annotated[list[str] | None, typer.Option("--placement", help="Left out: all.")] = None,
    count: Annotated[int, typer.Option(help="Pictures without a LoRA.")] = 200,
    styled: Annotated[int, typer.Option(help="Pictures with each LoRA.")] = 60,
    report_path: Annotated[Path | None, typer.Option("--json", help="Write the figures here, too.")] = None,
) -> None:
    """Print how each format and placement obeys prompts and shows LoRAs, in points next to the first."""
    found: list[Judgement] = []
    for line in judge(device, formats or list(WeightFormat), placements or list(PLACEMENTS), count, styled):
        found.append(line)
        obedience = 100 * (line.obedience - found[0].obedience)
        recognition = 100 * (line.recognition - found[0].recognition)
        pixels = "same pixels" if line.has_same_pixels else "OTHER PIXELS"
        typer.echo(
            f"{line.weight_format:5} {line.placement:9} obedience {line.obedience:.1%} ({obedience:+.1f}) "
            f"LoRA recognition {line.recognition:.1%} ({recognition:+.1f}) {pixels}"
        )
        if report_path:
            report_path.write_text(json.dumps([asdict(each) for each in found], indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
