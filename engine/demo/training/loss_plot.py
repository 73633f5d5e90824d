"""Draws the losses from ``losses.jsonl`` as SVG, one small chart per stage."""

import json
from math import log10
from pathlib import Path

WIDTH, HEIGHT, GAP = 300, 150, 34
COLUMNS = 3


def plot_losses(source: Path, target: Path) -> None:
    """Draw every stage's loss over its steps, the loss on a logarithmic scale."""
    curves: dict[str, dict[int, float]] = {}
    for line in source.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        # The last counts, where a step was made again.
        curves.setdefault(entry["stage"], {})[entry["step"]] = entry["loss"]
    charts = []
    for index, (name, points) in enumerate(curves.items()):
        row, column = divmod(index, COLUMNS)
        left, top = column * (WIDTH + GAP) + GAP, row * (HEIGHT + GAP) + GAP
        charts.append(_chart(name, sorted(points.items()), left, top))
    rows = -(-len(curves) // COLUMNS)
    size = f'width="{COLUMNS * (WIDTH + GAP) + GAP}" height="{rows * (HEIGHT + GAP) + GAP}"'
    style = 'font-family="sans-serif" font-size="11" fill="#444"'
    target.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>'
        f'<rect {size} fill="white"/>{"".join(charts)}</svg>\n',
        encoding="utf-8",
    )


def _chart(name: str, points: list[tuple[int, float]], left: int, top: int) -> str:
    last = max(step for step, _ in points) or 1
    levels = [log10(max(loss, 1e-9)) for _, loss in points]
    low, high = min(levels), max(levels)
    reach = (high - low) or 1.0
    path = " ".join(
        f"{left + WIDTH * step / last:.1f},{top + HEIGHT * (high - level) / reach:.1f}"
        for (step, _), level in zip(points, levels, strict=True)
    )
    return (
        f'<rect x="{left}" y="{top}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#ddd"/>'
        f'<polyline points="{path}" fill="none" stroke="#d4577d" stroke-width="1.3"/>'
        f'<text x="{left}" y="{top - 6}">{name}: '
        f"{points[0][1]:.3g} → {points[-1][1]:.3g} in {last} steps</text>"
    )
