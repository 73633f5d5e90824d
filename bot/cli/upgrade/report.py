"""``sugarbot upgrade`` explains the steps; ``--check`` says what a start of this version would do.

It installs nothing, changes nothing in the data folder, and uses no network.
"""

import asyncio
import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import bot
from bot.app import DATABASE, MIGRATIONS
from bot.checks.checks import check_page, check_shelf, check_start, prevents_start
from bot.checks.finding import Finding, Level
from bot.checks.storage import check_backups
from bot.checks.upgrade import check_driver, check_migrations, check_model_copy, check_packages
from bot.cli.screen import Screen, finding_as_json, table_of_findings
from bot.errors import BadSettings, Problem
from bot.messages import text
from bot.messages.storage.upgrade import STEPS, verdict
from bot.settings import Settings
from bot.store.files.backup import BACKUPS
from bot.store.files.lock import is_locked
from engine.checkpoint.model import find_model, lora_folders
from engine.errors import ModelError
from engine.planner.machine import CardProbe
from engine.shelf import read_shelf

ROOT = Path(bot.__file__).parents[1]


async def explain(settings: Settings) -> int:
    """Print the steps of an upgrade; return 0."""
    Screen().print_line(text(STEPS, settings.language))
    return 0


async def check(settings: Settings, *, as_json: bool) -> int:
    """Print what a start of this version would do; return 1 if the host must act first, otherwise 0."""
    findings = await asyncio.to_thread(lambda: list(_check(settings)))
    return _print(findings, settings.language, as_json=as_json)


def report_bad_settings(error: BadSettings, locale: str, *, as_json: bool) -> None:
    """Print the faults of settings that cannot be read: this version does not start with them."""
    problems = cast("tuple[Problem, ...]", error.facts["problems"])
    findings = [Finding(Level.WRONG, "settings", problem.code, problem.facts) for problem in problems]
    _print(findings, locale, as_json=as_json)


def _check(settings: Settings) -> Iterator[Finding]:
    folder = settings.data_dir
    yield Finding(Level.FINE, "settings", "settings_read")
    yield from filter(prevents_start, check_start(settings, os.environ, folder / DATABASE))
    yield from check_packages(ROOT)
    config = settings.to_engine_config()
    yield from check_driver(CardProbe(config.device, config.reserve_bytes))
    yield from check_migrations(folder / DATABASE, MIGRATIONS, settings.storage.reserve_bytes)
    yield from check_backups(folder / DATABASE, folder / BACKUPS)
    yield from check_model_copy(settings)
    yield from filter(prevents_start, _check_shelf(settings))
    if not is_locked(folder / DATABASE):  # a running bot uses the port, which it frees before this one starts
        yield from check_page(settings)


def _check_shelf(settings: Settings) -> Iterator[Finding]:
    """Check the default LoRA and the files; nothing without a model, which ``check_model_copy`` reports."""
    with contextlib.suppress(ModelError):
        model = find_model(config := settings.to_engine_config(), download=False)
        yield from check_shelf(settings, read_shelf(lora_folders(config, model), model))


def _print(findings: Sequence[Finding], locale: str, *, as_json: bool) -> int:
    is_ready = all(finding.level is not Level.WRONG for finding in findings)
    out = Screen()
    if as_json:
        content = {
            "is_ready": is_ready,
            "findings": [finding_as_json(finding, locale) for finding in findings],
        }
        out.print_line(json.dumps(content, ensure_ascii=False, indent=2))
        return int(not is_ready)
    out.print(table_of_findings(findings, locale))
    out.print_line(verdict(is_ready, locale))
    return int(not is_ready)
