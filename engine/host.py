"""The asyncio side of one worker process: starts it, feeds it one job at a time, watches it, starts it anew.

A worker that dies or hangs costs its job one try (``WorkerLost``) and is replaced behind the scenes, later
and later while replacements keep failing. No state outlives it, so nothing has to be repaired. When the
host's process dies, the socket closes and the worker ends by itself. Knows no torch and no people.
"""

import asyncio
import contextlib
import os
import re
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

import structlog

from engine import wire
from engine.config import EngineConfig
from engine.errors import ModelError, WireError, WorkerLost, WorkerNotReady
from engine.request import (
    Drawn,
    Event,
    Failed,
    FailReason,
    Finished,
    Progress,
    RenderRequest,
    Stopped,
    WorkerInfo,
)

log = structlog.get_logger("engine.host")

ASK_S = 5.0  # for a worker to end by itself: one step and the end of the interpreter
TERMINATE_S = 5.0  # after SIGTERM
FIRST_PAUSE_S = 1.0  # before a restart; doubled with each that leads to no picture
LONGEST_PAUSE_S = 120.0
MAX_FAILED_STARTS = 8  # in a row, about four minutes apart in all; then only the host can help
LONGEST_LINE = 8192  # of the worker's output; what is longer is logged in pieces
_MODEL_ERRORS = {kind.__name__: kind for kind in ModelError.__subclasses__()}


