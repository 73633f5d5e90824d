"""`sugarbot bench`: this machine against stock diffusers, the strongest known recipe and its own limit.

``python -m engine.bench`` measures in its own process, because this side never loads torch. This module
prints each result in the host's language as it arrives, and tables at the end.
"""

import asyncio
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from bot.checks.folders import require_writable
from bot.cli.screen import Screen, add_row
from bot.commands.grammar import draw_of
from bot.commands.values import PixelSize
from bot.desk.maintenance import require_own
from bot.errors import BadSize, SizeNotAllowed
from bot.messages import N_, text
from bot.messages.catalogue import join_facts
from bot.settings import Settings
from engine.checkpoint.fetch import fetch_model
from engine.config import BUILT_IN, EngineConfig
from engine.errors import EngineError
from engine.host.environment import worker_environment

LONGEST_S = 3600.0  # a whole run; the longest seen took eight minutes
LONGEST_LINE_BYTES = 2**20
END_S = 10.0  # for the process to end after SIGTERM
RESULTS = "results.json"
SIZES = 3  # of E1, E2 and E3
ROWS = {
    "E1": N_("one picture of the usual size"),
    "E2": N_("one large picture"),
    "E3": N_("one small picture"),
    "E4": N_("one picture in fp8 (optional)"),
    "E5": N_("another LoRA than the picture before"),
    "E6": N_("another LoRA for every picture"),
    "E7": N_("card utilization while jobs wait"),
    "E8": N_("from the start to the first picture"),
    "E9": N_("the same picture as stock diffusers"),
    "E12": N_("one picture in eight bits, next to its floor"),
}
FIGURES = (
    N_("ours ÷ floor"), N_("stock ÷ ours"), N_("recipe ÷ ours"), N_("PNG beside it"), N_("ours, fp8, as E1"),
    N_("ours, fp8, as E2"), N_("ours, on the card"), N_("ours, in main memory"), N_("ours, on disk"),
    N_("base tensors changed"), N_("different LoRAs ÷ one"), N_("card busy"),
    N_("first picture ÷ its parts alone"),
    N_("error, single"), N_("error, batch of two sizes"), N_("error, batch of two LoRAs"),
    N_("error, stack of three LoRAs"), N_("fp8 ÷ its floor, as E1"), N_("fp8 ÷ its floor, as E2"),
)  # fmt: skip
CONTENDERS = {
    "stock": N_("stock diffusers"),
    "recipe": N_("strongest recipe"),
    "floor": N_("floor"),
    "ours": N_("ours"),
}
UNITS = {
    "pictures/s": N_("pictures a second"),
    "tensors": N_("tensors"),
    "relative error": N_("relative error"),
}
MARKS = {True: "✓", False: "✗", None: "–"}


async def compare(
    settings: Settings, *, is_random: bool, sizes: str, options: Sequence[str], into: Path | None
) -> int:
    """Measure and print the results; return the measuring process's exit code.

    Args:
        settings: The model and the device.
        is_random: Measure random weights of Z-Image-Turbo's real size instead of the host's model.
        sizes: Sizes of E1, E2 and E3, as ``512x768,1024x1024,512x512``; empty for the usual ones.
        options: Further options of ``engine.bench``, as ``--only E1``.
        into: Folder for the results; by default ``bench`` in the data folder.

    Raises:
        PersonError: The model does not draw such a size.
        ModelError: The model is missing.
        EngineError: The measurement did not end within an hour.
        DataFolderForeign: Without ``into``; the data folder is not for the bot alone. Nothing was measured.
        OSError: The folder is not writable; nothing was measured.
    """
    config = settings.to_engine_config()
    if into is None:
        await asyncio.to_thread(require_own, settings.data_dir)
    folder = into or settings.data_dir / "bench"
    await asyncio.to_thread(require_writable, folder)
    model = ["--random"] if is_random else await _model_options(config, sizes)
    size_options = ["--sizes", sizes] if sizes else []
    common = ["--device", config.device, "--json-lines", "--into", str(folder)]
    arguments = [*model, *common, *size_options, *options]
    out = Screen()
    out.print_line(text(N_("Measuring. On a card, the first rows take about a minute."), settings.language))
    old_results = await asyncio.to_thread(_read_results, folder)
    code = await _run(arguments, lambda line: out.print_line(_progress(line, settings.language)))
    results = await asyncio.to_thread(_read_results, folder)
    if results and results != old_results:  # otherwise it measured nothing, and these are of an earlier run
        _print_results(json.loads(results), settings.language, out)
        out.print_line(text(N_("All results are in {path}."), settings.language, path=str(folder)))
    if code:
        out.print_line(
            text(N_("Some rows were not measured. Exit code: {code}."), settings.language, code=code)
        )
    return code


