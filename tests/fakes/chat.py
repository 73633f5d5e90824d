"""A chat without a platform: records what it receives, or fails as a test requests."""

import asyncio
from collections import deque
from collections.abc import Sequence

from bot.outcomes import Alert, JobResult, OwnerReport, PictureMessage, Platform, Status


class FakeChat:
    """Implements ``bot.chats.contract.Chat``.

    Attributes:
        errors: Raised by the next deliveries, in order; once empty, every delivery arrives.
        deliver_s: How long one delivery takes.
        shown: Every status, in order.
        deleted: The messages that were to be deleted; those with an id in ``undeletable`` could not be.
        results: Every result that arrived, in order.
        log: Job ids as they were shown (``"show"``) and delivered (``"deliver"``), in one order.
        is_connected: As the platform would be.
    """

    def __init__(self, platform: Platform = Platform.CONSOLE, *, deliver_s: float = 0.0) -> None:
        self.platform = platform
        self.is_connected = True
        self.deliver_s = deliver_s
        self.errors: deque[Exception] = deque()
        self.shown: list[Status] = []
        self.results: list[JobResult] = []
        self.owner_reports: list[OwnerReport] = []
        self.alerts: list[Alert] = []
        self.deleted: list[PictureMessage] = []
        self.undeletable: set[str] = set()
        self.log: list[tuple[str, str]] = []
        self._arrived = asyncio.Condition()

    async def open(self) -> None:
        pass

    async def serve(self) -> None:
        await asyncio.Event().wait()

    async def close(self) -> None:
        pass

    async def show(self, status: Status) -> None:
        await asyncio.sleep(0)
        self.shown.append(status)
        self.log.append(("show", status.job_id))

    async def deliver(self, result: JobResult) -> None:
        await asyncio.sleep(self.deliver_s)
        if self.errors:
            raise self.errors.popleft()
        async with self._arrived:
            self.results.append(result)
            self.log.append(("deliver", result.job_id))
            self._arrived.notify_all()

    async def delete_messages(
        self, messages: Sequence[PictureMessage], locale: str
    ) -> tuple[PictureMessage, ...]:
        if self.errors:
            raise self.errors.popleft()
        self.deleted += messages
        return tuple(each for each in messages if each.message_id in self.undeletable)

    async def send_report(self, report: OwnerReport) -> None:
        if self.errors:
            raise self.errors.popleft()
        self.owner_reports.append(report)

    async def send_alert(self, alert: Alert) -> None:
        if self.errors:
            raise self.errors.popleft()
        self.alerts.append(alert)

    async def wait_for_results(self, count: int, timeout_s: float = 30.0) -> list[JobResult]:
        """Return once ``count`` results arrived in all; TimeoutError if they do not."""
        async with asyncio.timeout(timeout_s), self._arrived:
            await self._arrived.wait_for(lambda: len(self.results) >= count)
        return self.results
