"""The worker's main loop: load the model that the host names, then draw job after job.

The drawing thread does nothing else: when the card is free it takes the next job, while other threads make
and send the files of the last pictures.
"""

import ctypes
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

import structlog
from structlog.contextvars import bound_contextvars

from engine import wire
from engine.config import EngineConfig
from engine.errors import ModelError
from engine.reporting import JobEnd, JobReporter
from engine.request import Finished, LoraChoice, LoraSource, RenderRequest, Stopped, WorkerInfo
from engine.worker.faults import FaultHandler
from engine.worker.receiver import EXIT_WIRE_ERROR, MessageReceiver
from engine.worker.sender import EventSender

EXIT_MODEL_ERROR = 3  # the host has the error already
FIRST_MESSAGE_S = 0.2  # the host sends it at once, unless the worker is a spare
PR_SET_PDEATHSIG = 1  # of <linux/prctl.h>
CPU_NICENESS = 5  # on a machine without a card the chats' process goes first

log = structlog.get_logger("engine.worker")


class PicturePipeline(Protocol):
    """Draws jobs: ``engine.zimage.pipeline.Pipeline``, and pipelines without torch in tests."""

    info: WorkerInfo

    def draw(
        self, request: RenderRequest, reporter: JobReporter, is_cancelled: Callable[[], bool]
    ) -> Callable[[], Finished] | Stopped:
        """Draw a job; return when the card has its last work, whether or not the files are made.

        Args:
            request: The job.
            reporter: Reports every step and every picture.
            is_cancelled: Called before each step.

        Raises:
            RenderError: This job cannot be drawn, others can.
            LoraRejected: One of its LoRAs cannot be used.
        """

    def prepare(self, request: RenderRequest) -> None:
        """Do what needs no card for the next job; called during ``draw``, in another thread.

        If this fails, ``draw`` fails for the same reason and reports it.
        """

    def prefetch(self, loras: Sequence[LoraChoice], files: Sequence[LoraSource]) -> None:
        """Read LoRAs of later jobs, soonest first, as many as fit in memory; called as ``prepare``.

        Args:
            loras: The LoRAs.
            files: Where they are.
        """

    def withdraw(self, sha256: frozenset[str]) -> None:
        """Forget the LoRAs with these contents and refuse them; called as ``prepare``."""

    def forget_withdrawn(self) -> None:
        """Drop what the last job has left of withdrawn LoRAs; called between two jobs."""


Load = Callable[[EngineConfig], PicturePipeline]


def run(connection: socket.socket, load: Load, import_libraries: Callable[[], None] = lambda: None) -> int:
    """Load the model that the first message names, then draw until the host ends the worker.

    Args:
        connection: The worker's end of the host's socket.
        load: Makes the pipeline; may raise ``ModelError``.
        import_libraries: Called while the first message is not there: a spare worker waits for it.

    Returns:
        The exit status of the process, after every message was sent.
    """
    _die_with_host()
    prepare_libraries()
    if not _has_arrived(connection):
        import_libraries()
    config = wire.receive_blocking(connection)
    if config is None:
        return 0  # a spare worker that was not needed
    if not isinstance(config, EngineConfig):
        return EXIT_WIRE_ERROR
    if config.device == "cpu":
        os.nice(CPU_NICENESS)
    sender = EventSender(connection)
    # Before loading: a load of minutes must not outlive the host.
    receiver = MessageReceiver(connection, sender.put)
    try:
        pipeline = load(config)
    except ModelError as error:
        sender.put(wire.StartFailed.of(error))
        status = EXIT_MODEL_ERROR
    else:
        sender.put(replace(pipeline.info, pid=os.getpid()))
        faults = FaultHandler(sender)
        preparing = (pipeline, receiver, faults)
        threading.Thread(target=_prepare_all, args=preparing, name="prepare", daemon=True).start()
        _draw_all(pipeline, receiver, faults)
        status = 0
    sender.close()
    return status


def _draw_all(pipeline: PicturePipeline, receiver: MessageReceiver, faults: FaultHandler) -> None:
    """Draw until the worker ends, and wait until every end is sent."""
    while (request := receiver.next_request()) is not None:
        if isinstance(request, wire.WithdrawLoras):
            pipeline.withdraw(frozenset(request.sha256))
            pipeline.forget_withdrawn()
            continue
        reporter = faults.start_job(request)
        reporter.report_step(0, 0)
        reporter.report_end(_draw(pipeline, request, reporter, receiver.is_cancelled, faults))
    faults.wait_for_ends()


def _draw(
    pipeline: PicturePipeline,
    request: RenderRequest,
    reporter: JobReporter,
    is_cancelled: Callable[[], bool],
    faults: FaultHandler,
) -> JobEnd:
    with bound_contextvars(job_id=request.job_id, attempt=request.attempt):  # for every line of the log
        try:
            end = pipeline.draw(request, reporter, is_cancelled)
        except Exception as error:  # noqa: BLE001 - supervision: an error of one job must not end the others
            return faults.fail_job(request, error)
        log.info("job stopped" if isinstance(end, Stopped) else "job drawn")
        return end


def _prepare_all(pipeline: PicturePipeline, receiver: MessageReceiver, faults: FaultHandler) -> None:
    """Withdraw, prepare and prefetch, in a thread of its own, until the worker ends."""
    while (item := receiver.next_to_prepare()) is not None:
        facts = {"job_id": item.job_id, "attempt": item.attempt} if isinstance(item, RenderRequest) else {}
        with bound_contextvars(**facts):
            try:
                match item:
                    case RenderRequest():
                        pipeline.prepare(item)
                    case wire.WithdrawLoras():
                        pipeline.withdraw(frozenset(item.sha256))
                    case wire.PrefetchLoras(loras, files):
                        pipeline.prefetch(loras, files)
            except Exception as error:  # noqa: BLE001 - supervision: ``draw`` fails for the same reason, reports it
                faults.check(error)
                log.info("not prepared", error=type(error).__name__)


def _die_with_host() -> None:
    """Let Linux kill this process when its host ends.

    The closed socket ends a worker that runs. A stopped one, or one that waits for the driver, would notice
    nothing and keep its memory of the card.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _has_arrived(connection: socket.socket) -> bool:
    """Whether the first message is there within ``FIRST_MESSAGE_S``."""
    ready, _, _ = select.select([connection], [], [], FIRST_MESSAGE_S)
    return bool(ready)


def prepare_libraries() -> None:
    """Set what libraries read once, when they are imported; existing settings win."""
    threads = str(len(os.sched_getaffinity(0)))
    for name, value in {
        "OMP_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        # Waiting threads must sleep: on two busy cores, spinning threads took a picture of a tiny model
        # from 0.17 s to 1.6 s and more.
        "OMP_WAIT_POLICY": "passive",
        "TOKENIZERS_PARALLELISM": "false",
        "PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True",
    }.items():
        os.environ.setdefault(name, value)
    os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # cuda:1 is then the card that NVML counts as 1
    os.environ["HF_HUB_OFFLINE"] = "1"  # the parent downloaded the model; the worker downloads nothing
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
