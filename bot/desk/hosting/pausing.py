"""Pause the drawing, let the queue run empty, go on. Each lasts until a host ends it, also over a restart."""

from collections.abc import Callable

from bot.commands.values import DrainQueue, PauseDrawing, ResumeDrawing
from bot.desk.hosting.audit import HostAudit
from bot.desk.queue import JobQueue
from bot.outcomes import CommandContext, DrawingPaused, Service, ServiceChanged, ServiceMode
from bot.store import Store


class Pausing:
    """Whether the bot draws and takes requests.

    Attributes:
        now: What a host decided last.
        notes: What a person reads who is accepted now.

    Args:
        clock: UTC milliseconds.
    """

    def __init__(self, *, store: Store, queue: JobQueue, audit: HostAudit, clock: Callable[[], int]) -> None:
        self._store = store
        self._queue = queue
        self._audit = audit
        self._clock = clock
        self.now = Service()
        self.notes: tuple[DrawingPaused, ...] = ()

    async def load(self) -> None:
        """Read what a host decided before this start; call it before anything is drawn."""
        self._apply(await self._store.service.read())

    async def pause(self, command: PauseDrawing, context: CommandContext) -> ServiceChanged:
        """Draw nothing more; what the worker has is finished."""
        return await self._change(ServiceMode.PAUSED, command.reason, context)

    async def drain(self, command: DrainQueue, context: CommandContext) -> ServiceChanged:
        """Draw what waits, and take no new requests."""
        return await self._change(ServiceMode.DRAINING, command.reason, context)

    async def resume(self, command: ResumeDrawing, context: CommandContext) -> ServiceChanged:
        """Draw and take requests again."""
        return await self._change(ServiceMode.OPEN, "", context)

    async def _change(self, mode: ServiceMode, reason: str, context: CommandContext) -> ServiceChanged:
        was, service = self.now.mode, Service(mode, reason, self._clock())
        async with self._store.atomic():
            await self._store.service.save(service, f"{context.platform}:{context.user_id}")
            await self._audit.note(context, mode, reason=reason, waiting=self._queue.scheduler.waiting)
            self._store.after_commit(lambda: self._apply(service))
        return ServiceChanged(service, was, self._queue.scheduler.waiting)

    def _apply(self, service: Service) -> None:
        is_paused = service.mode is ServiceMode.PAUSED
        self.now = service
        self.notes = (DrawingPaused(service.reason),) if is_paused else ()
        self._queue.set_paused(is_paused)
