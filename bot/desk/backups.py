"""A backup of the database each night. A failure ends nothing: it is logged, recorded and tried again."""

import asyncio
import contextlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from bot import messages
from bot.desk.files import free_and_needed_bytes
from bot.errors import DiskFull, OperatorError
from bot.store.files import backup
from engine.durable import write_file

NIGHT_H = 4  # of this machine's time zone: the hour at which the fewest people wait
LOOK_EVERY_S = 900.0  # the clock may be set, and a machine may sleep
AGAIN_S = 3_600.0
RECORD = "backup-failed.json"

log = structlog.get_logger("bot.desk.maintenance")


@dataclass(frozen=True, slots=True)
class BackupFailure:
    """Why the newest attempt failed; ``detail`` is one line, which ``bot.messages.details`` translates."""

    at_s: float
    detail: str


def last_night_s(now_s: float) -> float:
    """Return when the newest night's backup was due, in unix seconds."""
    now = datetime.fromtimestamp(now_s).astimezone()
    due = now.replace(hour=NIGHT_H, minute=0, second=0, microsecond=0)
    return (due if due <= now else due - timedelta(days=1)).timestamp()


def require_space(database: Path, folder: Path, reserve_bytes: int) -> None:
    """Return if a copy of the database fits into ``folder`` and leaves the reserve free. Blocking.

    Raises:
        DiskFull: It does not.
    """
    try:
        free_bytes, needed_bytes = free_and_needed_bytes(folder, reserve_bytes)
        size_bytes = database.stat().st_size
    except OSError:  # making the backup reports the real error
        return
    if free_bytes - size_bytes < needed_bytes:
        raise DiskFull(path=str(folder))


def read_failure(database: Path) -> BackupFailure | None:
    """Return why the newest attempt failed; None if it did not. Blocking."""
    try:
        found = json.loads(database.with_name(RECORD).read_bytes())
        return BackupFailure(float(found["at_s"]), str(found["detail"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def forget_failure(database: Path) -> None:
    """Remove the record of a failure, because a backup was made; a read-only folder keeps it. Blocking."""
    with contextlib.suppress(OSError):
        database.with_name(RECORD).unlink(missing_ok=True)


class NightlyBackups:
    """Backs up once a night, and after a night without the bot at its start.

    Args:
        database: The file, in use.
        folder: For the backups; thinned out after each.
        locale: Returns that of the log.
        reserve_bytes: What stays free on the disk now.
        again_s: How long it waits after a failure.
    """

    def __init__(
        self,
        database: Path,
        folder: Path,
        *,
        locale: Callable[[], str],
        reserve_bytes: Callable[[], int] = lambda: 0,
        again_s: float = AGAIN_S,
    ) -> None:
        self._database = database
        self._folder = folder
        self._locale = locale
        self._reserve_bytes = reserve_bytes
        self._again_s = again_s

    async def run(self) -> None:
        """Back up until cancelled."""
        while True:
            try:
                made = await asyncio.to_thread(self._back_up_if_due)
            except (OSError, OperatorError) as error:
                await self._note(error)
                await asyncio.sleep(self._again_s)
            except Exception as error:  # supervision: a failure of maintenance must not end the bot
                log.exception("no backup made")
                await self._note(error)
                await asyncio.sleep(self._again_s)
            else:
                if made is not None:
                    log.info("backup made", file=made.name)
                await asyncio.sleep(LOOK_EVERY_S)

    def _back_up_if_due(self) -> Path | None:
        now_s = time.time()
        if backup.newest_s(self._folder, now_s) >= last_night_s(now_s):
            return None
        require_space(self._database, self._folder, self._reserve_bytes())
        made = backup.back_up(self._database, self._folder, now_s)
        forget_failure(self._database)
        backup.thin_out(self._folder, now_s)
        return made

    async def _note(self, error: Exception) -> None:
        """Record a failure for ``doctor``; on a full disk only the log and the age of the backups tell it."""
        detail = "the disk is full" if isinstance(error, DiskFull) else type(error).__name__
        if isinstance(error, OSError | OperatorError):
            why = messages.format_error(error, self._locale())
            log.warning("no backup made", why=why, detail=str(error))
            facts = error.facts if isinstance(error, OperatorError) else {"detail": error.strerror}
            detail = str(facts.get("detail") or detail)
        content = json.dumps({"at_s": time.time(), "detail": detail}).encode()
        with contextlib.suppress(OSError):
            await asyncio.to_thread(write_file, self._database.with_name(RECORD), content)
