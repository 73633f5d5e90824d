"""Draws one small picture when nobody has asked for one for long.

The age of the last picture then says whether the bot can draw, also at night. Where an idle card is given
back, no canary is drawn: it would keep the card, and the next job loads the model anyway.
"""

import asyncio
import time
from collections.abc import Callable

import structlog

from bot.desk.desk import Desk
from bot.desk.shelf.trials import TrialPictures
from bot.outcomes import ServiceMode
from engine.errors import EngineError
from engine.host import Host, HostState

log = structlog.get_logger("bot.desk.alerts")

LOOK_EVERY_S = 60.0
DRAWN_S = 300.0  # a processor may take minutes


class IdleCanary:
    """Draws canaries.

    Args:
        desk: Its jobs come first.
        host: Has the worker.
        trials: Draws the picture.
        every_s: Without a picture, before a canary.
        look_every_s: Between two looks.
        clock: Seconds; monotonic, as the event loop's.
    """

    def __init__(
        self,
        *,
        desk: Desk,
        host: Host,
        trials: TrialPictures,
        every_s: float,
        look_every_s: float = LOOK_EVERY_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._desk = desk
        self._host = host
        self._trials = trials
        self._every_s = every_s
        self._look_every_s = look_every_s
        self._clock = clock
        self._began_s = clock()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(self._look_every_s)
            if self.is_due():
                await self.draw()

    def is_due(self) -> bool:
        """Whether nothing was drawn for long, nobody waits, and the worker is ready and stays so."""
        host, status = self._host, self._desk.queue_status()
        drawn_s = self._began_s if host.drawn_s is None else host.drawn_s
        is_open = status.service.mode is not ServiceMode.PAUSED and not self._desk.is_closing
        is_idle = is_open and host.is_idle and not status.waiting
        is_kept = host.state is HostState.READY and not host.releases_idle_card
        return is_idle and is_kept and self._clock() - drawn_s > self._every_s

    async def draw(self) -> None:
        """Draw one picture; a failure is logged, and the age of the last picture shows it."""
        began_s = self._clock()
        try:
            async with asyncio.timeout(DRAWN_S):
                await self._trials.draw(())
        except (EngineError, TimeoutError) as error:
            log.warning("canary not drawn", error=type(error).__name__)
        else:
            log.info("canary drawn", seconds=round(self._clock() - began_s, 1))
