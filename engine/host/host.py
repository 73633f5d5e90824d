"""Jobs in, pictures out, over all the workers there are in time: the next is sent while one is drawn.

When the host's process dies, the socket closes and the worker ends by itself.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog

from engine import wire
from engine.config import EngineConfig
from engine.errors import ModelError, WireError, WorkerLost, WorkerNotReady
from engine.host.hand import MAX_IN_FLIGHT
from engine.host.life import Life
from engine.request import (
    Event,
    Failed,
    FailReason,
    Finished,
    LoraChoice,
    RenderRequest,
    Stopped,
    WorkerInfo,
)

log = structlog.get_logger("engine.host")

FIRST_PAUSE_S = 1.0  # before a restart; doubled with each that leads to no picture
LONGEST_PAUSE_S = 120.0
MAX_FAILED_STARTS = 8  # in a row, about four minutes apart in all; then only the host can help


class Host:
    """One worker process and its replacements.

    Args:
        config: What the worker is told at start; its model must be on disk (``find_model``).
        module: The module that is run as the child.
    """

    def __init__(self, config: EngineConfig, module: str = "engine.worker") -> None:
        self._config = config
        self._module = module
        self._life: Life | None = None  # the newest, also after it was lost
        self._info: WorkerInfo | None = None
        self._device = ""
        self._held_bytes = 0
        self._is_up = asyncio.Event()
        self._is_closed = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._places = asyncio.Semaphore(MAX_IN_FLIGHT)
        self._jobs: dict[str, _Job] = {}
        self._prefetched: tuple[LoraChoice, ...] = ()

    @property
    def info(self) -> WorkerInfo | None:
        """What the present worker says of itself; None while there is none."""
        return self._info

    def held_bytes(self) -> int:
        """Memory of the device that the worker holds and will use again, as far as its answers tell."""
        return self._held_bytes

    def device(self) -> str:
        """Where the newest worker draws or drew: ``cuda:0``, ``cpu``; empty before the first is ready."""
        return self._device

    async def start(self) -> WorkerInfo:
        """Start the first worker and wait until it is ready; call it once.

        Raises:
            ModelError: The model cannot be loaded. The person who runs this must act.
            WorkerNotReady: The process ended or was not ready in time; its log says more.
        """
        life = await self._start_worker()
        self._keeper = asyncio.create_task(self._keep(life), name="keep worker")
        return life.info

    async def render(
        self, request: RenderRequest, listen: Callable[[Event], None]
    ) -> Finished | Stopped | Failed:
        """Have a job drawn, after those asked for before it.

        The worker has ``MAX_IN_FLIGHT`` jobs at most; a further one waits here.

        Args:
            request: The job; its id must not be in another ``render`` that still goes on.
            listen: Gets ``Progress`` and ``Drawn`` of this very attempt, in order, on the event loop. The
                first is ``Progress`` with step 0: the worker begins it.

        Raises:
            WorkerLost: The worker ended or hung meanwhile; another is being started. Try the job again.
                NotBegun: while it drew another job, so this one has lost nothing.
            WorkerNotReady: No worker became ready within the start timeout, or the host is closed.
        """
        job = _Job(request)
        self._jobs[request.job_id] = job
        try:
            async with self._places:
                await _first_of(
                    self._is_up, self._is_closed, job.cancel, timeout_s=self._config.start_timeout_s
                )
                if job.cancel.is_set():
                    return Stopped(request.job_id, request.attempt)
                if self._life is None or not self._is_up.is_set() or self._is_closed.is_set():
                    raise WorkerNotReady
                job.life = self._life
                return await self._draw(self._life, request, listen)
        finally:
            if self._jobs.get(request.job_id) is job:
                del self._jobs[request.job_id]

    def cancel(self, job_id: str) -> None:
        """Stop a job after its current step, or before it begins; unknown ids are ignored."""
        job = self._jobs.get(job_id)
        if job is not None:
            job.cancel.set()
            if job.life is not None:
                job.life.send(wire.CancelJob(job_id, job.request.attempt))

    def prefetch(self, loras: Sequence[LoraChoice]) -> None:
        """Let the worker, and each that replaces it, fetch what jobs to come need from the disk.

        Args:
            loras: The next ones needed, soonest first, in place of those said before. They are fetched
                beside the drawing, as many as main memory has a place for.
        """
        self._prefetched = tuple(loras)
        if self._life is not None and self._is_up.is_set():
            self._life.send(wire.PrefetchLoras(self._prefetched))

    async def close(self) -> None:
        """End the worker: ask, then SIGTERM, then SIGKILL. Its jobs answer ``Stopped`` or are lost."""
        self._is_closed.set()
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
        if self._life is not None:
            await self._life.end(ask=True)
        self._mark_down()

    async def watch(self) -> None:
        """Return when the host is closed; call it after ``start``.

        Raises:
            WorkerNotReady: No worker starts any more, or ModelError: jobs wait in vain until a person acts.
        """
        if self._keeper is not None:
            await asyncio.wait([self._keeper])
            if not self._keeper.cancelled():
                self._keeper.result()

    async def _draw(
        self, life: Life, request: RenderRequest, listen: Callable[[Event], None]
    ) -> Finished | Stopped | Failed:
        try:
            outcome = await life.draw(request, listen)
        except WireError as error:
            return Failed(request.job_id, request.attempt, FailReason.WORKER_ERROR, str(error))
        except WorkerLost:
            if self._life is life:
                self._mark_down()  # at once, so that the next job does not meet it
            raise
        if self._life is life and self._info is not None:
            self._held_bytes = self._held_after(outcome, self._info.weights_bytes)
        return outcome

    def _held_after(self, outcome: Finished | Stopped | Failed, weights_bytes: int) -> int:
        match outcome:
            case Finished(held_bytes=held_bytes) if held_bytes:
                return held_bytes
            case Finished(peak_bytes=peak_bytes):
                return max(self._held_bytes, peak_bytes)
            case Failed(reason=FailReason.OUT_OF_MEMORY):
                return weights_bytes  # it has given back all that it could
        return self._held_bytes

    async def _start_worker(self) -> Life:
        try:
            life = await Life.spawn(self._config, self._module)
        except OSError as error:
            raise WorkerNotReady(f"The worker process could not be started: {error}.") from error
        try:
            info = await life.ready()
        except BaseException:
            await life.end(ask=False)
            raise
        self._life, self._info, self._held_bytes = life, info, info.weights_bytes
        self._device = info.device
        if self._prefetched:
            life.send(wire.PrefetchLoras(self._prefetched))
        self._is_up.set()
        log.info("worker ready", pid=info.pid, device=info.device_name, dtype=info.dtype)
        return life

    async def _keep(self, life: Life) -> None:
        """Replace every worker that ends, until cancelled or no new one starts any more."""
        pause_s, failures = FIRST_PAUSE_S, 0
        while True:
            await life.is_lost.wait()
            self._mark_down()
            status = await life.end(ask=False)
            log.error("worker ended", pid=life.info.pid, status=status)
            if life.has_drawn:
                pause_s = FIRST_PAUSE_S
            while not self._is_up.is_set():
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
                try:
                    life = await self._start_worker()
                except (ModelError, WorkerNotReady) as error:
                    failures += 1
                    log.error("worker not restarted", detail=str(error), next_try_s=pause_s)
                    if failures == MAX_FAILED_STARTS:
                        raise
                else:
                    failures = 0

    def _mark_down(self) -> None:
        self._is_up.clear()
        self._info, self._held_bytes = None, 0


@dataclass(eq=False, slots=True)
class _Job:
    """A job between ``render`` and its end; ``life`` is set once a worker has it."""

    request: RenderRequest
    cancel: asyncio.Event = field(default_factory=asyncio.Event)
    life: Life | None = None


async def _first_of(*events: asyncio.Event, timeout_s: float) -> None:
    """Wait until one of the events is set, or the time is over."""
    if any(event.is_set() for event in events):
        return
    waits = [asyncio.create_task(event.wait(), name="wait for a worker") for event in events]
    try:
        await asyncio.wait(waits, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
