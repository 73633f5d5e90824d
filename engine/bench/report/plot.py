"""A run's document → an SVG bar chart: seconds of a picture by size and contender.

Written without a plotting library, which would be a dependency for one chart. The SVG follows the reader's
light or dark theme.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

from engine.bench.report.markdown import CONTENDERS, SPEED, lines_of
from engine.bench.report.results import ResultLine

WIDTH, LEFT, RIGHT = 720, 150, 80  # px; bars lie between the margins, names and figures inside them
BAR, STEP, GROUP_GAP, TOP, BOTTOM = 18, 24, 38, 66, 44
NAMES = {
    "stock": "diffusers + peft",
    "recipe": "strongest recipe",
    "floor": "floor",
    "ours": "Sugarbot",
}
STYLE = """
  text { font: 13px system-ui, "Segoe UI", "Noto Sans", sans-serif; fill: #1f2328 }
  .title { font-size: 15px; font-weight: 600 } .group { font-weight: 600 }
  .note { font-size: 11.5px; fill: #59636e }
  .paper { fill: #ffffff } .axis { stroke: #d1d9e0 }
  .stock { fill: #a8b1bb } .recipe { fill: #6e7781 } .floor { fill: #8fb8e8 } .ours { fill: #d4577d }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .note { fill: #9198a1 } .paper { fill: #0d1117 } .axis { stroke: #3d444d }
    .stock { fill: #6e7781 } .recipe { fill: #9aa4af } .floor { fill: #4f86c6 } .ours { fill: #e8799b }
  }
"""


def plot(document: Mapping[str, Any]) -> str:
    """Return the chart; without bars if nothing was measured."""
    groups = _groups(lines_of(document))
    longest = max((line.value for group in groups for line in group if line.value), default=1.0)
    parts, top = [], TOP
    for group in groups:
        parts.append(f'<text class="group" x="24" y="{top}">{escape(group[0].work)} px</text>')
        for index, line in enumerate(group):
            parts += _bar(line, top + 10 + index * STEP, longest)
        top += len(group) * STEP + GROUP_GAP
    height = top - GROUP_GAP + BOTTOM + 10
    axis = f'<line class="axis" x1="{LEFT}" y1="{TOP - 8}" x2="{LEFT}" y2="{height - BOTTOM}"/>'
    about = document["about"]
    libraries = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    texts = (
        '<text class="title" x="24" y="30">One picture with a LoRA: seconds from prompt to pixels</text>',
        f'<text class="note" x="24" y="{height - 16}">{escape(about["device"])} · {escape(about["dtype"])} · '
        f"{escape(libraries)} · {about['date']}</text>",
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'height="{height}" role="img" aria-label="{escape(_spoken(groups))}">\n<style>{STYLE}</style>\n'
        f'<rect class="paper" width="{WIDTH}" height="{height}" rx="6"/>\n'
        + "\n".join([axis, *texts, *parts])
        + "\n</svg>\n"
    )


def _groups(lines: Sequence[ResultLine]) -> list[list[ResultLine]]:
    """Return the measured contenders of each size, in the table's order."""
    groups = []
    for row in SPEED:
        own = {line.who: line for line in lines if line.row == row and line.value is not None}
        if group := [own[who] for who in CONTENDERS if who in own]:
            groups.append(group)
    return groups


def _bar(line: ResultLine, top: float, longest: float) -> list[str]:
    value = line.value or 0.0
    length = max(1.0, (WIDTH - LEFT - RIGHT) * value / longest)
    middle = top + BAR / 2 + 4.5
    return [
        f'<text x="{LEFT - 10}" y="{middle:.1f}" text-anchor="end">{NAMES[line.who]}</text>',
        f'<rect class="{line.who}" x="{LEFT}" y="{top}" width="{length:.1f}" height="{BAR}" rx="2"/>',
        f'<text x="{LEFT + length + 8:.1f}" y="{middle:.1f}">{value:.3g} s</text>',
    ]


def _spoken(groups: Sequence[Sequence[ResultLine]]) -> str:
    """Return the chart as text for screen readers."""
    sentences = []
    for group in groups:
        targets = ", ".join(f"{NAMES[line.who]} {line.value:.3g} s" for line in group)
        sentences.append(f"{group[0].work} px: {targets}")
    return "; ".join(sentences)
