"""What a start of this version would do to a data folder: ``sugarbot upgrade --check``.

The checks read the database without changing it, try its migrations on a copy in the system's folder for
temporary files, and contact no platform and no network. They block.
"""

import importlib.metadata
import re
import shutil
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

from bot.checks.finding import Finding, Level
from bot.desk.files import free_and_needed_bytes
from bot.errors import OperatorError
from bot.settings import Settings
from bot.store.files.backup import has_database, require_intact
from bot.store.files.lock import is_locked
from bot.store.files.migrate import count_migrations, read_migrations, require_ours
from bot.store.files.restore import rehearse
from engine.checkpoint.copies import CopyState, copy_folder, copy_state
from engine.checkpoint.model import find_model, find_source
from engine.config import BUILT_IN
from engine.errors import ModelError
from engine.formatting import MIB
from engine.planner.machine import CardProbe

SIZES_FOR_MIGRATION = 3  # of the database: the copy, a table that is rebuilt, and its journal
CUDA_PACKAGES = ("nvidia-cuda-runtime", "nvidia-cuda-runtime-cu12")
FIRST_DRIVERS = {"12": 525, "13": 580}
"""CUDA's major version → the first branch of NVIDIA's driver that runs every minor version of it."""

_PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)
_LEAST_PYTHON = re.compile(r">=\s*(\d+)\.(\d+)")


def check_packages(root: Path) -> Iterator[Finding]:
    """Check Python and the installed packages against what a clone of this version needs.

    An installation without a clone has no such files: there the installer has checked it.

    Args:
        root: The folder that contains ``bot``.
    """
    project, lock = root / "pyproject.toml", root / "requirements-run.lock"
    python = ".".join(map(str, sys.version_info[:3]))
    if not (project.is_file() and lock.is_file()):
        yield Finding(Level.FINE, "packages", "python", {"version": python})
        return
    needs = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
    least = _LEAST_PYTHON.search(needs["requires-python"])
    if least and sys.version_info[:2] < (int(least[1]), int(least[2])):
        facts = {"version": python, "needed": f"{least[1]}.{least[2]}"}
        yield Finding(Level.WRONG, "packages", "python_old", facts)
    missing, differ = _compare_packages(needs["dependencies"], lock.read_text(encoding="utf-8"))
    if missing:
        yield Finding(Level.WRONG, "packages", "packages_missing", {"parts": tuple(missing)})
    if differ:
        yield Finding(Level.NOTE, "packages", "packages_differ", {"parts": tuple(differ)})
    if not missing and not differ:
        yield Finding(Level.FINE, "packages", "packages_fit", {"version": python})


def _compare_packages(dependencies: Iterable[str], lock: str) -> tuple[list[str], list[str]]:
    """Return the packages that are missing, and those of another version than the lock file has."""
    pinned: dict[str, list[str]] = {}
    for name, version in _PINNED.findall(lock):
        pinned.setdefault(_normalized(name), []).append(version)  # several: one for each Python
    installed = {name: _installed_version(name) for name in pinned}
    direct = {_normalized(re.split(r"[^\w.-]", line)[0]) for line in dependencies}
    missing = sorted(name for name in direct if not installed.get(name))
    differ = [
        f"{name} {' / '.join(versions)}"
        for name, versions in sorted(pinned.items())
        if installed[name] and installed[name] not in versions
    ]
    return missing, differ


def check_driver(card: CardProbe, cuda: str | None = None) -> Iterator[Finding]:
    """Check that the card's driver runs the CUDA of the installed packages; nothing without a card.

    Args:
        card: The card of the settings.
        cuda: The version of CUDA; None for that of the installed packages.
    """
    if cuda is None:
        cuda = next(filter(None, map(_installed_version, CUDA_PACKAGES)), "")
    driver = card.read_driver()
    needed = FIRST_DRIVERS.get(cuda.partition(".")[0])
    if not driver or needed is None:
        return
    facts = {"driver": driver, "cuda": cuda, "needed": needed}
    if int(driver.partition(".")[0]) < needed:
        yield Finding(Level.WRONG, "card", "driver_old", facts)
    else:
        yield Finding(Level.FINE, "card", "driver", facts)


