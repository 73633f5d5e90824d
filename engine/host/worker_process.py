"""One worker process: starts it, sends it jobs, delivers their events, detects a hang, and ends it.

The worker draws its first job. The next job is ready in the worker, so that the card goes on without a pause.
Its events also tell what it holds of its device, and how long it may be silent.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Self

import structlog

from engine import wire
from engine.config import EngineConfig, Plan
from engine.errors import JobNotStarted, WireError, WorkerLost, WorkerNotReady
from engine.host.environment import with_kernels_dir, worker_environment
from engine.host.output import WorkerOutput, open_pipe
from engine.planner.costs.book import value_at
from engine.planner.costs.priors import STEP_S
from engine.planner.monitor import WorkerShare
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

MAX_IN_FLIGHT = 2  # one is drawn and one is ready; a third would only leave the scheduler too early
SHUTDOWN_S = 5.0  # for a worker to end by itself: one step and the end of the interpreter
TERMINATE_S = 5.0  # after SIGTERM
OUTPUT_S = 1.0  # for the last lines of a worker that has ended; a process that it started may hold the pipe
LEAST_S = 25.0  # of silence; a kernel that must be built first takes about ten seconds
USUAL_STEPS = 10  # a step that takes longer than so many usual ones counts as hung
NEWEST = 64  # steps that make the usual one

log = structlog.get_logger("engine.host")


@dataclass(eq=False, slots=True)
class InFlightJob:
    """A job that the worker holds.

    Attributes:
        has_started: The worker has reported it, so it may have begun to draw it.
        events: Its events in order; a WorkerLost is the last.
    """

    request: RenderRequest
    has_started: bool = False
    events: "asyncio.Queue[Event | WorkerLost]" = field(default_factory=asyncio.Queue)


class HeldMemory:
    """What a worker holds of its device, as far as it reports it: at its start, and with the events of jobs.

    Attributes:
        bytes: The device memory that it holds and will use again.
        share: What of it is what.
        is_measured: Whether it has reported this after its last job. Weights alone are less than what a
            worker holds, and so is the last report while the next job is drawn.
    """

    def __init__(self, weights_bytes: int = 0) -> None:
        self.bytes = self._weights_bytes = weights_bytes
        self.share = WorkerShare(weights_bytes, weights_bytes)
        self.is_measured = False

    def note(self, event: Event) -> None:
        """Note what a job's event tells."""
        self.is_measured = False  # it may hold more than before
        match event:
            case Progress():
                self.bytes = event.held_bytes or self.bytes
            case Finished():
                self.bytes = event.held_bytes or max(self.bytes, event.peak_bytes)
                weights_bytes = (event.kept_bytes or self._weights_bytes) - event.lora_bytes
                self.share = WorkerShare(self.bytes, max(0, weights_bytes), event.lora_bytes)
                self.is_measured = True
            case Failed(reason=FailReason.OUT_OF_MEMORY):
                self.bytes = self._weights_bytes + self.share.lora_bytes  # not measured: it keeps LoRAs


class StepWatch:
    """Measures the steps of one worker.

    Args:
        most_s: The limit while nothing is measured, and the largest at any time.
    """

    def __init__(self, most_s: float) -> None:
        self._most_s = most_s
        self._steps: deque[float] = deque(maxlen=NEWEST)  # seconds, in steps of ``STEP_S`` of their size
        self._last: tuple[Progress, float] | None = None

    def limit_s(self, request: RenderRequest) -> float:
        """Return the longest silence about a job that is being drawn; a larger picture has longer steps."""
        if not self._steps:
            return self._most_s
        usual_s = max(self._steps) * value_at(STEP_S, request.width_px * request.height_px)
        return min(self._most_s, max(LEAST_S, USUAL_STEPS * usual_s))

    def note(self, request: RenderRequest, event: Event, now_s: float) -> None:
        """Measure the time between two steps of one picture.

        The first step counts for nothing: it comes after the prompt, a merge, and kernels that are built.
        """
        before, self._last = self._last, None
        if not isinstance(event, Progress):
            return
        self._last = (event, now_s)
        if before is None:
            return
        earlier, then_s = before
        is_next = (earlier.job_id, earlier.attempt, earlier.index, earlier.step + 1) == (
            event.job_id, event.attempt, event.index, event.step
        )  # fmt: skip
        if is_next and earlier.step > 0:
            self._steps.append((now_s - then_s) / value_at(STEP_S, request.width_px * request.height_px))


