"""The command line of the benchmark: measures all rows in one run on one device."""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from engine.bench.report import markdown, plot
from engine.bench.report.machine import describe_machine
from engine.bench.report.markdown import number
from engine.bench.report.results import ResultLine, ResultLog, ratio, write_json
from engine.bench.report.targets import evaluator_for
from engine.bench.rows.runner import measure
from engine.bench.rows.workload import ON_CARD, ON_CPU, SIZES, PictureSize, Workload, format_size
from engine.checkpoint.model import BUILT_IN_WEIGHTS
from engine.errors import ModelError
from engine.zimage.device import Placement, choose_placement

ROWS = ("E1", "E2", "E3", "E4", "E5", "E6", "E7", "E8", "E9", "E12")


def main(words: list[str] | None = None) -> int:
    """Measure and print, line by line; returns 1 if a row raised, 2 for a wrong command line."""
    words = sys.argv[1:] if words is None else words
    options = _options(words)
    try:
        placement = choose_placement(options.device)
        with tempfile.TemporaryDirectory(prefix="sugarbot-bench-") as scratch:
            workload = _workload(options, placement, Path(scratch))
            if options.sizes and (flaw := _resize(workload, options.sizes)):
                print(flaw, file=sys.stderr)
                return 2
            facts = describe_machine(placement, "engine.bench", words) | {"subject": workload.model.name}
            result_log = ResultLog(
                facts, evaluator_for(facts["dtype"]), [_writer(options.into)] if options.into else []
            )
            result_log.write()
            if not options.json_lines:
                print(markdown.machine(facts), flush=True)
            started_s = time.perf_counter()
            for line in measure(workload, options.only):
                result_log.add(line)
                seconds = time.perf_counter() - started_s
                if options.json_lines:
                    print(json.dumps({"seconds": seconds, **asdict(line)}), flush=True)
                else:
                    print(f"{seconds:5.0f} s  {_row(result_log, line)}", flush=True)
    except ModelError as error:
        print(error, file=sys.stderr)
        return 1
    if not (options.lines_only or options.json_lines):
        print(f"\n{_target_lines(result_log, options.only)}", flush=True)
    return int(any(line.has_failed for line in result_log.lines))


def _options(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m engine.bench", description="The table of figures, measured in one run."
    )
    weights = parser.add_mutually_exclusive_group()
    weights.add_argument(
        "--folder",
        type=Path,
        default=BUILT_IN_WEIGHTS,
        help="a Z-Image checkpoint; left out: the built-in model",
    )
    weights.add_argument("--random", action="store_true", help="random weights of Z-Image-Turbo's real size")
    weights.add_argument("--tiny", action="store_true", help="random weights, tiny: to try the benchmark")
    parser.add_argument("--device", default="auto", help="auto, cuda, cuda:1 or cpu")
    parser.add_argument("--only", type=_rows, default=ROWS, help="rows, like E1,E2")
    parser.add_argument(
        "--sizes",
        type=_sizes,
        help="width x height of E1, E2 and E3; left out: 512x768,1024x1024,512x512 or their like",
    )
    parser.add_argument("--rounds", type=_count, help="pictures of a median")
    parser.add_argument("--pictures", type=_count, help="of each queue of E6")
    parser.add_argument("--switches", type=_count, help="of LoRAs, in E5")
    parser.add_argument("--lines-only", action="store_true", help="without the figures to reach at the end")
    parser.add_argument("--json-lines", action="store_true", help="one JSON object a line, for a program")
    parser.add_argument("--into", type=Path, help="a folder for results.json, results.md and results.svg")
    return parser.parse_args(words)


def _workload(options: argparse.Namespace, placement: Placement, scratch: Path) -> Workload:
    given = {name: getattr(options, name) for name in ("rounds", "pictures", "switches")}
    usual = ON_CARD if placement.is_card else ON_CPU
    effort = replace(usual, **{name: count for name, count in given.items() if count is not None})
    if options.random or options.tiny:
        return Workload.random(placement, effort, scratch, is_tiny=options.tiny)
    return Workload.load(options.folder, placement, effort, scratch)


def _resize(workload: Workload, sizes: list[PictureSize]) -> str:
    """Set other sizes for the rows; return what is wrong with them, or an empty string."""
    for size in sizes:
        if not workload.model.allows(*size):
            near = ", ".join(format_size(each) for each in workload.model.nearest(*size))
            return (
                f"{format_size(size)} px cannot be drawn by {workload.model.name}. The nearest sizes: {near}."
            )
    workload.sizes = dict(zip(SIZES, sizes, strict=True))
    return ""


def _rows(written: str) -> list[str]:
    rows = [row.strip().upper() for row in written.split(",")]
    if strange := [row for row in rows if row not in ROWS]:
        raise argparse.ArgumentTypeError(f"no such row: {', '.join(strange)}; there are {', '.join(ROWS)}")
    return rows


def _sizes(written: str) -> list[PictureSize]:
    sizes = []
    for each in written.split(","):
        width, _, height = each.strip().lower().partition("x")
        if not (width.isdecimal() and height.isdecimal()):
            raise argparse.ArgumentTypeError(f"{each} is not a size like 512x768")
        sizes.append((int(width), int(height)))
    if len(sizes) != len(SIZES):
        raise argparse.ArgumentTypeError(f"give {len(SIZES)} sizes, of {', '.join(SIZES)}")
    return sizes


def _count(written: str) -> int:
    if not written.isdecimal() or int(written) < 1:
        raise argparse.ArgumentTypeError(f"{written} is not a number from 1")
    return int(written)


def _writer(folder: Path) -> Callable[[dict[str, Any]], None]:
    def write(document: dict[str, Any]) -> None:
        write_json(document, folder / "results.json")
        (folder / "results.md").write_text(markdown.page(document), encoding="utf-8")
        (folder / "results.svg").write_text(plot.plot(document), encoding="utf-8")

    return write


def _row(result_log: ResultLog, line: ResultLine) -> str:
    """Format a line for the terminal."""
    value = "failed" if line.has_failed else f"{number(line.value)} {line.unit}"
    ratios = [
        f"{times:.2f} × {other}"
        for other in ("floor", "stock", "recipe")
        if other != line.who and (times := ratio(result_log.lines, line, other)) is not None
    ]
    peak = [f"{line.peak_gib:.1f} GiB"] if line.peak_gib else []
    more = " · ".join([*ratios, *peak, *([line.note] if line.note else [])])
    return f"{line.row}  {line.work:12}  {line.who:24} {value:>20}  {more}"


def _target_lines(result_log: ResultLog, rows: list[str]) -> str:
    marks = {True: "met", False: "missed", None: "not measured"}
    return "\n".join(
        f"{each.row}  {each.what:26} {each.reach:>12} {number(each.measured):>10}  {marks[each.is_met]}"
        for each in result_log.evaluate(result_log.lines)
        if each.row in rows
    )