def check_migrations(database: Path, migrations_dir: Path, reserve_bytes: int) -> Iterator[Finding]:
    """Say which migrations a start would run, try them on a copy, and check the space that they need."""
    migrations = read_migrations(migrations_dir)
    try:
        if not has_database(database):
            yield Finding(Level.FINE, "database", "database_new")
            return
        require_ours(database, len(migrations))
        require_intact(database)  # the number of migrations of a damaged one would be wrong
    except OperatorError as error:
        yield Finding(Level.WRONG, "database", "database_unusable", {"error": error})
        return
    if is_locked(database):
        yield Finding(Level.NOTE, "database", "bot_runs")
    found = count_migrations(database)
    facts = {"found": found, "known": len(migrations)}
    pending = migrations[found:]
    if pending:
        yield Finding(Level.NOTE, "database", "database_behind", facts)
    else:
        yield Finding(Level.FINE, "database", "database_current", facts)
    for migration in pending:
        named = {"name": migration.name, "what": migration.read_reason()}
        yield Finding(Level.NOTE, "database", "migration", named)
    yield from _check_space(database, reserve_bytes, needs_copy=bool(pending))
    yield from _rehearse(database, migrations_dir)


def check_model_copy(settings: Settings) -> Iterator[Finding]:
    """Check that the model is complete, and that its converted copy belongs to it."""
    config = settings.to_engine_config()
    try:
        model = find_model(config, download=False)
        if config.model == BUILT_IN:
            yield Finding(Level.FINE, "model", "model_named", {"name": model.name})
            return
        source = find_source(config)
        folder = copy_folder(config.data_dir, source.folder, source.name)
        state = copy_state(folder, source.folder)
    except ModelError as error:
        yield Finding(Level.WRONG, "model", "model_unusable", {"error": error})
        return
    if state is CopyState.STALE:
        yield Finding(Level.NOTE, "model", "copy_stale", {"path": str(folder)})
    else:
        yield Finding(Level.FINE, "model", "model_named", {"name": model.name})


def _check_space(database: Path, reserve_bytes: int, *, needs_copy: bool) -> Iterator[Finding]:
    """Check that the copy before the migration, or the next backup, fits beside the reserve."""
    try:
        free_bytes, reserved_bytes = free_and_needed_bytes(database.parent, reserve_bytes)
        size_bytes = database.stat().st_size * (SIZES_FOR_MIGRATION if needs_copy else 1)
    except OSError as error:
        why = {"path": str(database.parent), "detail": error.strerror or str(error)}
        yield Finding(Level.WRONG, "data", "data_unusable", why)
        return
    needed_bytes = reserved_bytes + size_bytes
    facts: dict[str, object] = {
        "path": str(database.parent),
        "free": free_bytes // MIB,
        "needed": -(-needed_bytes // MIB),
    }
    is_short = free_bytes < needed_bytes
    yield (
        Finding(Level.WRONG, "data", "space_short", facts)
        if is_short
        else Finding(Level.FINE, "data", "space", facts)
    )


def _rehearse(database: Path, migrations_dir: Path) -> Iterator[Finding]:
    if shutil.disk_usage(tempfile.gettempdir()).free < SIZES_FOR_MIGRATION * database.stat().st_size:
        yield Finding(Level.NOTE, "database", "not_rehearsed", {"path": tempfile.gettempdir()})
        return
    began_s = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="sugarbot-") as folder:
            survey = rehearse(database, Path(folder) / "copy.db", migrations_dir)
    except OperatorError as error:
        yield Finding(Level.WRONG, "database", "database_unusable", {"error": error})
        return
    for problem in survey.problems():
        yield Finding(Level.WRONG, "database", problem.code, problem.facts)
    if survey.is_sound:
        seconds = f"{time.monotonic() - began_s:.1f}"
        yield Finding(Level.FINE, "database", "rehearsed", {"seconds": seconds})


def _normalized(name: str) -> str:
    """Return the one form of a package's name."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _installed_version(name: str) -> str:
    """Return the installed version without its local part; empty if the package is not installed."""
    try:
        return importlib.metadata.version(name).partition("+")[0]
    except importlib.metadata.PackageNotFoundError:
        return ""