def _read_results(folder: Path) -> str:
    """The text of the results file; empty if it does not exist."""
    try:
        return (folder / RESULTS).read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def _print_results(document: Mapping[str, Any], locale: str, out: Screen) -> None:
    """Print the measurements, then the failures."""
    for table in (_speed_table(document, locale), _figure_table(document, locale)):
        if table.rows:
            out.print(table)
    for line in document["lines"]:
        if line["has_failed"]:
            who = line["who"]
            out.print_line(
                text(
                    N_("{row} {who} failed: {why}"),
                    locale,
                    row=line["row"],
                    who=text(CONTENDERS.get(who, who), locale),
                    why=line["note"],
                )
            )


async def _model_options(config: EngineConfig, sizes: str) -> list[str]:
    """The options that select the host's model, after a check that it draws these sizes."""
    model = await fetch_model(config)
    for size in filter(None, sizes.split(",")):
        wanted = draw_of("bench", size=size.strip()).size
        if not isinstance(wanted, PixelSize):
            raise BadSize(text=size)
        width_px, height_px = wanted.width_px, wanted.height_px
        if not model.allows(width_px, height_px):
            nearest = model.nearest(width_px, height_px)
            raise SizeNotAllowed(width_px=width_px, height_px=height_px, nearest=nearest)
    return [] if config.model == BUILT_IN else ["--folder", str(model.folder)]


def _progress(line: str, locale: str) -> str:
    """A result of the measuring process as a sentence; any other line stays unchanged."""
    try:
        result = json.loads(line)
        row, value = ROWS[result["row"]], result["value"]
        who = CONTENDERS.get(result["who"], "")
        measured = (
            text(N_("not measured"), locale) if value is None else f"{_number(value)} {_unit(result, locale)}"
        )
        about = join_facts(
            [f"{result['row']} {text(row, locale)}", text(who, locale) if who else "", result["work"]]
        )
        return f"{result['seconds']:5.0f} s  {about}: {measured}"
    except (ValueError, TypeError, KeyError, AttributeError):
        return line


def _unit(result: Mapping[str, Any], locale: str) -> str:
    unit = str(result["unit"])
    return text(UNITS[unit], locale) if unit in UNITS else unit


async def _run(arguments: Sequence[str], on_line: Callable[[str], object]) -> int:
    """Run the measuring process and return its exit code; it never outlives this call.

    Args:
        arguments: Its command line.
        on_line: Called with each line that it prints.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "engine.bench", *arguments,
        env=worker_environment(os.environ),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, limit=LONGEST_LINE_BYTES,
    )  # fmt: skip
    assert process.stdout is not None  # noqa: S101 - PIPE was asked for
    try:
        async with asyncio.timeout(LONGEST_S):
            async for line in process.stdout:
                on_line(line.decode(errors="replace").rstrip("\n"))
            return await process.wait()
    except TimeoutError:
        raise EngineError(f"The measurement took more than {LONGEST_S:.0f} s and was stopped.") from None
    finally:
        if process.returncode is None:
            await asyncio.shield(_end(process))


async def _end(process: asyncio.subprocess.Process) -> None:
    process.terminate()
    try:
        async with asyncio.timeout(END_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _speed_table(document: Mapping[str, Any], locale: str) -> Table:
    """Seconds of one picture with a LoRA for each size and contender."""
    table = Table(title=text(N_("One picture with a LoRA, seconds from prompt to pixels"), locale))
    table.add_column(text(N_("size, px"), locale))
    for name in CONTENDERS.values():
        table.add_column(text(name, locale), justify="right")
    for row in ("E1", "E2", "E3"):
        own = {line["who"]: line for line in document["lines"] if line["row"] == row}
        if own.keys() & CONTENDERS.keys():
            # A failed line has no size.
            size = next(filter(None, (line["work"] for line in own.values())), "")
            add_row(table, (size, *(_number(own.get(who, {}).get("value")) for who in CONTENDERS)))
    return table


def _figure_table(document: Mapping[str, Any], locale: str) -> Table:
    """The figures to reach, as far as they were measured."""
    table = Table(title=text(N_("Targets, for a data-centre card"), locale))
    for title in (N_("what"), N_("figure"), N_("to reach"), N_("measured"), ""):
        table.add_column(text(title, locale), overflow="fold")
    for each in document["figures"]:
        if each["measured"] is not None:
            row, what, mark = each["row"], each["what"], MARKS[each["is_met"]]
            about = f"{row} {text(ROWS[row], locale)}"
            add_row(table, (about, text(what, locale), each["reach"], _number(each["measured"]), mark))
    return table


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"
