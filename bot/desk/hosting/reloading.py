"""Reads the settings again when their file has changed or a host asks, and lets them count without a restart.

A file with a fault changes nothing. What needs a restart is logged, and recorded for ``doctor``.
"""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog

from bot.errors import BadSettings
from bot.messages.problems import format_problem
from bot.policy.rules import Rules
from bot.settings import SettingsFiles
from bot.settings.live import LiveSettings
from engine.durable import write_file

LOOK_EVERY_S = 2.0
RECORD = "restart-needed.json"

log = structlog.get_logger("bot.desk")


class SettingsReload:
    """Watches the files of the settings.

    Args:
        live: Gets what was read.
        files: Were looked at before the settings of ``live`` were read.
        use_rules: Lets other rules count at once.
        record: Where the names of the settings are written that need a restart; absent without any.
        look_every_s: A changed file is read when it is the same at two looks.
    """

    def __init__(
        self,
        *,
        live: LiveSettings,
        files: SettingsFiles,
        use_rules: Callable[[Rules], Awaitable[None]],
        record: Path,
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        self._live = live
        self._files = files
        self._use_rules = use_rules
        self._record = record
        self._look_every_s = look_every_s
        self._asked = asyncio.Event()
        self._has_new_rules = False  # until they count: the database may be locked

    def ask(self) -> None:
        """Read the settings again soon, whether their file has changed or not."""
        self._asked.set()

    async def run(self) -> None:
        """Watch until cancelled."""
        await asyncio.to_thread(self._write_record)  # the record of an earlier run is over
        known = self._files.first
        changing = await asyncio.to_thread(self._files.look)
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._asked.wait(), self._look_every_s)
            looks = await asyncio.to_thread(self._files.look)
            has_changed = looks != known and looks == changing
            if self._asked.is_set() or self._has_new_rules or has_changed:
                self._asked.clear()
                known = looks
                await self.reload()
            changing = looks

    async def reload(self) -> None:
        """Read the settings and let them count as far as they can.

        Raises:
            CannotSave: The database is locked now; the next look tries again.
        """
        try:
            read = await asyncio.to_thread(self._files.read)
        except BadSettings as error:
            problems, language = error.facts["problems"], self._live.now.language
            assert isinstance(problems, tuple)  # noqa: S101 - see BadSettings
            why = "; ".join(format_problem(problem, language) for problem in problems)
            log.error("settings not read again, the former ones count", why=why)
            return
        changed = self._live.replace(read)
        self._has_new_rules = self._has_new_rules or bool(changed)
        if self._has_new_rules:
            await self._use_rules(Rules.from_settings(self._live.now))
            self._has_new_rules = False
        await asyncio.to_thread(self._write_record)
        log.info("settings read again", settings=", ".join(changed))
        if self._live.waiting:
            log.warning("changed settings need a restart", settings=", ".join(self._live.waiting))

    def _write_record(self) -> None:
        try:
            if self._live.waiting:
                write_file(self._record, json.dumps(self._live.waiting).encode())
            else:
                self._record.unlink(missing_ok=True)
        except OSError as error:
            log.warning("doctor is not told which settings need a restart", detail=str(error))


def read_record(record: Path) -> tuple[str, ...]:
    """Return the names of the settings that need a restart of the running bot. Blocking."""
    try:
        names = json.loads(record.read_bytes())
    except (OSError, ValueError):
        return ()
    return tuple(map(str, names)) if isinstance(names, list) else ()
