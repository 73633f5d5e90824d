"""A run's document → Markdown, for ``results.md`` and the pages about speed."""

from collections.abc import Iterable, Mapping
from typing import Any

from engine.bench.report.results import FLOOR, OURS, RECIPE, STOCK, ResultLine, ratio

CONTENDERS = (STOCK, RECIPE, FLOOR, OURS)
SPEED = ("E1", "E2", "E3")
ENGLISH = "en"
HEADINGS = {
    ENGLISH: {
        "title": "One picture with a LoRA: seconds from prompt to pixels",
        "columns": (
            "size, px", "stock diffusers + peft, s", "strongest recipe, s", "floor, s", "**Sugarbot**, s",
            "ours ÷ stock", "ours ÷ recipe", "ours ÷ floor", "peak GiB: stock, recipe, ours",
        ),
    },
    "zh-CN": {
        "title": "带 LoRA 的单张图：从提示词到像素的秒数",
        "columns": (
            "尺寸，px", "原版 diffusers + peft，s", "最强方案，s", "下限，s", "**Sugarbot**，s",
            "本项目 ÷ 原版", "本项目 ÷ 最强方案", "本项目 ÷ 下限", "显存峰值 GiB：原版、最强方案、本项目",
        ),
    },
}  # fmt: skip


def page(document: Mapping[str, Any]) -> str:
    """Return ``results.md``."""
    return (
        "\n\n".join(
            [
                "# What was measured",
                machine(document["about"]),
                speed_table(document),
                "## Figures to reach",
                figure_table(document),
                "## Every line",
                line_table(document),
            ]
        )
        + "\n"
    )


def machine(about: Mapping[str, Any]) -> str:
    """Return one paragraph about device, libraries, model and command."""
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    driver = f", driver {about['driver']}" if about["driver"] else ""
    return (
        f"{about['device']}{driver}; {versions}, Python {about['python']}; "
        f"{about['subject']}, {about['dtype']}; {about['date']}. `{about['command']}`"
    )


def speed_table(document: Mapping[str, Any], language: str = ENGLISH) -> str:
    """Return a table: seconds of one picture with a LoRA, prompt → pixels, by size and contender."""
    lines = lines_of(document)
    rows = []
    for row in SPEED:
        own = {line.who: line for line in lines if line.row == row and line.who in CONTENDERS}
        if not own:
            continue
        size = next(iter(own.values())).work
        mine = own.get(OURS)
        ratios = [_times(ratio(lines, mine, other)) if mine else "–" for other in CONTENDERS[:3]]
        rows.append([f"{row}: {size}", *(_value(own.get(who)) for who in CONTENDERS), *ratios, _peaks(own)])
    return table(list(HEADINGS[language]["columns"]), rows)


def figure_table(document: Mapping[str, Any]) -> str:
    """Return a table of the targets and whether they are met."""
    marks = {True: "✓", False: "✗", None: ""}
    rows = [
        [each["row"], each["what"], each["reach"], number(each["measured"]), marks[each["is_met"]]]
        for each in document["figures"]
    ]
    return table(["row", "figure", "to reach", "measured", ""], rows)


def line_table(document: Mapping[str, Any]) -> str:
    """Return a table of all lines."""
    rows = [
        [
            line.row,
            line.work,
            line.who,
            f"{number(line.value)} {line.unit}".strip(),
            number(line.peak_gib),
            line.note,
        ]
        for line in sorted(lines_of(document), key=lambda line: line.row)
    ]
    return table(["row", "work", "who", "measured", "peak GiB", "note"], rows)


def lines_of(document: Mapping[str, Any]) -> list[ResultLine]:
    """Return the lines of a document that was read from its file."""
    return [ResultLine(**line) for line in document["lines"]]


def number(value: float | None) -> str:
    """Format a number with three digits; None as a dash."""
    if value is None:
        return "–"
    if value and abs(value) < 1e-3:
        return f"{value:.1e}"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def _value(line: ResultLine | None) -> str:
    return number(line.value) if line else "–"


def _times(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _peaks(own: Mapping[str, ResultLine]) -> str:
    return ", ".join(number(own[who].peak_gib) if who in own else "–" for who in (STOCK, RECIPE, OURS))


def table(head: list[str], rows: Iterable[list[str]]) -> str:
    """Format a Markdown table."""
    lines = [head, ["---"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
