"""One worker process: starts it, sends messages, receives events, and ends it."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from typing import IO, Self

import structlog

from engine import wire
from engine.config import EngineConfig
from engine.errors import JobNotStarted, WireError, WorkerLost, WorkerNotReady
from engine.host.in_flight import InFlightJobs
from engine.host.output import WorkerOutput
from engine.request import (
    Drawn,
    Event,
    Failed,
    Finished,
    Progress,
    RenderRequest,
    Stopped,
    WorkerInfo,
)

SHUTDOWN_S = 5.0  # for a worker to end by itself: one step and the end of the interpreter
TERMINATE_S = 5.0  # after SIGTERM
OUTPUT_S = 1.0  # for the last lines of a worker that has ended; a process that it started may hold the pipe
# A worker downloads nothing, so it needs neither tokens nor proxies.
_SECRETS = ("TOKEN", "SECRET", "PASSWORD", "PASSWD", "API_KEY", "CREDENTIAL")

log = structlog.get_logger("engine.host")


class WorkerProcess:
    """One worker, from its start to its end.

    Attributes:
        info: What the worker reports about itself; set by ``wait_until_ready``.
        is_lost: The worker has closed its end of the socket; messages to it are dropped.
        has_drawn: It has finished a job.
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
        self._is_reaped = False  # another process may have its number by now
        self._config = config
        self._process = process
        self._reader = reader
        self._writer = writer
        self._pipe = pipe
        self._output = WorkerOutput(process.pid)
        self._in_flight = InFlightJobs(config.step_timeout_s, self._kill_hung)
        self._greeting: asyncio.Future[wire.Message | None] = asyncio.get_running_loop().create_future()
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
                printed, pipe, their_end = await _output_pipe()
                unless_started.callback(pipe.close)
                with their_end:
                    process = await asyncio.create_subprocess_exec(
                        sys.executable, "-m", module, str(theirs.fileno()),
                        pass_fds=[theirs.fileno()],
                        env=worker_environment(os.environ),
                        stdin=asyncio.subprocess.DEVNULL,
                        stdout=their_end,
                        stderr=asyncio.subprocess.STDOUT,
                        start_new_session=True,  # Ctrl-C reaches only us; we end the worker in order
                    )  # fmt: skip
                unless_started.pop_all()
        return cls(config, process, reader, writer, printed, pipe)

    async def wait_until_ready(self) -> WorkerInfo:
        """Send the configuration, and wait until the model is loaded.

        Raises:
            ModelError: As the worker reports it.
            WorkerNotReady: The worker ended or was too slow.
        """
        timeout_s = self._config.start_timeout_s
        self.send(self._config)
        try:
            async with asyncio.timeout(timeout_s):
                answer = await self._greeting
        except TimeoutError:
            raise WorkerNotReady(f"The worker was not ready within {timeout_s:.0f} s.") from None
        match answer:
            case WorkerInfo():
                self.info = answer
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

        Args:
            request: Sent to the worker at once.
            listen: Receives ``Progress`` and ``Drawn`` of this attempt, in order.

        Raises:
            WorkerLost: The worker ended, or was killed because it reported nothing for ``step_timeout_s``.
                JobNotStarted: it drew another job at that time.
            WireError: The request cannot be encoded.
        """
        if self._in_flight.is_closed:
            raise JobNotStarted
        self.send(request)
        if request.prompt:
            self._output.prompts.append(request.prompt)
        job = self._in_flight.add(request)
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
        self._writer.close()
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

    def _kill_hung(self) -> None:
        self._signal(signal.SIGKILL)
        self._in_flight.fail_all(
            f"The worker took no step in {self._config.step_timeout_s:.0f} s and was ended."
        )

    async def _close_after_end(self) -> None:
        """Close the socket when the worker has ended: a process that it started may hold the other end."""
        await self._process.wait()
        await asyncio.wait([self._receiving], timeout=OUTPUT_S)  # its last events
        self._writer.close()

    async def _receive(self) -> None:
        """Handle the worker's messages until its end of the socket closes."""
        try:
            while (message := await wire.receive(self._reader)) is not None:
                match message:
                    case Progress() | Drawn() | Finished() | Stopped() | Failed():
                        self._in_flight.dispatch(message)
                    case wire.CardFault():
                        self._in_flight.set_cause(message.job_id, message.attempt)
                    case _ if not self._greeting.done():
                        self._greeting.set_result(message)
                    case _:
                        log.error("worker sends an unexpected message and is killed", pid=self._process.pid)
                        self._signal(signal.SIGKILL)
        except WireError as error:
            log.error(
                "worker sends a malformed message and is killed", pid=self._process.pid, detail=str(error)
            )
            self._signal(signal.SIGKILL)
        self.is_lost.set()
        self._in_flight.fail_all()
        if not self._greeting.done():
            self._greeting.set_result(None)


def worker_environment(ours: Mapping[str, str]) -> dict[str, str]:
    """Return our environment without tokens, passwords and proxies."""
    return {
        name: value
        for name, value in ours.items()
        if not name.upper().endswith("_PROXY") and not any(secret in name.upper() for secret in _SECRETS)
    }


async def _output_pipe() -> tuple[asyncio.StreamReader, asyncio.ReadTransport, IO[bytes]]:
    """Open a pipe; return a reader of its read end, the transport that closes that end, and the write end."""
    read_end, write_end = os.pipe()
    ours, theirs = os.fdopen(read_end, "rb", 0), os.fdopen(write_end, "wb", 0)
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    pipe, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), ours)
    return reader, pipe, theirs
