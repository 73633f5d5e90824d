"""Sends jobs to a worker and replaces every worker that ends: one is drawn, the next is ready in the worker.

A worker that has no job gives its card back after a while (``idle_release_s``); the next job starts another.
If the host's process dies, the socket closes and the worker ends by itself.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import structlog

from engine import wire
from engine.backoff import Backoff
from engine.config import EngineConfig, Plan
from engine.errors import ModelError, NoPlanFits, WireError, WorkerLost, WorkerNotReady
from engine.host.report import WorkerError
from engine.host.state import HostState
from engine.host.worker_process import MAX_IN_FLIGHT, WorkerProcess
from engine.planner.monitor import WorkerShare
from engine.request import (
    Event,
    Failed,
    FailReason,
    Finished,
    LoraChoice,
    LoraSource,
    RenderRequest,
    Stopped,
    WorkerInfo,
)

log = structlog.get_logger("engine.host")

RESTART_PAUSES_S = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 120.0)  # begins again after a picture
CPU = "cpu"  # the device of a worker that needs no spare: its start is short beside its pictures
MOST_ERRORS = 10  # that ``/gpu`` shows
ENDING = (HostState.MOVING, HostState.RELEASED)  # the worker ends as soon as it has no job
MAX_FAILED_STARTS = 10  # in a row, about four minutes in all; then only a person can help


DrawFirst = Callable[[RenderRequest, Callable[[Event], None]], Awaitable[Finished | Stopped | Failed]]
"""Draws one job, as ``WorkerProcess.draw``."""


class Host:
    """One worker process and its replacements.

    Args:
        config: Sent to each worker at its start; the model must be on disk (``find_model``).
        module: The module that is run as the worker.
        place: Adds the plan to the configuration of a worker that is about to start; runs in a thread. It
            may raise ``ModelError``.
        calibrate: Called with each worker that is ready, its plan and its ``draw``, before any job reaches
            it. It must be quick.

    Attributes:
        info: What the present worker reports about itself; None while no worker is ready.
        state: Of the worker.
        plan: The present worker's, or that of the last one.
        load_s: Seconds of the newest start; None before the first.
        errors: The last ends of workers that nobody wanted, oldest first.
        failed_starts: Of workers, in a row.
        ends: How often a worker ended or did not start, by the state that followed.
        drawn_s: When the last job or calibration ended with pictures, on the event loop's clock.
    """

    def __init__(
        self,
        config: EngineConfig,
        module: str = "engine.worker",
        place: Callable[[EngineConfig], EngineConfig] = lambda config: config,
        calibrate: Callable[[WorkerInfo, Plan | None, DrawFirst], Awaitable[None]] | None = None,
    ) -> None:
        self.info: WorkerInfo | None = None
        self.state = HostState.LOADING
        self.plan = config.plan
        self.load_s: float | None = None
        self.errors: deque[WorkerError] = deque(maxlen=MOST_ERRORS)
        self.failed_starts = 0
        self.ends: Counter[HostState] = Counter()
        self.drawn_s: float | None = None
        self._calibrate = calibrate
        self._used_s = 0.0  # when the last job ended
        self._is_asked_to_end = asyncio.Event()
        self._is_wanted = asyncio.Event()
        self._config = config
        self._module = module
        self._place = place
        self._worker: WorkerProcess | None = None  # the newest, even after it was lost
        self._spare: WorkerProcess | None = None  # has imported its libraries and waits for its configuration
        self._device = ""
        self._newest: WorkerProcess | None = None  # whose memory is known; it may still be calibrated
        self._is_up = asyncio.Event()
        self._is_closed = asyncio.Event()
        self._replacing: asyncio.Task[None] | None = None
        self._releasing: asyncio.Task[None] | None = None
        self._slots = asyncio.Semaphore(MAX_IN_FLIGHT)
        self._renders: dict[str, _Render] = {}
        self._prefetched = wire.PrefetchLoras(())
        self._withdrawn: tuple[str, ...] = ()

    def loading_s(self) -> float | None:
        """Return how long a start takes about, while the model is not loaded; None if unknown or loaded."""
        return self.load_s if self.info is None else None

    @property
    def is_idle(self) -> bool:
        """Whether the worker has no job, and none waits for it here."""
        return not self._renders

    @property
    def releases_idle_card(self) -> bool:
        """Whether a worker without jobs gives its card back after a while."""
        return self._releasing is not None

    def held_bytes(self) -> int:
        """Return the device memory that the worker holds and will use again, as far as it reports it."""
        return 0 if self._newest is None else self._newest.held.bytes

    @property
    def is_measured(self) -> bool:
        """Whether ``held_bytes`` is of now: after a job, until the worker gets the next."""
        return self._newest is not None and self._newest.held.is_measured and self.is_idle

    def share(self) -> WorkerShare:
        """Return what the worker has of the device, by use."""
        return WorkerShare() if self._newest is None else self._newest.held.share

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
        if self._config.idle_release_s and worker.info.device != CPU:
            self._releasing = asyncio.create_task(self._release_when_idle(), name="release idle worker")
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
        self._is_wanted.set()
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
                log.info("job given to the worker", job_id=request.job_id, pid=worker.info.pid)
                answer = await worker.draw(request, listen)
                if isinstance(answer, Finished):
                    self.drawn_s = asyncio.get_running_loop().time()
                return answer
        except WireError as error:
            return Failed(request.job_id, request.attempt, FailReason.WORKER_ERROR, str(error))
        except WorkerLost:
            if self._worker is render.worker:
                self._mark_down()  # at once, so that the next job does not use this worker
            raise
        finally:
            if self._renders.get(request.job_id) is render:
                del self._renders[request.job_id]
            self._used_s = asyncio.get_running_loop().time()
            if self.state in ENDING:
                self._end_if_drained()

    def move(self, reason: str) -> bool:
        """After the jobs that the worker holds, end it and start one with a new plan; other jobs wait.

        Returns:
            False if no worker is ready: then nothing happens.
        """
        return self._ask_to_end(HostState.MOVING, reason)

    def cancel(self, job_id: str) -> None:
        """Stop a job after its current step, or before it begins; ignore an unknown id."""
        render = self._renders.get(job_id)
        if render is not None:
            render.is_cancelled.set()
            if render.worker is not None:
                render.worker.send(wire.CancelJob(job_id, render.request.attempt))

    def prefetch(self, loras: Sequence[LoraChoice], files: Sequence[LoraSource] = ()) -> None:
        """Let this worker and its replacements read the LoRAs of later jobs from these files.

        The soonest needed come first; they replace those of the previous call. The worker reads them while it
        draws, as many as fit in main memory.
        """
        self._prefetched = wire.PrefetchLoras(tuple(loras), tuple(files))
        if self._worker is not None and self._is_up.is_set():
            self._worker.send(self._prefetched)

    def withdraw(self, sha256: frozenset[str]) -> None:
        """Let this worker and its replacements forget the LoRAs with these contents, and refuse them.

        Args:
            sha256: All that are withdrawn; they replace those of the previous call.
        """
        self._withdrawn = tuple(sorted(sha256))
        if self._worker is not None:  # also one that draws its last jobs
            self._worker.send(wire.WithdrawLoras(self._withdrawn))

    async def close(self) -> None:
        """End the worker: by a message, SIGTERM, then SIGKILL. Its jobs return ``Stopped`` or are lost."""
        self._is_closed.set()
        for task in (self._releasing, self._replacing):
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
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
        began_s = _now_s()
        plan = (await asyncio.to_thread(self._place, self._config)).plan
        worker = await self._take_process()
        try:
            info = await worker.wait_until_ready(plan)
            self._device, self._newest = info.device, worker
            if self._calibrate:
                await self._calibrate(info, plan, worker.draw)
        except BaseException as error:
            self._mark_down()
            await worker.end(ask=False)
            if isinstance(error, WorkerLost):
                raise WorkerNotReady(f"The worker was lost at its first pictures: {error}") from error
            raise
        self._worker, self.info, self.plan, self.state = worker, info, plan, HostState.READY
        self.load_s, self._used_s = _now_s() - began_s, _now_s()
        if self._withdrawn:
            worker.send(wire.WithdrawLoras(self._withdrawn))
        self.drawn_s = self._used_s if worker.has_drawn else self.drawn_s
        if self._prefetched.loras:
            worker.send(self._prefetched)
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
        backoff, hopeless = Backoff(RESTART_PAUSES_S), 0
        while True:
            if self._config.keeps_spare and worker.info.device != CPU:
                await self._start_spare()
            await _wait_for_any((worker.is_lost, self._is_asked_to_end), None)
            is_asked = self._is_asked_to_end.is_set()
            self._is_asked_to_end.clear()
            self._mark_down()
            status = await worker.end(ask=is_asked)
            if not is_asked:
                self._note_loss(f"The worker ended with status {status}.")
                log.error("worker ended", pid=worker.info.pid, status=status)
            if worker.has_drawn or is_asked:
                backoff.reset()
            if self.state is HostState.RELEASED:
                await self._is_wanted.wait()
            while not self._is_up.is_set():
                if not is_asked:
                    await asyncio.sleep(backoff.next_pause_s())
                try:
                    worker = await self._start_worker()
                except (ModelError, WorkerNotReady) as error:
                    # Other programs that fill the card may leave it again.
                    hopeless += not isinstance(error, NoPlanFits)
                    is_asked = False
                    self.failed_starts += 1
                    self._note_loss(str(error))
                    log.error("worker not restarted", detail=str(error), failed_starts=self.failed_starts)
                    if hopeless == MAX_FAILED_STARTS:
                        raise
                else:
                    self.failed_starts = hopeless = 0

    async def _release_when_idle(self) -> None:
        """Give the card back whenever no job has come for ``idle_release_s``, until cancelled."""
        idle_s = self._config.idle_release_s
        while True:
            left_s = self._used_s + idle_s - _now_s()
            if left_s <= 0 and self.is_idle:
                self._ask_to_end(HostState.RELEASED, f"no job for {idle_s / 60:.0f} minutes")
            await asyncio.sleep(left_s if left_s > 0 else idle_s)

    def _ask_to_end(self, state: HostState, reason: str) -> bool:
        if not self._is_up.is_set() or self._is_closed.is_set():
            return False
        log.info("worker ends", becomes=state.value, reason=reason)
        self.state = state
        self.ends[state] += 1
        self._is_up.clear()  # further jobs wait
        self._is_wanted.clear()
        self._end_if_drained()
        return True

    def _end_if_drained(self) -> None:
        """End the worker that is asked to, once it holds no job."""
        is_asked = self.state in ENDING and self.info is not None
        if is_asked and not any(render.worker for render in self._renders.values()):
            self._mark_down()
            self._is_asked_to_end.set()

    def _note_loss(self, detail: str) -> None:
        self.state = HostState.LOST
        self.ends[HostState.LOST] += 1
        self.errors.append(WorkerError(time.time(), detail))

    def _mark_down(self) -> None:
        self._is_up.clear()
        self.info, self._newest = None, None


@dataclass(eq=False, slots=True)
class _Render:
    """One call of ``render``; ``worker`` is set once a worker has the job."""

    request: RenderRequest
    is_cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    worker: WorkerProcess | None = None


def _now_s() -> float:
    return asyncio.get_running_loop().time()


async def _wait_for_any(events: Sequence[asyncio.Event], timeout_s: float | None) -> None:
    """Wait until one of the events is set, or until the timeout."""
    if any(event.is_set() for event in events):
        return
    waits = [asyncio.create_task(event.wait(), name="wait for a worker") for event in events]
    try:
        await asyncio.wait(waits, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
