"""Periodic background work: save the cost book, and delete what is no longer needed.

A failure never ends the bot: it is logged, and the work is tried again.
"""

import asyncio
import os
import re
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import structlog

from bot.commands.table.hosting import MAX_STATISTICS_DAYS
from bot.desk.files import picture_folders
from bot.desk.retention.expiry import PictureExpiry
from bot.errors import DataFolderForeign
from bot.store import Store
from bot.store.files import backup
from engine.config import LORA_VERSIONS, PROMPTS
from engine.durable import remove_drafts, restrict_to_owner
from engine.planner.costs.book import CostBook
from engine.planner.costs.file import write_costs
from engine.shelf.versions import VERSION_NAMES

log = structlog.get_logger("bot.desk.maintenance")

SAVE_COSTS_EVERY_S = 300.0  # what a crash loses is learned again within a few pictures
TIDY_EVERY_S = 86_400.0
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
REPEATS_MS = 14 * DAY_MS  # platforms repeat an unconfirmed event for a day
READ_SETTINGS_MS = 30 * DAY_MS  # a code from `/info` that nobody drew; the file gives it again
OLD_DRAFT_S = 60.0  # a younger draft in the backups may belong to a running `db backup`

_DATA_NAMES = re.compile(r"sugarbot\.db.*|cost\.json|claim\.json|discord-[\w.-]+")
_DRAFTS_OF = re.compile(
    r"sugarbot\.db(\.v\d{4}\.backup|\.\d{8}-\d{6}\.aside)?"
    r"|(cost|claim|restart-needed|backup-failed)\.json|discord-[\w.-]+"
)
KEPT_COPIES = 2  # of each kind: from before a migration, and from before a restore
_COPIES = (re.compile(r"sugarbot\.db\.v\d{4}\.backup"), re.compile(r"sugarbot\.db\.\d{8}-\d{6}\.aside"))
_BACKUP_DRAFTS_OF = re.compile(r"sugarbot-\d{8}-\d{6}(\.db)?")
EXPORTS, EXPORT_NAMES = "exports", re.compile(r"sugarbot-[0-9a-f]{16}-\d\.zip")
PROMPT_NAMES = re.compile(r"[0-9a-f]{64}\.safetensors")
_NO_FILES = re.compile(r"(?!)")  # only the folder's own mode
_FOLDERS = {
    "backups": backup.NAMES,
    "models": _NO_FILES,  # its weights may share their data with a checkpoint elsewhere
    "loras": _NO_FILES,
    LORA_VERSIONS: VERSION_NAMES,
    PROMPTS: PROMPT_NAMES,
    "previews": re.compile(r"[0-9a-f]{32}\.png"),
    "incoming": _NO_FILES,
    "triton": _NO_FILES,
    EXPORTS: EXPORT_NAMES,
    "bench": re.compile(r".+"),
}


_BESIDE = re.compile(
    r"sugarbot\.toml(\.bak)?|[\w.-]*(token|password)[\w.-]*|[\w-]+\.(log|env)|\.env|out|pictures|\.cache"
    r"|lost\+found|\.git(keep|ignore)|\.DS_Store|desktop\.ini|Thumbs\.db"
)
"""What may be in a data folder before its first start, which the bot may have as its working directory."""


def is_foreign(data_dir: Path) -> bool:
    """Whether a folder holds other files and none of ours, or others may replace what is in it. Blocking.

    Raises:
        OSError: The folder cannot be read.
    """
    if not data_dir.is_dir():
        return False
    status, user = data_dir.stat(), os.geteuid()
    if status.st_mode & stat.S_ISVTX and status.st_mode & stat.S_IWOTH:  # anybody may put a database there
        return True
    if user and status.st_uid not in (user, 0):  # the root user mounts folders for others
        return True
    names = os.listdir(data_dir)
    if any(map(_DATA_NAMES.fullmatch, names)):
        return False
    # A home folder may have its own "backups", so these names are ours only where there are no others.
    return not all(name in _FOLDERS or _BESIDE.fullmatch(name) for name in names)


def require_own(data_dir: Path) -> None:
    """Refuse a folder that is not for the bot alone; blocking.

    Raises:
        DataFolderForeign: See ``is_foreign``; nothing changed.
        OSError: The folder cannot be read.
    """
    if is_foreign(data_dir):
        raise DataFolderForeign(path=str(data_dir))


