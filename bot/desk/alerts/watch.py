"""Reads the bot's health every few seconds, and has it compared with what the hosts know."""

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog

from bot.desk.alerts.conditions import WINDOW_S, Health
from bot.desk.desk import Desk
from bot.desk.files import free_and_needed_bytes
from bot.errors import CannotSave
from bot.outcomes import Platform, ServiceMode
from bot.store.files import backup
from engine.host import CAN_DRAW, Host

log = structlog.get_logger("bot.desk.alerts")

LOOK_EVERY_S = 15.0


class HealthWatch:
    """Reads the health of the parts and reviews it.

    Args:
        desk: Its alerts are reviewed.
        host: Has the worker.
        folder: The data folder, on the disk that must have room.
        backups: The folder of the backups.
        reserve_bytes: What must stay free now.
        offline_s: Returns how long each chat has been without its platform.
        faults: Returns how many the last check of the database found; None before the first.
        every_s: Between two looks.
        clock: Unix seconds.
    """

    def __init__(
        self,
        *,
        desk: Desk,
        host: Host,
        folder: Path,
        backups: Path,
        reserve_bytes: Callable[[], int],
        offline_s: Callable[[], Mapping[Platform, float]],
        faults: Callable[[], int | None],
        every_s: float = LOOK_EVERY_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._desk = desk
        self._host = host
        self._folder = folder
        self._backups = backups
        self._reserve_bytes = reserve_bytes
        self._offline_s = offline_s
        self._faults = faults
        self._every_s = every_s
        self._clock = clock
        self._began_s = clock()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(self._every_s)
            try:
                await self._desk.parts.alerts.review(await self.read())
            except CannotSave:
                log.warning("alerts wait: nothing can be saved")

    async def read(self) -> Health:
        """Return the health of this moment."""
        host, parts, now_s = self._host, self._desk.parts, self._clock()
        free_bytes, needed_bytes = await asyncio.to_thread(self._read_disk)
        made_s = await asyncio.to_thread(backup.newest_s, self._backups, now_s)
        status, loop_s = self._desk.queue_status(), asyncio.get_running_loop().time()
        oldest_ms = min((job.created_ms for job in parts.queue.jobs.values()), default=None)
        return Health(
            up_s=now_s - self._began_s,
            losses=sum(each.at_s > now_s - WINDOW_S for each in host.errors),
            failed_starts=host.failed_starts,
            can_draw=host.state in CAN_DRAW,
            waiting=0 if status.service.mode is ServiceMode.PAUSED else status.waiting,
            longest_wait_s=0.0 if oldest_ms is None else now_s - oldest_ms / 1_000,
            is_drawing=bool(status.drawing),
            drawn_ago_s=None if host.drawn_s is None else loop_s - host.drawn_s,
            free_bytes=free_bytes,
            needed_bytes=needed_bytes,
            backup_age_s=now_s - max(made_s, self._began_s if not made_s else 0.0),
            offline_s=self._offline_s(),
            faults=self._faults(),
            out_of_memory=sum(
                at_ms > 1_000 * (now_s - WINDOW_S) for at_ms in parts.completion.memory_lacks_ms
            ),
        )

    def _read_disk(self) -> tuple[int | None, int]:
        try:
            return free_and_needed_bytes(self._folder, self._reserve_bytes())
        except OSError:  # writing to it reports the real error
            return None, 0
