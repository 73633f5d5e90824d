"""What the operator tab reads from memory; everything else it asks of the desk."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bot.monitoring.recent_log import RECENT_LOG, RecentLog
from engine.host.report import WorkerError
from engine.planner.monitor import CardReading


def _nothing() -> tuple[()]:
    return ()


@dataclass(frozen=True, slots=True)
class OperatorSources:
    """The state of the machine; nothing here blocks.

    Attributes:
        readings: The card in the last hour, oldest first.
        worker_errors: The last ends of workers that nobody wanted, oldest first.
        log: The newest events.
    """

    readings: Callable[[], Sequence[CardReading]] = _nothing
    worker_errors: Callable[[], Sequence[WorkerError]] = _nothing
    log: RecentLog = RECENT_LOG