class Host:
    """One worker process and its replacements.

    Args:
        config: What the worker is told at start; its model must be on disk (``find_model``).
        module: The module that is run as the child.
    """

    def __init__(self, config: EngineConfig, module: str = "engine.worker") -> None:
        self._config = config
        self._module = module
        self._worker: _Worker | None = None  # the newest, also after it was lost
        self._info: WorkerInfo | None = None
        self._held_bytes = 0
        self._is_up = asyncio.Event()
        self._is_closed = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()  # the worker draws one job at a time
        self._jobs: dict[str, _Job] = {}

    @property
    def info(self) -> WorkerInfo | None:
        """What the present worker says of itself; None while there is none."""
        return self._info

    def held_bytes(self) -> int:
        """Memory of the device that the worker holds and will use again, as far as its answers tell."""
        return self._held_bytes

    async def start(self) -> WorkerInfo:
        """Start the first worker and wait until it is ready; call it once.

        Raises:
            ModelError: The model cannot be loaded. The person who runs this must act.
            WorkerNotReady: The process ended or was not ready in time; its log says more.
        """
        worker = await self._start_worker()
        self._keeper = asyncio.create_task(self._keep(worker), name="keep worker")
        return worker.info

    async def render(
        self, request: RenderRequest, listen: Callable[[Event], None]
    ) -> Finished | Stopped | Failed:
        """Have a job drawn, after those asked for before it.

        Args:
            request: The job; its id must not be in another ``render`` that still goes on.
            listen: Gets ``Progress`` and ``Drawn`` of this very attempt, in order, on the event loop.

        Raises:
            WorkerLost: The worker ended or hung meanwhile; another is being started. Try the job again.
            WorkerNotReady: No worker became ready within the start timeout, or the host is closed.
        """
        job = _Job(request)
        self._jobs[request.job_id] = job
        try:
            async with self._turn:
                await _first_of(
                    self._is_up, self._is_closed, job.cancel, timeout_s=self._config.start_timeout_s
                )
                if job.cancel.is_set():
                    return Stopped(request.job_id, request.attempt)
                if self._worker is None or not self._is_up.is_set() or self._is_closed.is_set():
                    raise WorkerNotReady
                return await self._draw(self._worker, job, listen)
        finally:
            if self._jobs.get(request.job_id) is job:
                del self._jobs[request.job_id]

    def cancel(self, job_id: str) -> None:
        """Stop a job after its current step, or before it begins; unknown ids are ignored."""
        job = self._jobs.get(job_id)
        if job is not None:
            job.cancel.set()
            if job.worker is not None:
                job.worker.send(wire.Cancel(job_id, job.request.attempt))

    async def close(self) -> None:
        """End the worker: ask, then SIGTERM, then SIGKILL. A running job answers ``Stopped`` or is lost."""
        self._is_closed.set()
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
        if self._worker is not None:
            await self._worker.end(ask=True)
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
        self, worker: "_Worker", job: "_Job", listen: Callable[[Event], None]
    ) -> Finished | Stopped | Failed:
        request = job.request
        try:
            worker.send(request)
        except WireError as error:
            return Failed(request.job_id, request.attempt, FailReason.WORKER_ERROR, str(error))
        job.worker = worker
        try:
            outcome = await self._outcome(worker, request, listen)
        except WorkerLost:
            if self._worker is worker:
                self._mark_down()  # at once, so that the next job does not meet it
            raise
        except BaseException:  # our task was cancelled, or the listener failed
            worker.send(wire.Cancel(request.job_id, request.attempt))
            raise
        finally:
            job.worker = None
        if isinstance(outcome, Finished):
            worker.has_drawn = True
            self._held_bytes = max(self._held_bytes, outcome.peak_bytes)
        return outcome

    async def _outcome(
        self, worker: "_Worker", request: RenderRequest, listen: Callable[[Event], None]
    ) -> Finished | Stopped | Failed:
        while True:
            event = await worker.next_event(self._config.step_timeout_s)
            if (event.job_id, event.attempt) != (request.job_id, request.attempt):
                log.debug("late event ignored", job_id=event.job_id, attempt=event.attempt)
            elif isinstance(event, Progress | Drawn):
                listen(event)
            else:
                return event

    async def _start_worker(self) -> "_Worker":
        try:
            worker = await _Worker.spawn(self._module)
        except OSError as error:
            raise WorkerNotReady(f"The worker process could not be started: {error}.") from error
        try:
            worker.info = await worker.ready(self._config)
        except BaseException:
            await worker.end(ask=False)
            raise
        self._worker, self._info, self._held_bytes = worker, worker.info, worker.info.weights_bytes
        self._is_up.set()
        log.info("worker ready", pid=worker.info.pid, device=worker.info.device_name, dtype=worker.info.dtype)
        return worker

    async def _keep(self, worker: "_Worker") -> None:
        """Replace every worker that ends, until cancelled or no new one starts any more."""
        pause_s, failures = FIRST_PAUSE_S, 0
        while True:
            await worker.is_lost.wait()
            self._mark_down()
            status = await worker.end(ask=False)
            log.error("worker ended", pid=worker.info.pid, status=status)
            if worker.has_drawn:
                pause_s = FIRST_PAUSE_S
            while not self._is_up.is_set():
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
                try:
                    worker = await self._start_worker()
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
    """A job between ``render`` and its end; ``worker`` is set while that worker has it."""

    request: RenderRequest
    cancel: asyncio.Event = field(default_factory=asyncio.Event)
    worker: "_Worker | None" = None


