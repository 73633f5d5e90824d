"""The card as a host sees it, collected from memory; only the chart is drawn in a thread."""

import asyncio
from dataclasses import dataclass

from bot.card.chart import draw_chart
from engine.host import CardReport, Host
from engine.planner.machine import WorkerPlanner
from engine.planner.monitor import HeadroomMonitor

SHOWN_ERRORS = 5


@dataclass(frozen=True, slots=True)
class CardReporter:
    """Collects reports.

    Attributes:
        monitor: Has the readings.
        host: Has the worker's state and errors.
        planner: Has the plan.
    """

    monitor: HeadroomMonitor
    host: Host
    planner: WorkerPlanner

    async def report(self, locale: str | None, waiting: int) -> CardReport:
        """Return the state of the card.

        Args:
            locale: Of the words in the chart; None for a report without one.
            waiting: Jobs that wait.
        """
        memory, host, placed = self.monitor.latest, self.host, self.planner.placed
        name = host.info.device_name if host.info else memory.device_name
        history = tuple(self.monitor.history)
        png = await asyncio.to_thread(draw_chart, history, name, locale) if history and locale else b""
        return CardReport(
            device_name=name,
            state=host.state.value,
            memory=memory,
            sensors=self.monitor.sensors,
            plan=placed.reason if placed else None,
            waiting=waiting,
            loading_s=host.loading_s(),
            errors=tuple(host.errors)[-SHOWN_ERRORS:],
            png=png,
        )
