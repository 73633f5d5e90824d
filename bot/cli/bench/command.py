"""`sugarbot bench`: this machine against stock diffusers, the strongest known recipe and its own limit.

``python -m engine.bench`` measures in a process of its own, for this side never loads torch. Each result is
printed here in the host's language as it comes, and what they amount to at the end. ``bot.cli.bench.article``
is the other half of the command.
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
from bot.errors import BadSize, SizeNotAllowed
from bot.messages import N_, text
from bot.messages.catalogue import joined
from bot.settings import Settings
from engine.checkpoint.fetch import fetch_model
from engine.config import BUILT_IN, EngineConfig
from engine.errors import EngineError

LONGEST_S = 3600.0  # a whole run; the longest seen took eight minutes
LONGEST_LINE_BYTES = 2**20
END_S = 10.0  # for the process to end after SIGTERM
RESULTS = "results.json"
SIZES = 3  # of E1, E2 and E3
ROWS = {
    "E1": N_("one picture of the usual size"),
    "E2": N_("one large picture"),
    "E3": N_("one small picture"),
    "E4": N_("one picture in fp8, which a host may choose"),
    "E5": N_("another LoRA than the picture before"),
    "E6": N_("another LoRA for every picture"),
    "E7": N_("the card at work while jobs wait"),
    "E8": N_("from the start to the first picture"),
    "E9": N_("the same picture as stock diffusers"),
}
FIGURES = (
    N_("ours ÷ floor"), N_("stock ÷ ours"), N_("recipe ÷ ours"), N_("PNG beside it"), N_("ours, fp8, as E1"),
    N_("ours, fp8, as E2"), N_("ours, on the card"), N_("ours, in main memory"), N_("ours, on disk"),
    N_("base tensors changed"), N_("different LoRAs ÷ one"), N_("card busy"), N_("first picture"),
    N_("error, single"), N_("error, batch of two sizes"), N_("error, batch of two LoRAs"),
    N_("error, stack of three LoRAs"),
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
    """Measure and tell; returns the measuring process's exit code.

    Args:
        settings: Say which model and device.
        is_random: Measure random weights of Z-Image-Turbo's real size instead of the host's model.
        sizes: Of E1, E2 and E3, as ``512x768,1024x1024,512x512``; empty for the usual ones.
        options: More for ``engine.bench``, as ``--only E1``.
        into: Where the results go; left out, ``bench`` in the data folder.

    Raises:
        PersonError: The model draws no such size.
        ModelError: The model is not there.
        EngineError: The measurement did not end within an hour.
        OSError: The folder cannot be written; nothing was measured.
    """
    config = settings.to_engine_config()
    folder = into or settings.data_dir / "bench"
    await asyncio.to_thread(require_writable, folder)
    weights = ["--random"] if is_random else await _weights(config, sizes)
    given = ["--sizes", sizes] if sizes else []
    words = [*weights, "--device", config.device, "--json-lines", "--into", str(folder), *given, *options]
    out = Screen()
    out.say(text(N_("Measuring. With a card, the first lines take a minute."), settings.language))
    before = await asyncio.to_thread(_read, folder)
    code = await _run(words, lambda line: out.say(_progress(line, settings.language)))
    written = await asyncio.to_thread(_read, folder)
    if written and written != before:  # else it ended before it measured, and an older run's may lie there
        _tell(json.loads(written), settings.language, out)
        out.say(text(N_("All of it is in {path}."), settings.language, path=str(folder)))
    if code:
        out.say(text(N_("Not everything was measured: exit code {code}."), settings.language, code=code))
    return code


def _read(folder: Path) -> str:
    """The results as they lie there; empty where none do."""
    try:
        return (folder / RESULTS).read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def _tell(document: Mapping[str, Any], locale: str, out: Screen) -> None:
    """Print what was measured, then what failed."""
    for table in (_speeds(document, locale), _figures(document, locale)):
        if table.rows:
            out.print(table)
    for line in document["lines"]:
        if line["has_failed"]:
            who = line["who"]
            out.say(
                text(
                    N_("{row} {who} failed: {why}"),
                    locale,
                    row=line["row"],
                    who=text(CONTENDERS.get(who, who), locale),
                    why=line["note"],
                )
            )


async def _weights(config: EngineConfig, sizes: str) -> list[str]:
    """The host's model, once it is known to draw these sizes."""
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
    """What the measuring process has just measured; a line that is none of its results stays as it is."""
    try:
        result = json.loads(line)
        row, value = ROWS[result["row"]], result["value"]
        who = CONTENDERS.get(result["who"], "")
        measured = (
            text(N_("not measured"), locale) if value is None else f"{_number(value)} {_unit(result, locale)}"
        )
        about = joined(
            [f"{result['row']} {text(row, locale)}", text(who, locale) if who else "", result["work"]]
        )
        return f"{result['seconds']:5.0f} s  {about}: {measured}"
    except (ValueError, TypeError, KeyError, AttributeError):
        return line


def _unit(result: Mapping[str, Any], locale: str) -> str:
    unit = str(result["unit"])
    return text(UNITS[unit], locale) if unit in UNITS else unit


async def _run(words: Sequence[str], hear: Callable[[str], object]) -> int:
    """The exit code of the measuring process, which never outlives this call.

    Args:
        words: Its command line.
        hear: Called with each line that it prints.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "engine.bench", *words,
        env={name: value for name, value in os.environ.items() if "TOKEN" not in name},
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, limit=LONGEST_LINE_BYTES,
    )  # fmt: skip
    assert process.stdout is not None  # noqa: S101 - PIPE was asked for
    try:
        async with asyncio.timeout(LONGEST_S):
            async for line in process.stdout:
                hear(line.decode(errors="replace").rstrip("\n"))
            return await process.wait()
    except TimeoutError:
        raise EngineError(f"The measurement took more than {LONGEST_S:.0f} s and was ended.") from None
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


def _speeds(document: Mapping[str, Any], locale: str) -> Table:
    """Seconds of one picture with a LoRA, by size and contender."""
    table = Table(title=text(N_("One picture with a LoRA, seconds from prompt to pixels"), locale))
    table.add_column(text(N_("size, px"), locale))
    for name in CONTENDERS.values():
        table.add_column(text(name, locale), justify="right")
    for row in ("E1", "E2", "E3"):
        own = {line["who"]: line for line in document["lines"] if line["row"] == row}
        if own.keys() & CONTENDERS.keys():
            # A line that failed names no size.
            size = next(filter(None, (line["work"] for line in own.values())), "")
            add_row(table, (size, *(_number(own.get(who, {}).get("value")) for who in CONTENDERS)))
    return table


def _figures(document: Mapping[str, Any], locale: str) -> Table:
    """What was to be reached, as far as it was measured."""
    table = Table(title=text(N_("Figures to reach, set for a data-centre card"), locale))
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
