"""What ``doctor --fix`` repairs: only what a finding names, and again without harm. Blocking."""

import time
from collections.abc import Callable
from pathlib import Path

from bot.checks.finding import Finding
from bot.desk import maintenance
from bot.desk.backups import forget_failure
from bot.store.files import backup
from engine.durable import make_folder

ONLY_OWNER = 0o600


def _make_private(finding: Finding) -> None:
    maintenance.make_private(Path(str(finding.facts["path"])))


def _hide_file(finding: Finding) -> None:
    Path(str(finding.facts["path"])).chmod(ONLY_OWNER)


def _make_folder(finding: Finding) -> None:
    make_folder(Path(str(finding.facts["path"])))


def _back_up(finding: Finding) -> None:
    folder = Path(str(finding.facts["path"]))
    database = Path(str(finding.facts["database"]))
    backup.back_up(database, folder, time.time())
    forget_failure(database)


REPAIRS: dict[str, Callable[[Finding], None]] = {
    "data_readable": _make_private,
    "token_readable": _hide_file,
    "readable_by_others": _hide_file,
    "code_readable": _hide_file,
    "lora_dir_missing": _make_folder,
    "backup_failed": _back_up,
    "backup_old": _back_up,
    "backup_missing": _back_up,
}
"""By the code of a finding. After a repair, ``doctor`` checks again."""