class WorkerProcess:
    """One worker, from its start to its end.

    Attributes:
        info: What the worker reports about itself; set by ``wait_until_ready``.
        is_lost: The worker has closed its end of the socket; messages to it are dropped.
        has_drawn: It has finished a job.
        held: What it holds of its device.
    """

    info: WorkerInfo

    def __init__(
        self,
        config: EngineConfig,
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        printed: asyncio.StreamReader,
        pipe: asyncio.BaseTransport,
    ) -> None:
        self.is_lost = asyncio.Event()
        self.has_drawn = False
        self.held = HeldMemory()
        self._is_reaped = False  # another process may have its number by now
        self._config = config
        self._process = process
        self._reader = reader
        self._writer = writer
        self._pipe = pipe
        self._output = WorkerOutput(process.pid)
        self._jobs: list[InFlightJob] = []  # in the order in which the worker draws them
        self._cause: tuple[str, int] | None = None  # the attempt because of which the worker ends
        self._watch = StepWatch(config.step_timeout_s)
        self._time_limit = asyncio.timeout(None)  # for the next report about the first job; others have none
        self._loop = asyncio.get_running_loop()
        self._first_message: asyncio.Future[wire.Message | None] = self._loop.create_future()
        self._receiving = asyncio.create_task(self._receive(), name=f"worker {process.pid} events")
        self._printing = asyncio.create_task(self._output.read(printed), name=f"worker {process.pid} output")
        self._closing = asyncio.create_task(self._close_after_end(), name=f"worker {process.pid} end")

    @classmethod
    async def start(cls, config: EngineConfig, module: str) -> Self:
        """Start the process; one end of a socket pair is its only open file.

        Raises:
            OSError: The system refused another process or socket.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            reader, writer = await asyncio.open_connection(sock=ours)
            with contextlib.ExitStack() as unless_started:
                unless_started.callback(writer.close)
                # Not asyncio's own pipe: that one cannot be closed while another process holds it.
                printed, pipe, their_end = await open_pipe()
                unless_started.callback(pipe.close)
                with their_end:
                    process = await asyncio.create_subprocess_exec(
                        sys.executable, "-m", module, str(theirs.fileno()),
                        pass_fds=[theirs.fileno()],
                        env=with_kernels_dir(worker_environment(os.environ), config),
                        stdin=asyncio.subprocess.DEVNULL,
                        stdout=their_end,
                        stderr=asyncio.subprocess.STDOUT,
                        start_new_session=True,  # Ctrl-C reaches only us; we end the worker in order
                    )  # fmt: skip
                unless_started.pop_all()
        return cls(config, process, reader, writer, printed, pipe)

    async def wait_until_ready(self, plan: Plan | None = None) -> WorkerInfo:
        """Send the configuration, and wait until the model is loaded.

        Args:
            plan: Of this moment; a spare process may have been started long ago.

        Raises:
            ModelError: As the worker reports it.
            WorkerNotReady: The worker ended or was too slow.
        """
        timeout_s = self._config.start_timeout_s
        self.send(replace(self._config, plan=plan))
        try:
            async with asyncio.timeout(timeout_s):
                answer = await self._first_message
        except TimeoutError:
            raise WorkerNotReady(f"The worker was not ready within {timeout_s:.0f} s.") from None
        match answer:
            case WorkerInfo():
                self.info, self.held = answer, HeldMemory(answer.weights_bytes)
                return answer
            case wire.StartFailed():
                raise answer.to_error()
            case _:
                status = await self.end(ask=False)
                raise WorkerNotReady(f"The worker ended while it started, with status {status}.")

    def send(self, message: wire.HostMessage) -> None:
        """Send a message; if the worker is lost, drop it.

        Raises:
            WireError: The message cannot be encoded.
        """
        frame = wire.encode(message)
        if not self.is_lost.is_set():
            self._writer.write(frame)

    async def draw(
        self, request: RenderRequest, listen: Callable[[Event], None]
    ) -> Finished | Stopped | Failed:
        """Let the worker draw a job after those that it holds already.

        The worker holds the job until it reports the job's end, even if the caller has left.

        Args:
            request: Sent to the worker at once.
            listen: Receives ``Progress`` and ``Drawn`` of this attempt, in order.

        Raises:
            WorkerLost: The worker ended, or was killed because it was silent for too long (``StepWatch``).
                JobNotStarted: it drew another job at that time.
            WireError: The request cannot be encoded.
        """
        if self.is_lost.is_set():
            raise JobNotStarted
        self._writer.write(wire.encode(request))
        cells = [cell.prompt for cell in request.cells]
        self._output.prompts += {request.prompt, *request.prompts, *cells} - {""}
        self.held.is_measured = False
        job = InFlightJob(request)
        self._jobs.append(job)
        if len(self._jobs) == 1:
            self._time_limit.reschedule(self._loop.time() + self._watch.limit_s(request))
        try:
            while isinstance(event := await job.events.get(), Progress | Drawn):
                listen(event)
        except BaseException:  # our task was cancelled, or the listener failed
            self.send(wire.CancelJob(request.job_id, request.attempt))
            raise
        if isinstance(event, WorkerLost):
            raise event
        self.has_drawn |= isinstance(event, Finished)
        return event

    async def end(self, *, ask: bool) -> int:
        """End the process and all that it started; return its exit status, negative for a signal.

        Args:
            ask: Let it end by itself first, then by SIGTERM. A lost worker has time to end by itself anyway.
        """
        if ask:
            self.send(wire.Shutdown())
        if ask or self.is_lost.is_set():
            await self._ends_within(SHUTDOWN_S)
        if ask and self._process.returncode is None:
            log.warning("worker does not end when asked", pid=self._process.pid)
            self._signal(signal.SIGTERM)
            await self._ends_within(TERMINATE_S)
        self._signal(signal.SIGKILL)
        status = await self._process.wait()
        self._is_reaped = True
        self._writer.transport.abort()  # nobody reads what was not sent
        await asyncio.wait([self._receiving, self._closing])
        await asyncio.wait([self._printing], timeout=OUTPUT_S)
        if self._printing.cancel():
            log.warning("a process that the worker started holds its output", pid=self._process.pid)
            await asyncio.wait([self._printing])
        self._pipe.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()
        return status

    async def _ends_within(self, timeout_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        """Signal the process and its children, which share a process group."""
        if not self._is_reaped:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    async def _close_after_end(self) -> None:
        """Close the socket when the worker has ended: a process that it started may hold the other end."""
        await self._process.wait()
        await asyncio.wait([self._receiving], timeout=OUTPUT_S)  # its last events
        self._writer.transport.abort()

    async def _receive(self) -> None:
        """Handle the worker's messages until its end of the socket closes, or until it hangs."""
        message = ""
        try:
            async with self._time_limit:
                while (received := await wire.receive(self._reader)) is not None:
                    match received:
                        case Progress() | Drawn() | Finished() | Stopped() | Failed():
                            self._dispatch(received)
                        case wire.CardFault():
                            self._cause = (received.job_id, received.attempt)
                        case _ if not self._first_message.done():
                            self._first_message.set_result(received)
                        case _:
                            log.error(
                                "worker sends an unexpected message and is killed", pid=self._process.pid
                            )
                            self._signal(signal.SIGKILL)
        except TimeoutError:
            limit_s = self._watch.limit_s(self._jobs[0].request)
            message = f"The worker took no step in {limit_s:.0f} s and was ended."
            self._signal(signal.SIGKILL)
        except WireError as error:
            log.error(
                "worker sends a malformed message and is killed", pid=self._process.pid, detail=str(error)
            )
            self._signal(signal.SIGKILL)
        self.is_lost.set()
        self._fail_jobs(message)
        if not self._first_message.done():
            self._first_message.set_result(None)

    def _dispatch(self, event: Event) -> None:
        """Deliver an event to its job; ignore one of an attempt that is not in flight."""
        attempt = (event.job_id, event.attempt)
        found = [job for job in self._jobs if (job.request.job_id, job.request.attempt) == attempt]
        if not found:
            log.debug("late event ignored", job_id=event.job_id, attempt=event.attempt)
            return
        job = found[0]
        self.held.note(event)
        is_first = job is self._jobs[0]
        job.has_started = True
        job.events.put_nowait(event)
        if not isinstance(event, Progress | Drawn):
            self._jobs.remove(job)
        if is_first:
            now_s = self._loop.time()
            self._watch.note(job.request, event, now_s)
            self._time_limit.reschedule(
                now_s + self._watch.limit_s(self._jobs[0].request) if self._jobs else None
            )

    def _fail_jobs(self, message: str) -> None:
        """End all jobs, because the worker is gone.

        If the worker has named the attempt because of which it ends, only that one gets WorkerLost; all
        others get JobNotStarted. Without a known cause the first job gets WorkerLost, and so does every other
        that may have started. The first also if the worker reported nothing about it: it may have ended the
        worker before any report.
        """
        failed, self._jobs = self._jobs, []
        is_cause = [(job.request.job_id, job.request.attempt) == self._cause for job in failed]
        for index, job in enumerate(failed):
            is_lost = is_cause[index] if any(is_cause) else index == 0 or job.has_started
            job.events.put_nowait(WorkerLost(message) if is_lost else JobNotStarted())
