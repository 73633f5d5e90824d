"""A real worker process with a pipeline that needs no torch; the prompt chooses how it misbehaves.

Run by the host as ``python -m tests.integration.engine.fake_child FD``. Everything but the pipeline is the
product's own code.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from engine.config import EngineConfig
from engine.errors import LoraMissing, ModelIncomplete, OutOfMemory
from engine.reporting import Encoded, JobReporter
from engine.request import (
    Finished,
    LoraChoice,
    Picture,
    Progress,
    RenderRequest,
    Stopped,
    Timings,
    WorkerInfo,
)
from engine.worker.__main__ import log_to_stderr
from engine.worker.serve import run

STEP_S = 0.01
SLOW_FILE_S = 2.0  # much longer than a busy machine needs to begin the next job
ODD_LINES = [
    b"[]", b"{}", b"null", b"1", b'"text"', b'{"event": "x"}', b'{"event": 1, "level": 2}',
    b'{"event": "x", "level": "info", "origin": "y", "self": 1, "exc_info": true, "event_": 2}',
    b'{"event": {"a": []}, "level": ["info"]}', b"[" * 100_000,
    b'{"event": "x", "level": "info", "n": ' + b"9" * 5000,
    b'{"event": "x", "level": "info", "n": ' + b"9" * 5000 + b"}", b"\xff\xfe", b"\x00\x00", b"", b" ",
    b'{"event": "x", "level": "info", "text": "\\ud800"}', b'{"event": "x", "level": "__class__", "": 1}',
]  # fmt: skip
PNG = b"\x89PNG fake " + bytes(300_000)


class AcceleratorError(RuntimeError):
    """Named as torch names what CUDA does after a sticky error."""


class FakePipeline:
    """Draws nothing in the time the real one would take for a tiny picture."""

    def __init__(self, config: EngineConfig) -> None:
        device = "cuda:0" if config.keeps_spare else "cpu"
        self.info = WorkerInfo(0, device, "a fake", "float32", "a test", config.model, 0.1, 1000, {})
        self._folder = config.data_dir

    def draw(
        self, request: RenderRequest, reporter: JobReporter, is_cancelled: Callable[[], bool]
    ) -> Callable[[], Finished] | Stopped:
        job = (request.job_id, request.attempt)
        for index in range(request.count):
            for step in range(1, request.steps + 1):
                time.sleep(STEP_S)
                if is_cancelled():
                    return Stopped(*job)
                reporter.report_step(index, step)
                if step == 2:
                    misbehave(request, reporter)
            reporter.report_picture(encoded(request, index))
        return lambda: Finished(*job, Timings(denoise_s=1.0), peak_bytes=5000)

    def prepare(self, request: RenderRequest) -> None:
        self._note(f"prepare {request.job_id}")

    def withdraw(self, sha256: frozenset[str]) -> None:
        pass

    def forget_withdrawn(self) -> None:
        pass

    def prefetch(self, loras: Sequence[LoraChoice], files: object) -> None:
        self._note("prefetch " + " ".join(choice.name for choice in loras))
        if any(choice.name == "broken" for choice in loras):
            raise ZeroDivisionError

    def _note(self, line: str) -> None:
        if self._folder.is_dir():
            with (self._folder / "prepared.log").open("a") as log:
                log.write(line + "\n")


def encoded(request: RenderRequest, index: int) -> "Future[Encoded]":
    """The file of a picture: ready at once, or late, or broken."""
    future: Future[Encoded] = Future()
    picture = Picture(index, request.seed + index, request.width_px, request.height_px, PNG)
    match request.prompt:
        case "slow files":
            threading.Timer(SLOW_FILE_S, future.set_result, [Encoded(picture, SLOW_FILE_S)]).start()
        case "no file":
            pass  # the worker ends before it is saved
        case "broken file":
            future.set_exception(ZeroDivisionError("while encoding: broken file"))
        case "card fails in file":
            fault = AcceleratorError("CUDA error: an illegal memory access was encountered")
            threading.Timer(SLOW_FILE_S, future.set_exception, [fault]).start()
        case _:
            future.set_result(Encoded(picture, 0.5))
    return future


def fail_with(text: str) -> None:
    raise ValueError(f"in a thread: {text}")


def misbehave(request: RenderRequest, reporter: JobReporter) -> None:
    match request.prompt:
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "exit":
            os._exit(9)
        case "hang":
            threading.Event().wait()
        case "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        case "oom":
            raise OutOfMemory
        case "lora":
            raise LoraMissing(name="sugar")
        case "bug":
            raise ZeroDivisionError("a bug, while drawing: bug")
        case "card":
            raise AcceleratorError("CUDA error: an illegal memory access was encountered")
        case "late":
            reporter._send(Progress(request.job_id, request.attempt - 1, 7, 7, 7))
            reporter._send(Progress("another job", request.attempt, 7, 7, 7))
        case "child":
            subprocess.Popen(["sleep", "300"])
        case "leave a process behind":
            subprocess.Popen(["sleep", "100"], start_new_session=True)
            os.kill(os.getpid(), signal.SIGKILL)
        case "leave a fork behind":
            if os.fork() == 0:  # it has our end of the socket, too
                os.setsid()
                time.sleep(100)
                os._exit(0)
            os.kill(os.getpid(), signal.SIGKILL)
        case "odd lines":
            for line in ODD_LINES:
                sys.stdout.buffer.write(line + b"\n")
            sys.stdout.buffer.write(b"x" * 10_000_000)
            sys.stdout.flush()
        case "a secret wish":
            print(f"a library quotes {request.prompt!r}", flush=True)
            print("a library's remark", flush=True)
            threading.Thread(target=fail_with, args=[request.prompt]).start()
        case "print":
            print("a library's remark\rand its progress bar", flush=True)
            print("x" * 100_000, flush=True)


def load(config: EngineConfig) -> FakePipeline:
    match config.model.rpartition("/")[2]:
        case "incomplete":
            raise ModelIncomplete("vae is missing", missing=("vae/config.json",), folder="/nowhere")
        case "slow":
            print("loading", flush=True)
            threading.Event().wait()
        case "crash":
            raise ZeroDivisionError
        case "deaf":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if config.model.startswith("first:"):  # the first start works, no other does
        path = config.model.removeprefix("first:")
        if os.path.exists(path):
            os._exit(4)
        open(path, "a").close()
    if config.model.startswith("once:"):  # the second start fails, the third works
        path = config.model.removeprefix("once:")
        starts = os.path.getsize(path) if os.path.exists(path) else 0
        with open(path, "a") as file:
            file.write("x")
        if starts == 1:
            os._exit(4)
    return FakePipeline(config)


if __name__ == "__main__":
    log_to_stderr()
    with socket.socket(fileno=int(sys.argv[1])) as connection:
        sys.exit(run(connection, load))
