"""A scripted worker process: the test sends, prints and ends for it. No process is started."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pytest

from engine import wire
from engine.config import EngineConfig
from engine.host import worker_process as process_module
from engine.host.worker_process import WorkerProcess
from engine.request import Event, RenderRequest, WorkerInfo
from tests.unit.engine.host.clock import Clock, jumping_clock

CONFIG = EngineConfig(Path("var"), Path("shelf"), start_timeout_s=300, step_timeout_s=120)
INFO = WorkerInfo(1, "cuda:0", "a card", "bfloat16", "", "tiny", 1.0, 1000)
A, B, C = (RenderRequest(job_id, 1, "a face", 512, 768, 7) for job_id in "abc")


@dataclass
class Child:
    """A process that does what its test wants.

    Attributes:
        obeys: Signals that end it, besides SIGKILL.
        signals: Every signal that its group received, and when.
        options: How it was started.
        leaves_a_process: Something that it started holds its socket and its output after its end.
    """

    clock: Clock
    pid: int = 4242
    returncode: int | None = None
    obeys: set[signal.Signals] = field(default_factory=set)
    signals: list[tuple[signal.Signals, float]] = field(default_factory=list)
    command: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    leaves_a_process: bool = False
    _ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self, *command: str, **options: Any) -> "Child":
        """As ``create_subprocess_exec``; inherited files stay open."""
        self.command, self.options = command, options
        [number] = options["pass_fds"]
        self.socket = socket.socket(fileno=os.dup(number))
        self.socket.setblocking(False)
        self.output: IO[bytes] = os.fdopen(os.dup(options["stdout"].fileno()), "wb", 0)
        return self

    async def wait(self) -> int:
        await self._ended.wait()
        assert self.returncode is not None
        return self.returncode

    def end(self, status: int = 0) -> None:
        """End now; a process that it left keeps the files open."""
        if self.returncode is None:
            self.returncode = status
            self._ended.set()
            if not self.leaves_a_process:
                self.close()

    def close(self) -> None:
        self.socket.close()
        self.output.close()

    def killpg(self, pid: int, number: signal.Signals) -> None:
        """As ``os.killpg``."""
        assert pid == self.pid
        self.signals.append((number, self.clock()))
        if self.returncode is not None:
            raise ProcessLookupError
        if number in {signal.SIGKILL, *self.obeys}:
            self.end(-number)

    def send(self, *messages: wire.Message) -> None:
        for message in messages:
            self.socket.sendall(wire.encode(message))

    async def received(self) -> list[wire.Message]:
        """The messages that it received since the last call."""
        reader = asyncio.StreamReader()
        try:
            while data := self.socket.recv(2**20):
                reader.feed_data(data)
        except BlockingIOError:
            pass
        reader.feed_eof()
        messages = []
        while (message := await wire.receive(reader)) is not None:
            messages.append(message)
        return messages

    def is_disconnected(self) -> bool:
        """Whether the host has closed its end of the socket; earlier messages are dropped."""
        try:
            while self.socket.recv(2**20):
                pass
        except BlockingIOError:
            return False
        return True


@asynccontextmanager
async def started(
    monkeypatch: pytest.MonkeyPatch, config: EngineConfig = CONFIG
) -> AsyncIterator[tuple[WorkerProcess, Child, Clock]]:
    """A worker that was started and has sent nothing yet, its child, and a clock that jumps."""
    async with jumping_clock() as clock:
        child = Child(clock)
        monkeypatch.setattr(process_module.asyncio, "create_subprocess_exec", child.start)
        monkeypatch.setattr(process_module.os, "killpg", child.killpg)
        worker = await WorkerProcess.start(config, "a.module")
        try:
            yield worker, child, clock
        finally:
            await worker.end(ask=False)
            child.close()
            await turns()


@asynccontextmanager
async def ready(
    monkeypatch: pytest.MonkeyPatch, config: EngineConfig = CONFIG
) -> AsyncIterator[tuple[WorkerProcess, Child, Clock]]:
    """As ``started``, once the worker is ready and has read its messages."""
    async with started(monkeypatch, config) as (worker, child, clock):
        child.send(INFO)
        await worker.wait_until_ready()
        await child.received()
        yield worker, child, clock


async def turns(count: int = 20) -> None:
    """Let every task run until it waits."""
    for _ in range(count):
        await asyncio.sleep(0)


def ignore(event: Event) -> None:
    """A listener that does nothing."""
