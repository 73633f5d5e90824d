"""One life of the child process: its start, what is said to it and by it, and its end."""

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
from engine.errors import NotBegun, WireError, WorkerLost, WorkerNotReady
from engine.host.hand import Hand
from engine.host.output import Output
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

ASK_S = 5.0  # for a worker to end by itself: one step and the end of the interpreter
TERMINATE_S = 5.0  # after SIGTERM
OUTPUT_S = 1.0  # for the last lines of a worker that is gone; a process that it left behind may hold the pipe
# A worker draws and fetches nothing, so it needs neither tokens nor the way through a proxy.
_SECRETS = ("TOKEN", "SECRET", "PASSWORD", "PASSWD", "API_KEY", "CREDENTIAL")

log = structlog.get_logger("engine.host")


class Life:
    """One worker.

    Attributes:
        info: What it says of itself; there once it is ready.
        is_lost: Its end of the socket has closed; it can be told nothing more.
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
        self._is_gone = False  # its number may belong to another process by now
        self._config = config
        self._process = process
        self._reader = reader
        self._writer = writer
        self._pipe = pipe
        self._output = Output(process.pid)
        self._hand = Hand(config.step_timeout_s, self._end_of_patience)
        self._greeting: asyncio.Future[wire.Message | None] = asyncio.get_running_loop().create_future()
        self._answering = asyncio.create_task(self._receive(), name=f"worker {process.pid} answers")
        self._printing = asyncio.create_task(self._output.read(printed), name=f"worker {process.pid} output")
        self._completion = asyncio.create_task(self._see_end(), name=f"worker {process.pid} end")

    @classmethod
    async def spawn(cls, config: EngineConfig, module: str) -> Self:
        """Start the process, with one end of a socket pair as its only open file.

        Raises:
            OSError: The system refused another process or socket.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            reader, writer = await asyncio.open_connection(sock=ours)
            with contextlib.ExitStack() as unless_started:
                unless_started.callback(writer.close)
                # Not asyncio's own pipe: that one cannot be closed while a process left behind holds it.
                printed, pipe, their_end = await _output_pipe()
                unless_started.callback(pipe.close)
                with their_end:
                    process = await asyncio.create_subprocess_exec(
                        sys.executable, "-m", module, str(theirs.fileno()),
                        pass_fds=[theirs.fileno()],
                        env=environment(os.environ),
                        stdin=asyncio.subprocess.DEVNULL,
                        stdout=their_end,
                        stderr=asyncio.subprocess.STDOUT,
                        start_new_session=True,  # Ctrl-C at a terminal reaches us alone; we end it in order
                    )  # fmt: skip
                unless_started.pop_all()
        return cls(config, process, reader, writer, printed, pipe)

    async def ready(self) -> WorkerInfo:
        """Tell the worker what to load, and wait until it has.

        Raises:
            ModelError: As the worker says.
            WorkerNotReady: It ended or was too slow.
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
        """Send an order; one to a worker that is gone is dropped.

        Raises:
            WireError: The message cannot be sent to anybody.
        """
        frame = wire.encode(message)
        if not self.is_lost.is_set():
            self._writer.write(frame)

    async def draw(
        self, request: RenderRequest, listen: Callable[[Event], None]
    ) -> Finished | Stopped | Failed:
        """Have the worker draw a job as soon as it has drawn those that it was given before.

        Args:
            request: Goes to the worker at once.
            listen: Gets ``Progress`` and ``Drawn`` of this very try, in order.

        Raises:
            WorkerLost: The worker ended, or said nothing of this job for ``step_timeout_s`` and was ended;
                NotBegun where it was another job that it drew.
            WireError: The request cannot be sent to anybody.
        """
        if self._hand.is_lost:
            raise NotBegun
        self.send(request)
        self._output.withhold(request.prompt)
        handed = self._hand.take(request)
        try:
            while True:
                event = await handed.next_event()
                if isinstance(event, Progress | Drawn):
                    listen(event)
                    continue
                self.has_drawn |= isinstance(event, Finished)
                return event
        except WorkerLost:
            raise
        except BaseException:  # our task was cancelled, or the listener failed
            self.send(wire.CancelJob(request.job_id, request.attempt))
            raise

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
        await asyncio.wait([self._answering, self._completion])
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
        """Signal the process and its children; they share a group of their own."""
        if not self._is_gone:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def _end_of_patience(self) -> None:
        self._signal(signal.SIGKILL)
        self._hand.lose(f"The worker took no step in {self._config.step_timeout_s:.0f} s and was ended.")

    async def _see_end(self) -> None:
        """Close the socket of a worker that has ended: a process that it left may hold the other end."""
        await self._process.wait()
        await asyncio.wait([self._answering], timeout=OUTPUT_S)  # what it said last
        self._writer.close()

    async def _receive(self) -> None:
        """Take in what the worker says until its end of the socket closes."""
        try:
            while (message := await wire.receive(self._reader)) is not None:
                self._hear(message)
        except WireError as error:
            log.error("worker speaks nonsense and is ended", pid=self._process.pid, detail=str(error))
            self._signal(signal.SIGKILL)
        self.is_lost.set()
        self._hand.lose()
        if not self._greeting.done():
            self._greeting.set_result(None)

    def _hear(self, message: wire.Message) -> None:
        if isinstance(message, Progress | Drawn | Finished | Stopped | Failed):
            self._hand.hear(message)
        elif isinstance(message, wire.CardFault):
            self._hand.blame(message.job_id, message.attempt)
        elif not self._greeting.done():
            self._greeting.set_result(message)
        else:
            log.error("worker speaks out of turn and is ended", pid=self._process.pid)
            self._signal(signal.SIGKILL)


def environment(ours: Mapping[str, str]) -> dict[str, str]:
    """Return what a worker may know of our environment: no tokens, passwords or proxies."""
    return {
        name: value
        for name, value in ours.items()
        if not name.upper().endswith("_PROXY") and not any(secret in name.upper() for secret in _SECRETS)
    }


async def _output_pipe() -> tuple[asyncio.StreamReader, asyncio.ReadTransport, IO[bytes]]:
    """Open a pipe: a reader of its one end, what closes that, and the other end."""
    read_end, write_end = os.pipe()
    ours, theirs = os.fdopen(read_end, "rb", 0), os.fdopen(write_end, "wb", 0)
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    pipe, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), ours)
    return reader, pipe, theirs
