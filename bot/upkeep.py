"""What the house does now and then beside its work: keep the cost book, back the database up.

Nothing here may end the bot: a full disk is a line in the log and another try.
"""

import asyncio
import time
from pathlib import Path

import structlog

from bot import words
from bot.errors import OperatorError
from bot.store import backup
from engine.cost import CostBook

log = structlog.get_logger("bot.upkeep")

SAVE_COSTS_EVERY_S = 300.0  # what a crash forgets is learned again within a few pictures
BACK_UP_EVERY_S = 86_400.0  # at most a day is lost with the disk
BACK_UP_AGAIN_S = 3_600.0


async def keep_costs(costs: CostBook, path: Path) -> None:
    """Save the book every few minutes until cancelled."""
    while True:
        await asyncio.sleep(SAVE_COSTS_EVERY_S)
        await save_costs(costs, path)


async def save_costs(costs: CostBook, path: Path) -> None:
    """Save the book once."""
    try:
        await asyncio.to_thread(costs.save, path)
    except OSError as error:
        log.warning("cost book not saved", path=str(path), detail=str(error))


async def back_up_daily(database: Path, folder: Path, locale: str) -> None:
    """Back up whenever the newest backup is a day old, and thin the old ones out, until cancelled."""
    while True:
        age_s = time.time() - await asyncio.to_thread(backup.newest_s, folder)
        await asyncio.sleep(BACK_UP_EVERY_S - age_s)
        try:
            made = await asyncio.to_thread(backup.back_up, database, folder, time.time())
            await asyncio.to_thread(backup.thin_out, folder)
        except (OSError, OperatorError) as error:
            log.warning("no backup made", why=words.explain(error, locale), detail=str(error))
            await asyncio.sleep(BACK_UP_AGAIN_S)
        else:
            log.info("backup made", file=made.name)
