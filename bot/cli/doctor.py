"""``sugarbot doctor`` prints the state of the set-up, its faults and what to do about them.

It reads from the platforms what they say about the bot, and downloads nothing. ``--fix`` repairs what
``bot.checks.repairs`` lists; ``--deep`` draws a picture; ``--issue`` prints a report without secrets.
"""

import asyncio
import importlib.metadata
import json
import os
import platform
import shutil
import sysconfig
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import cast

from bot.app import DATABASE, MIGRATIONS
from bot.checks import checks
from bot.checks.canary import draw_canary
from bot.checks.finding import Finding, Level
from bot.checks.platforms import check_discord, check_telegram
from bot.checks.repairs import REPAIRS
from bot.checks.storage import check_backups, check_kernels, check_restart
from bot.cli.db import describe_problems
from bot.cli.screen import LEVEL_NAMES, Screen, finding_as_json, table_of_findings
from bot.cli.setup.claim import claim_instruction, has_chat
from bot.cli.setup.model import benefits_from_conversion
from bot.desk.hosting.reloading import RECORD
from bot.errors import BadSettings, DatabaseInUse, DatabaseLost, OperatorError, Problem
from bot.messages import N_, text
from bot.messages.checks import format_finding
from bot.messages.plans import format_no_plan, format_plan
from bot.settings import Settings, load_settings
from bot.store import open_store
from bot.store.files.backup import BACKUPS, has_database, naming_backup
from bot.store.files.migrate import count_migrations, read_migrations
from bot.store.files.reading import stored_names
from bot.store.hosting.permissions import PermissionKind
from engine.checkpoint.model import find_model, lora_folders
from engine.errors import ModelError
from engine.planner.headroom import HeadroomProbe
from engine.planner.machine import WorkerPlanner
from engine.planner.placement.values import Placed
from engine.shelf import read_shelf

NO_LORA_FOLDER = {"data_unusable", "lora_dir_missing", "lora_dir_unusable"}  # each says it already
PACKAGES = ("torch", "diffusers", "peft", "discord.py", "python-telegram-bot")


@dataclass(frozen=True, slots=True)
class DoctorOptions:
    """What ``doctor`` does besides printing its findings.

    Attributes:
        as_json: Print one JSON object.
        for_issue: Print a report in English, without names, ids and folders, for a public issue.
        must_fix: Repair what can be repaired, then check again.
        is_deep: Draw a picture, too; this takes the card for some seconds.
        is_offline: Ask no platform.
    """

    as_json: bool = False
    for_issue: bool = False
    must_fix: bool = False
    is_deep: bool = False
    is_offline: bool = False


async def report(settings: Settings, options: DoctorOptions) -> int:
    """Print all findings; return 1 if one of them is a fault, otherwise 0."""
    findings = [finding async for finding in _check(settings, options)]
    repaired: list[Finding] = []
    if options.must_fix:
        repaired = await asyncio.to_thread(_repair, findings)
        if repaired:
            findings = [finding async for finding in _check(settings, options)]
    _print(findings, repaired, settings.language, options, settings)
    codes = {finding.code for finding in findings}
    needs_host = "no_hosts" in codes and "data_foreign" not in codes  # where no code may be put
    if needs_host and has_chat(settings) and not (options.as_json or options.for_issue):
        Screen().print_line(await asyncio.to_thread(claim_instruction, settings, is_new=False))
    return int(any(finding.level is Level.WRONG for finding in findings))


def report_bad_settings(error: BadSettings, locale: str, options: DoctorOptions) -> None:
    """Print the faults of settings that cannot be read; nothing else can be checked."""
    _print(_findings_of(error), [], locale, options)


def repair_settings(config: Path | None) -> None:
    """Repair what can be repaired of settings that cannot be read. Blocking."""
    try:
        load_settings(config)
    except BadSettings as error:
        _repair(_findings_of(error))


def _findings_of(error: BadSettings) -> list[Finding]:
    problems = cast("tuple[Problem, ...]", error.facts["problems"])
    return [Finding(Level.WRONG, "settings", problem.code, problem.facts) for problem in problems]


async def _check(settings: Settings, options: DoctorOptions) -> AsyncIterator[Finding]:
    codes = set()
    for found in await asyncio.to_thread(_check_settings, settings):
        codes.add(found.code)
        yield found
    for found in await asyncio.to_thread(lambda: list(_check_files(settings))):
        yield found
    database = await _check_database(settings)
    for found in database:
        yield found
    is_running = any(found.code == "database_in_use" for found in database)
    if is_running:
        for found in await asyncio.to_thread(lambda: list(check_restart(settings.data_dir / RECORD))):
            yield found
    if settings.discord.token.get_secret_value() and not options.is_offline:
        async for found in check_discord(settings):
            yield found
    if settings.telegram.token.get_secret_value() and not options.is_offline:
        async for found in check_telegram(settings, is_running=is_running):
            yield found
    for found in await asyncio.to_thread(lambda: list(_check_engine(settings))):
        if not (found.code == "lora_refused" and found.facts["name"] == "." and codes & NO_LORA_FOLDER):
            yield found
    if options.is_deep:
        yield await _check_picture(settings)
    if not is_running:
        for found in checks.check_page(settings):
            yield found


