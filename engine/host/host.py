"""Sends jobs to a worker and replaces every worker that ends: one is drawn, the next is ready in the worker.

If the host's process dies, the socket closes and the worker ends by itself.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog

from engine import wire
from engine.backoff import Backoff
from engine.config import EngineConfig
from engine.errors import ModelError, WireError, WorkerLost, WorkerNotReady
from engine.host.worker_process import MAX_IN_FLIGHT, WorkerProcess
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

RESTART_PAUSES_S = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 120.0)  # begins again after a picture
CPU = "cpu"  # the device of a worker that needs no spare: its start is short beside its pictures
MAX_FAILED_STARTS = 10  # in a row, about four minutes in all; then only a person can help


class Host:
    """One worker process and its replacements.

    Args:
        config: Sent to each worker at its start; the model must be on disk (``find_model``).
        module: The module that is run as the worker.
        place: Adds the plan to the configuration of a worker that is about to start; runs in a thread. It
            may raise ``ModelError``.

    Attributes:
        info: What the present worker reports about itself; None while no worker is ready.
    """

    def __init__(
        self,
        config: EngineConfig,
        module: str = "engine.worker",
        place: Callable[[EngineConfig], EngineConfig] = lambda config: config,
    ) -> None:
        self.info: WorkerInfo | None = None
        self._config = config
        self._module = module
        self._place = place
        self._worker: WorkerProcess | None = None  # the newest, even after it was lost
        self._spare: WorkerProcess | None = None  # has imported its libraries and waits for its configuration
        self._device = ""
        self._held_bytes = 0
        self._is_up = asyncio.Event()
        self._is_closed = asyncio.Event()
        self._replacing: asyncio.Task[None] | None = None
        self._slots = asyncio.Semaphore(MAX_IN_FLIGHT)
        self._renders: dict[str, _Render] = {}
        self._prefetched: tuple[LoraChoice, ...] = ()

    def held_bytes(self) -> int:
        """Return the device memory that the worker holds and will use again, as far as it reports it."""
        return self._held_bytes

    def device(self) -> str:
        """Return the newest worker's device: ``cuda:0``, ``cpu``; empty before the first is ready."""
        return self._device

    async def start(self) -> WorkerInfo:
        """Start the first worker and wait until it is ready; call it once.

        Raises:
            ModelError: The model cannot be loaded. The person who runs this must act.
            WorkerNotReady: The process ended or was not ready in time; its log says more.
        """
        worker = await self._start_worker()
        self._replacing = asyncio.create_task(self._replace_lost_workers(worker), name="replace worker")
        return worker.info

    async def render(
        self, request: RenderRequest, listen: Callable[[Event], None]
    ) -> Finished | Stopped | Failed:
        """Draw a job, after the jobs of earlier calls.

        The worker holds at most ``MAX_IN_FLIGHT`` jobs; a further one waits here.

        Args:
            request: The job; no other running ``render`` may have its id.
            listen: Receives ``Progress`` and ``Drawn`` of this attempt, in order, on the event loop. The
                first is ``Progress`` with step 0: the worker begins the job.

        Raises:
            WorkerLost: The worker ended or hung; another is being started. Try the job again.
                JobNotStarted: the worker drew another job at that time, so this job has lost nothing.
            WorkerNotReady: No worker became ready within the start timeout, or the host is closed.
        """
        render = self._renders[request.job_id] = _Render(request)
        try:
            async with self._slots:
                if not self._is_up.is_set():
                    events = (self._is_up, self._is_closed, render.is_cancelled)
                    await _wait_for_any(events, self._config.start_timeout_s)
                if render.is_cancelled.is_set():
                    return Stopped(request.job_id, request.attempt)
                worker = self._worker
                if worker is None or not self._is_up.is_set() or self._is_closed.is_set():
                    raise WorkerNotReady
                render.worker = worker
                outcome = await worker.draw(request, listen)
                if self._worker is worker and self._is_up.is_set():
                    match outcome:
                        case Finished():
                            self._held_bytes = outcome.held_bytes or max(self._held_bytes, outcome.peak_bytes)
                        case Failed(reason=FailReason.OUT_OF_MEMORY):
                            self._held_bytes = worker.info.weights_bytes  # it has freed all other memory
                return outcome
        except WireError as error:
            return Failed(request.job_id, request.attempt, FailReason.WORKER_ERROR, str(error))
        except WorkerLost:
            if self._worker is render.worker:
                self._mark_down()  # at once, so that the next job does not use this worker
            raise
        finally:
            if self._renders.get(request.job_id) is render:
                del self._renders[request.job_id]

    def cancel(self, job_id: str) -> None:
        """Stop a job after its current step, or before it begins; ignore an unknown id."""
        render = self._renders.get(job_id)
        if render is not None:
            render.is_cancelled.set()
            if render.worker is not None:
                render.worker.send(wire.CancelJob(job_id, render.request.attempt))

    def prefetch(self, loras: Sequence[LoraChoice]) -> None:
        """Let this worker and its replacements read the LoRAs of later jobs from the disk.

        Args:
            loras: The next ones needed, soonest first; they replace those of the previous call. The worker
                reads them while it draws, as many as fit in main memory.
        """
        self._prefetched = tuple(loras)
        if self._worker is not None and self._is_up.is_set():
            self._worker.send(wire.PrefetchLoras(self._prefetched))

    async def close(self) -> None:
        """End the worker: by a message, SIGTERM, then SIGKILL. Its jobs return ``Stopped`` or are lost."""
        self._is_closed.set()
        if self._replacing is not None:
            self._replacing.cancel()
            await asyncio.wait([self._replacing])
        if self._worker is not None:
            await self._worker.end(ask=True)
        if self._spare is not None:
            await self._spare.end(ask=False)
        self._mark_down()

    async def watch(self) -> None:
        """Return when the host is closed; call it after ``start``.

        Raises:
            WorkerNotReady, ModelError: No worker starts any more, so waiting jobs need a person's help.
        """
        if self._replacing is not None:
            await asyncio.wait([self._replacing])
            if not self._replacing.cancelled():
                self._replacing.result()

    async def _start_worker(self) -> WorkerProcess:
        config = await asyncio.to_thread(self._place, self._config)
        worker = await self._take_process()
        try:
            info = await worker.wait_until_ready(config.plan)
        except BaseException:
            await worker.end(ask=False)
            raise
        self._worker, self.info, self._held_bytes = worker, info, info.weights_bytes
        self._device = info.device
        if self._prefetched:
            worker.send(wire.PrefetchLoras(self._prefetched))
        self._is_up.set()
        log.info("worker ready", pid=info.pid, device=info.device_name, dtype=info.dtype)
        return worker

    async def _take_process(self) -> WorkerProcess:
        """Return the spare process if it lives, or start one."""
        spare, self._spare = self._spare, None
        if spare is not None and not spare.is_lost.is_set():
            return spare
        if spare is not None:
            await spare.end(ask=False)
        try:
            return await WorkerProcess.start(self._config, self._module)
        except OSError as error:
            raise WorkerNotReady(f"The worker process could not be started: {error}.") from error

    async def _start_spare(self) -> None:
        try:
            self._spare = await WorkerProcess.start(self._config, self._module)
        except OSError as error:
            log.warning("no spare worker: a lost one is replaced more slowly", detail=str(error))

    async def _replace_lost_workers(self, worker: WorkerProcess) -> None:
        """Replace every worker that ends, until cancelled or ``MAX_FAILED_STARTS`` starts in a row fail."""
        backoff, failed_starts = Backoff(RESTART_PAUSES_S), 0
        while True:
            if self._config.keeps_spare and worker.info.device != CPU:
                await self._start_spare()
            await worker.is_lost.wait()
            self._mark_down()
            status = await worker.end(ask=False)
            log.error("worker ended", pid=worker.info.pid, status=status)
            if worker.has_drawn:
                backoff.reset()
            while not self._is_up.is_set():
                await asyncio.sleep(backoff.next_pause_s())
                try:
                    worker = await self._start_worker()
                except (ModelError, WorkerNotReady) as error:
                    failed_starts += 1
                    log.error("worker not restarted", detail=str(error), failed_starts=failed_starts)
                    if failed_starts == MAX_FAILED_STARTS:
                        raise
                else:
                    failed_starts = 0

    def _mark_down(self) -> None:
        self._is_up.clear()
        self.info, self._held_bytes = None, 0


@dataclass(eq=False, slots=True)
class _Render:
    """One call of ``render``; ``worker`` is set once a worker has the job."""

    request: RenderRequest
    is_cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    worker: WorkerProcess | None = None


async def _wait_for_any(events: Sequence[asyncio.Event], timeout_s: float) -> None:
    """Wait until one of the events is set, or until the timeout."""
    if any(event.is_set() for event in events):
        return
    waits = [asyncio.create_task(event.wait(), name="wait for a worker") for event in events]
    try:
        await asyncio.wait(waits, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
