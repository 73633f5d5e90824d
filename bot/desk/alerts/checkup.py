"""Checks the database once a day, beside the work of the bot."""

import asyncio

import structlog

from bot.errors import DatabaseDamaged, OperatorError
from bot.store import Store

log = structlog.get_logger("bot.desk.alerts")

FIRST_S = 600.0  # not while a start is busy
EVERY_S = 86_400.0
AGAIN_S = 3_600.0


class DatabaseCheckup:
    """Checks the database, now and again.

    Attributes:
        faults: That the last check found; None before the first.

    Args:
        first_s: Before the first check.
    """

    def __init__(self, store: Store, first_s: float = FIRST_S) -> None:
        self.faults: int | None = None
        self._store = store
        self._first_s = first_s

    async def run(self) -> None:
        """Check until cancelled."""
        await asyncio.sleep(self._first_s)
        while True:
            try:
                await self.check()
            except OperatorError as error:  # the disk refuses, or another program holds a lock
                log.warning("database not checked", error=type(error).__name__)
                await asyncio.sleep(AGAIN_S)
            else:
                await asyncio.sleep(EVERY_S)

    async def check(self) -> None:
        """Check once.

        Raises:
            OperatorError: It cannot be read now.
        """
        try:
            problems = (await self._store.survey_aside()).problems()
        except DatabaseDamaged as error:
            self.faults = 1
            log.error("database faulty", detail=str(error))
            return
        self.faults = len(problems)
        if problems:
            log.error("database faulty", codes=sorted({problem.code for problem in problems}))
        else:
            log.info("database sound")