def make_private(data_dir: Path) -> None:
    """Make what earlier versions left readable private to this user, and log how much that was.

    It covers the data folder, its subfolders and the files that the bot writes there. Links are not followed.
    Blocking.

    Raises:
        DataFolderForeign: The folder is not for the bot alone; nothing changed.
    """
    changed = 0
    try:
        require_own(data_dir)
        folders = [(data_dir / name, names) for name, names in _FOLDERS.items()]
        if not (pictures := data_dir / "pictures").is_symlink():
            folders += picture_folders(pictures).items()
        for folder, names in ((data_dir, _DATA_NAMES), *folders):
            if folder.is_dir() and (folder == data_dir or not folder.is_symlink()):
                changed += restrict_to_owner(folder, names)
    except OSError as error:
        log.warning("data folder readable by others", folder=str(data_dir), detail=str(error))
    if changed:
        log.warning(
            "data folder was readable by others and is private now", folder=str(data_dir), entries=changed
        )


def remove_leftovers(data_dir: Path) -> None:
    """Delete the drafts that a crash left in the data folder. Blocking; the caller must hold the lock."""
    shutil.rmtree(data_dir / "incoming", ignore_errors=True)  # downloads of /lora add that a crash cut off
    try:
        removed = remove_drafts(data_dir, _DRAFTS_OF)
        for folder, names in picture_folders(data_dir / "pictures").items():
            removed += remove_drafts(folder, names)
        removed += remove_drafts(data_dir / LORA_VERSIONS, VERSION_NAMES)
        removed += remove_drafts(data_dir / PROMPTS, PROMPT_NAMES)
        removed += remove_drafts(data_dir / "backups", _BACKUP_DRAFTS_OF, older_than_s=OLD_DRAFT_S)
    except OSError as error:
        log.warning("drafts of a crash not removed", folder=str(data_dir), detail=str(error))
    else:
        if removed:
            log.info("drafts of a crash removed", count=removed)


async def keep_costs(costs: CostBook, path: Path) -> None:
    """Save the book every few minutes until cancelled."""
    while True:
        await asyncio.sleep(SAVE_COSTS_EVERY_S)
        try:
            await save_costs(costs, path)
        except Exception:  # supervision: a failure of maintenance must not end the bot
            log.exception("cost book not saved")


async def save_costs(costs: CostBook, path: Path) -> None:
    """Save the book once."""
    try:
        await asyncio.to_thread(write_costs, costs, path)
    except OSError as error:
        log.warning("cost book not saved", path=str(path), detail=str(error))


async def tidy_daily(store: Store, data_dir: Path, pictures: PictureExpiry, clock: Callable[[], int]) -> None:
    """Tidy now and once a day until cancelled. ``clock`` is UTC milliseconds."""
    while True:
        try:
            await tidy(store, data_dir, pictures, clock())
        except Exception:  # supervision: a failure of maintenance must not end the bot
            log.exception("not tidied")
        await asyncio.sleep(TIDY_EVERY_S)


async def tidy(store: Store, data_dir: Path, pictures: PictureExpiry, now_ms: int) -> None:
    """Delete what only serves for a time: repeated events, settings of files, counts, pictures, copies.

    Args:
        store: Jobs, credits and people are kept for ever.
        data_dir: Holds the files.
        pictures: Lets pictures expire.
        now_ms: UTC.
    """
    await store.inbox.delete_expired(now_ms - REPEATS_MS)
    await store.finding.expire_settings(now_ms - READ_SETTINGS_MS)
    await store.statistics.forget_refusals((now_ms - MAX_STATISTICS_DAYS * DAY_MS) // HOUR_MS)
    oldest_s = (now_ms - DAY_MS) / 1_000
    await asyncio.to_thread(_delete_exports, data_dir / EXPORTS, oldest_s)
    await asyncio.to_thread(remove_drafts, data_dir / EXPORTS, EXPORT_NAMES, older_than_s=DAY_MS / 1_000)
    await asyncio.to_thread(remove_drafts, data_dir / "backups", _BACKUP_DRAFTS_OF, older_than_s=OLD_DRAFT_S)
    await asyncio.to_thread(_thin_out_copies, data_dir)
    await pictures.tidy(now_ms)


def _thin_out_copies(data_dir: Path) -> None:
    """Keep the newest copies of the database that migrations and restores have left beside it."""
    for names in _COPIES:
        copies = [path for path in data_dir.iterdir() if names.fullmatch(path.name) and path.is_file()]
        for path in sorted(copies, key=lambda path: path.stat().st_mtime)[:-KEPT_COPIES]:
            path.unlink()
            log.info("old copy of the database deleted", file=path.name)


def _delete_exports(folder: Path, oldest_s: float) -> None:
    if folder.is_dir():
        for path in folder.iterdir():
            if EXPORT_NAMES.fullmatch(path.name) and path.is_file() and path.lstat().st_mtime < oldest_s:
                path.unlink()