def _check_settings(settings: Settings) -> list[Finding]:
    database = settings.data_dir / DATABASE
    hosts = stored_names(database, PermissionKind.HOST)
    allowed = stored_names(database, PermissionKind.ALLOW)
    return checks.check_settings(settings, os.environ, hosts=hosts, allowed=allowed)


def _check_files(settings: Settings) -> Iterator[Finding]:
    folder = settings.data_dir
    yield from checks.check_modes(folder)
    yield from check_backups(folder / DATABASE, folder / BACKUPS)
    yield from check_kernels(settings.to_engine_config().kernels_dir)


async def _check_picture(settings: Settings) -> Finding:
    config = settings.to_engine_config()
    try:
        model = await asyncio.to_thread(find_model, config, download=False)
    except ModelError as error:
        return Finding(Level.WRONG, "picture", "canary_failed", {"error": error})
    return await draw_canary(config, model)


def _repair(findings: Sequence[Finding]) -> list[Finding]:
    """Repair what can be repaired; return the findings that were. What fails is found again."""
    repaired = []
    for finding in findings:
        repair = REPAIRS.get(finding.code)
        if repair is not None:
            try:
                repair(finding)
            except (OSError, OperatorError):
                continue
            repaired.append(finding)
    return repaired


def _print(
    findings: Sequence[Finding],
    repaired: Sequence[Finding],
    locale: str,
    options: DoctorOptions,
    settings: Settings | None = None,
) -> None:
    out = Screen()
    if options.as_json:
        content = {
            "is_sound": all(finding.level is not Level.WRONG for finding in findings),
            "findings": [_as_json(finding, locale) for finding in findings],
            "repaired": [_as_json(finding, locale) for finding in repaired],
        }
        out.print_line(json.dumps(content, ensure_ascii=False, indent=2))
        return
    if options.for_issue:
        out.print_line("\n".join(_for_issue(findings, settings)))
        return
    for finding in repaired:
        sentence = format_finding(finding.code, finding.facts, locale)
        out.print_line(text(N_("Repaired: {what}"), locale, what=sentence))
    parts = list(dict.fromkeys(finding.part for finding in findings))
    out.print(table_of_findings(sorted(findings, key=lambda finding: parts.index(finding.part)), locale))
    if any(finding.code in REPAIRS for finding in findings):
        out.print_line(text(N_("`sugarbot doctor --fix` repairs a part of this."), locale))
    if settings is not None and not options.is_deep:
        out.print_line(text(N_("`sugarbot doctor --deep` draws a picture, too."), locale))


def _as_json(finding: Finding, locale: str) -> dict[str, object]:
    return finding_as_json(finding, locale) | {"can_fix": finding.code in REPAIRS}


def _for_issue(findings: Sequence[Finding], settings: Settings | None) -> Iterator[str]:
    """Lines for a public issue: versions, settings that name nobody, and the codes of the findings."""
    versions = [f"{name} {importlib.metadata.version(name)}" for name in PACKAGES if _is_installed(name)]
    yield f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    yield ", ".join(versions)
    if settings is not None:
        engine = settings.engine
        where = "a folder or Hub name" if engine.model != "built-in" else engine.model
        yield f"model {where}, device {engine.device}, precision {engine.precision}"
        yield f"hosts {len(settings.hosts)}, allowed chats {len(settings.allow)}, {settings.language}"
    for finding in findings:
        error = finding.facts.get("error")
        about = f" {type(error).__name__}" if isinstance(error, Exception) else ""
        yield f"{LEVEL_NAMES[finding.level]} {finding.part} {finding.code}{about}"


def _is_installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


async def _check_database(settings: Settings) -> list[Finding]:
    path = settings.data_dir / DATABASE
    try:
        if not await asyncio.to_thread(has_database, path):
            return [Finding(Level.NOTE, "database", "database_new")]
    except DatabaseLost as error:
        return [Finding(Level.WRONG, "database", "database_unusable", {"error": error})]
    found, known = await asyncio.to_thread(_migrations_of, path)
    if 0 < found < known:  # opening it would migrate it
        return [Finding(Level.NOTE, "database", "database_old", {"found": found, "known": known})]
    try:
        store = await open_store(path, MIGRATIONS)
    except DatabaseInUse:
        return [Finding(Level.FINE, "database", "database_in_use")]
    except OperatorError as error:
        return [Finding(Level.WRONG, "database", "database_unusable", {"error": error})]
    try:
        with naming_backup():
            survey = await store.survey()
    except OperatorError as error:
        return [Finding(Level.WRONG, "database", "database_unusable", {"error": error})]
    finally:
        await store.close()
    problems = describe_problems(survey, settings.language)
    wrong = [Finding(Level.WRONG, "database", "database_wrong", {"problem": each}) for each in problems]
    return wrong or [Finding(Level.FINE, "database", "database_sound", {"schema": survey.schema})]


def _migrations_of(path: Path) -> tuple[int, int]:
    """Return how many migrations the database has had, and how many this version knows. Blocking."""
    return count_migrations(path), len(read_migrations(MIGRATIONS))


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
    yield from checks.check_shelf(settings, read_shelf(lora_folders(config, model), model))


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
