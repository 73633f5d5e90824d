"""Checks that a running bot makes of itself, for ``/doctor``. Nothing is changed, downloaded or drawn."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Collection
from pathlib import Path

from bot.checks import checks
from bot.checks.finding import Finding, Level
from bot.checks.platforms import check_discord, check_telegram
from bot.checks.storage import check_backups, check_kernels, check_restart
from bot.outcomes import Diagnosis, FoundFault
from bot.settings import Settings
from engine.planner.headroom import Headroom
from engine.shelf import Shelf

PLATFORM_S = 20.0  # for all questions to one platform


class SelfCheck:
    """Checks the bot while it runs.

    Args:
        settings: Those that hold now.
        hosts: Who is a host now, and ``allowed``: what is served now, as ``platform:id``.
        shelf: The shelf as it is now.
        headroom: The newest reading of the card.
        database, backups, restart_record: Files and folders of the data folder.
    """

    def __init__(
        self,
        *,
        settings: Callable[[], Settings],
        hosts: Callable[[], Collection[str]],
        allowed: Callable[[], Collection[str]],
        shelf: Callable[[], Shelf],
        headroom: Callable[[], Headroom],
        database: Path,
        backups: Path,
        restart_record: Path,
    ) -> None:
        self._settings = settings
        self._hosts = hosts
        self._allowed = allowed
        self._shelf = shelf
        self._headroom = headroom
        self._database = database
        self._backups = backups
        self._restart_record = restart_record

    async def diagnose(self) -> Diagnosis:
        """Return faults and notes; what blocks runs in a thread, and a platform that hangs is left out."""
        settings = self._settings()
        findings = await asyncio.to_thread(self._check_machine, settings)
        unanswered = []
        for platform, section, check in (
            ("discord", settings.discord, check_discord(settings)),
            ("telegram", settings.telegram, check_telegram(settings, is_running=True)),
        ):
            if section.token.get_secret_value() and not await _collect(check, findings):
                unanswered.append(platform)
        faults = tuple(
            FoundFault(found.part, found.code, found.facts, is_note=found.level is Level.NOTE)
            for found in sorted(findings, key=lambda found: found.level is Level.NOTE)
            if found.level is not Level.FINE
        )
        fine = sum(found.level is Level.FINE for found in findings)
        return Diagnosis(faults, fine, tuple(unanswered))

    def _check_machine(self, settings: Settings) -> list[Finding]:
        headroom = self._headroom()
        return [
            *checks.check_settings(settings, os.environ, hosts=self._hosts(), allowed=self._allowed()),
            *checks.check_modes(settings.data_dir),
            *checks.check_device(settings, headroom),
            *checks.check_libraries(headroom),
            *checks.check_shelf(settings, self._shelf()),
            *check_backups(self._database, self._backups),
            *check_kernels(settings.to_engine_config().kernels_dir),
            *check_restart(self._restart_record),
        ]


async def _collect(check: AsyncIterator[Finding], findings: list[Finding]) -> bool:
    """Append what a platform says; False if it does not answer in time."""
    try:
        async with asyncio.timeout(PLATFORM_S):
            findings.extend([found async for found in check])
    except TimeoutError:
        return False
    return True
