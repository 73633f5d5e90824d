"""Checks of what the bot keeps on the disk: backups, what waits for a restart, kernels. Blocking."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

from bot.checks.finding import Finding, Level
from bot.desk.backups import read_failure
from bot.desk.hosting.reloading import read_record
from bot.store.files import backup

DAY_S = 86_400.0
OLD_BACKUP_S = 2 * DAY_S  # the bot makes one a day while it runs


def check_backups(database: Path, folder: Path, now_s: float | None = None) -> Iterator[Finding]:
    """Check that the database has a recent backup; a database younger than that needs none."""
    now_s = time.time() if now_s is None else now_s
    if not database.exists():
        return
    if failure := read_failure(database):
        facts = {"hours": round((now_s - failure.at_s) / 3_600), "detail": failure.detail}
        folders = {"path": str(folder), "database": str(database)}
        yield Finding(Level.WRONG, "backups", "backup_failed", {**facts, **folders})
    newest_s = backup.newest_s(folder, now_s)
    age_s = now_s - (newest_s or database.stat().st_ctime)
    if age_s <= OLD_BACKUP_S:
        if newest_s:
            hours = round((now_s - newest_s) / 3_600)
            yield Finding(Level.FINE, "backups", "backup", {"hours": hours, "path": str(folder)})
        return
    days = round(age_s / DAY_S)
    code = "backup_old" if newest_s else "backup_missing"
    yield Finding(Level.NOTE, "backups", code, {"days": days, "path": str(folder), "database": str(database)})


def check_restart(record: Path) -> Iterator[Finding]:
    """Check that no changed setting waits for a restart of the running bot."""
    if names := read_record(record):
        yield Finding(Level.NOTE, "settings", "restart_needed", {"settings": names})


def check_kernels(folder: Path) -> Iterator[Finding]:
    """Check that the worker can keep the kernels that it builds for a card."""
    is_usable = folder.is_dir() and os.access(folder, os.R_OK | os.W_OK | os.X_OK)
    if folder.exists() and not is_usable:
        yield Finding(Level.WRONG, "card", "kernels_unwritable", {"path": str(folder)})