class _Worker:
    """One life of the child process."""

    info: WorkerInfo

    def __init__(
        self, process: asyncio.subprocess.Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.is_lost = asyncio.Event()
        self.has_drawn = False
        self._is_gone = False  # its number may belong to another process by now
        self._process = process
        self._reader = reader
        self._writer = writer
        self._answers: asyncio.Queue[wire.Message | None] = asyncio.Queue()
        self._tasks = [
            asyncio.create_task(self._receive(), name=f"worker {process.pid} answers"),
            asyncio.create_task(self._tell(), name=f"worker {process.pid} log"),
        ]

    @classmethod
    async def spawn(cls, module: str) -> Self:
        """Start the process, with one end of a socket pair as its only open file.

        Raises:
            OSError: The system refused another process or socket.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            reader, writer = await asyncio.open_connection(sock=ours)
            with contextlib.ExitStack() as unless_started:
                unless_started.callback(writer.close)
                process = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", module, str(theirs.fileno()),
                    pass_fds=[theirs.fileno()],
                    env={name: value for name, value in os.environ.items() if "TOKEN" not in name},
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.STDOUT,
                    start_new_session=True,  # Ctrl-C at a terminal reaches us alone; we end it in order
                )  # fmt: skip
                unless_started.pop_all()
        return cls(process, reader, writer)

    async def ready(self, config: EngineConfig) -> WorkerInfo:
        """Tell the worker what to load, and wait until it has.

        Raises:
            ModelError: As the worker says.
            WorkerNotReady: It ended or was too slow.
        """
        self.send(config)
        try:
            async with asyncio.timeout(config.start_timeout_s):
                answer = await self._answers.get()
        except TimeoutError:
            raise WorkerNotReady(f"The worker was not ready within {config.start_timeout_s:.0f} s.") from None
        match answer:
            case WorkerInfo():
                return answer
            case wire.StartFailed():
                raise _MODEL_ERRORS.get(answer.error, ModelError)(answer.message, **answer.facts)
            case _:
                status = await self.end(ask=False)
                raise WorkerNotReady(f"The worker ended while it started, with status {status}.")

    def send(self, message: wire.Order) -> None:
        """Send an order; one to a worker that is gone is dropped.

        Raises:
            WireError: The message cannot be sent to anybody.
        """
        frame = wire.encode(message)
        if not self.is_lost.is_set():
            self._writer.write(frame)

    async def next_event(self, timeout_s: float) -> Event:
        """Wait for the worker's next word on any job.

        Raises:
            WorkerLost: It ended, or said nothing for ``timeout_s`` and was ended.
        """
        if self.is_lost.is_set() and self._answers.empty():
            raise WorkerLost
        try:
            async with asyncio.timeout(timeout_s):
                answer = await self._answers.get()
        except TimeoutError:
            self._signal(signal.SIGKILL)
            raise WorkerLost(f"The worker took no step in {timeout_s:.0f} s and was ended.") from None
        if isinstance(answer, Progress | Drawn | Finished | Stopped | Failed):
            return answer
        if answer is not None:
            log.error("worker speaks out of turn and is ended", pid=self._process.pid)
            self._signal(signal.SIGKILL)
        raise WorkerLost

    async def end(self, *, ask: bool) -> int:
        """End the process and all that it started; returns its exit status, negative for a signal.

        Args:
            ask: Let it end by itself first, then by SIGTERM. One whose socket is closed is on its way anyway.
        """
        if ask:
            self.send(wire.Shutdown())
        if ask or self.is_lost.is_set():
            await self._ends_within(ASK_S)
        if ask and self._process.returncode is None:
            log.warning("worker does not end when asked", pid=self._process.pid)
            self._signal(signal.SIGTERM)
            await self._ends_within(TERMINATE_S)
        self._signal(signal.SIGKILL)
        status = await self._process.wait()
        self._is_gone = True
        self._writer.close()
        await asyncio.wait(self._tasks)
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()
        return status

    async def _ends_within(self, timeout_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        """Signal the process and its children; they share a group of their own."""
        if not self._is_gone:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    async def _receive(self) -> None:
        """Read answers until the worker's end of the socket closes."""
        try:
            while (message := await wire.receive(self._reader)) is not None:
                self._answers.put_nowait(message)
        except WireError as error:
            log.error("worker speaks nonsense and is ended", pid=self._process.pid, detail=str(error))
            self._signal(signal.SIGKILL)
        self.is_lost.set()
        self._answers.put_nowait(None)

    async def _tell(self) -> None:
        """Put what the worker prints into our log, until it and its children have closed their output."""
        output = self._process.stdout
        assert output is not None  # noqa: S101 - PIPE was asked for
        pending = b""
        while piece := await output.read(LONGEST_LINE):
            *lines, pending = re.split(rb"[\r\n]+", pending + piece)
            if len(pending) >= LONGEST_LINE:
                lines, pending = [*lines, pending], b""
            for line in lines:
                wire.relay(line)
        wire.relay(pending)


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
