"""``sugarbot doctor`` prints the state of the set-up, its faults and what to do about them.

It downloads nothing and contacts no platform; the report names what it did not check.
"""

import asyncio
import os
import shutil
import socket
import sysconfig
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from rich.table import Table

from bot.app import DATABASE, MIGRATIONS
from bot.checks import checks
from bot.checks.checks import Finding, Level
from bot.cli.db import describe_problems
from bot.cli.screen import Screen, add_row
from bot.cli.setup import benefits_from_conversion
from bot.errors import DatabaseInUse, OperatorError, PortTaken
from bot.messages import N_, text
from bot.messages.checks import format_finding, part_title
from bot.messages.plans import format_no_plan, format_plan
from bot.settings import Settings
from bot.store import open_store
from engine.checkpoint.model import ModelInfo, built_in_lora_folder, find_model
from engine.errors import ModelError
from engine.planner.headroom import HeadroomProbe
from engine.planner.machine import WorkerPlanner
from engine.planner.placement.values import Placed
from engine.shelf import read_shelf


async def report(settings: Settings) -> int:
    """Print all findings; return 1 if one of them is a fault, otherwise 0."""
    locale = settings.language
    findings = [
        *await asyncio.to_thread(checks.check_settings, settings, os.environ),
        *await asyncio.to_thread(lambda: list(checks.check_modes(settings.data_dir))),
        *await _check_database(settings),
        *await asyncio.to_thread(lambda: list(_check_engine(settings))),
        *_check_page(settings),
    ]
    table = Table(show_header=False, box=None, pad_edge=False)
    for part in dict.fromkeys(finding.part for finding in findings):
        for finding in (each for each in findings if each.part == part):
            sentence = format_finding(finding.code, finding.facts, locale)
            add_row(table, (finding.level, part_title(part, locale), sentence))
    out = Screen()
    out.print(table)
    out.print_line(
        text(
            N_(
                "Not checked: whether the platforms accept the tokens, the bot's permissions in each "
                "channel, and whether the card can draw. Test the card with `sugarbot say`."
            ),
            locale,
        )
    )
    return int(any(finding.level is Level.WRONG for finding in findings))


async def _check_database(settings: Settings) -> list[Finding]:
    path = settings.data_dir / DATABASE
    if not path.exists():
        return [Finding(Level.NOTE, "database", "database_new")]
    try:
        store = await open_store(path, MIGRATIONS)
    except DatabaseInUse:
        return [Finding(Level.FINE, "database", "database_in_use")]
    except OperatorError as error:
        return [Finding(Level.WRONG, "database", "database_unusable", {"error": error})]
    try:
        survey = await store.survey()
    finally:
        await store.close()
    problems = describe_problems(survey, settings.language)
    wrong = [Finding(Level.WRONG, "database", "database_wrong", {"problem": each}) for each in problems]
    return wrong or [Finding(Level.FINE, "database", "database_sound", {"schema": survey.schema})]


def _check_engine(settings: Settings) -> Iterator[Finding]:
    config = settings.to_engine_config()
    headroom = HeadroomProbe(config.device, config.reserve_bytes).read()
    yield from checks.check_device(settings, headroom)
    yield from checks.check_libraries(headroom)
    if headroom.is_card and find_spec("triton"):
        yield from _check_triton_build()
    try:
        model = find_model(config, download=False)
    except ModelError as error:
        yield Finding(Level.WRONG, "model", "model_unusable", {"error": error})
        return
    if headroom.is_card:
        yield from _check_plan(WorkerPlanner(model, config), settings.language)
    size = f"{model.native_width_px} × {model.native_height_px}"
    yield Finding(Level.FINE, "model", "model", {"name": model.name, "size": size})
    if model.origin is not None:
        yield Finding(Level.FINE, "model", "converted", {"path": str(model.folder)})
    elif benefits_from_conversion(config, model):
        yield Finding(Level.NOTE, "model", "not_converted")
    yield from checks.check_shelf(settings, read_shelf(_lora_folders(settings, model), model))


def _check_plan(planner: WorkerPlanner, locale: str) -> Iterator[Finding]:
    """Show where the model would live now; a bot that runs already holds its own part of the card."""
    answer = planner.choose()
    if isinstance(answer, Placed):
        yield Finding(Level.FINE, "card", "plan", {"about": format_plan(answer.reason, locale)})
    elif answer is not None:
        yield Finding(Level.NOTE, "card", "plan", {"about": format_no_plan(answer, locale)})


def _check_triton_build() -> Iterator[Finding]:
    """Check for the compiler and headers with which Triton builds the card's kernels, where Triton looks."""
    chosen = os.environ.get("CC")
    if not any(map(shutil.which, ("gcc", "clang") if chosen is None else (chosen,))):
        yield Finding(Level.NOTE, "card", "no_compiler")
    if not Path(sysconfig.get_paths(scheme="posix_prefix")["include"], "Python.h").is_file():
        yield Finding(Level.NOTE, "card", "no_headers")


def _check_page(settings: Settings) -> Iterator[Finding]:
    if not settings.web.enabled:
        return
    host, port = settings.web.host, settings.web.port
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            yield Finding(Level.WRONG, "page", "port_taken", {"error": PortTaken(host=host, port=port)})
        else:
            address = f"[{host}]" if ":" in host else host
            yield Finding(Level.FINE, "page", "page_open", {"url": f"http://{address}:{port}/"})


def _lora_folders(settings: Settings, model: ModelInfo) -> list[Path]:
    return [built_in_lora_folder(model), settings.to_engine_config().lora_dir]
