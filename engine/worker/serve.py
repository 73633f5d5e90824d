"""The worker's life: load the model that the host names, then paint job after job.

The painting thread does nothing else: when the card is free it takes the next job, and the files of the last
pictures are made and sent beside it.
"""

import os
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

import structlog

from engine import wire
from engine.config import TRITON_DIR, EngineConfig
from engine.errors import ModelError
from engine.reporting import JobEnd, JobReporter
from engine.request import Finished, LoraChoice, RenderRequest, Stopped, WorkerInfo
from engine.worker.faults import Faults
from engine.worker.orders import EXIT_WIRE_ERROR, Orders
from engine.worker.sender import EventSender

EXIT_MODEL_ERROR = 3  # told to the host before
CPU_NICENESS = 5  # on a machine without a card the chats' process goes first

log = structlog.get_logger("engine.worker")


class Painter(Protocol):
    """What draws; ``engine.zimage.pipeline.Painter`` is the one there is."""

    info: WorkerInfo

    def paint(
        self, request: RenderRequest, reporter: JobReporter, is_cancelled: Callable[[], bool]
    ) -> Callable[[], Finished] | Stopped:
        """Draw a job; return when the card has its last work in hand, whether or not the files are made.

        Args:
            request: The job.
            reporter: Reports every step and every picture.
            is_cancelled: Asked before each step.

        Raises:
            RenderError: This job cannot be drawn, others can.
            LoraRejected: One of its LoRAs cannot be used.
        """

    def prepare(self, request: RenderRequest) -> None:
        """Do what needs no card for a job that is drawn next; called beside ``paint``, in another thread.

        Whatever it raises, ``paint`` meets the cause again and says it.
        """

    def prefetch(self, loras: Sequence[LoraChoice]) -> None:
        """Likewise, for jobs to come: fetch their LoRAs, soonest first, as many as there is a place for."""


Load = Callable[[EngineConfig], Painter]


def run(connection: socket.socket, load: Load) -> int:
    """Load the model that the first message names, then draw until told to end.

    Args:
        connection: The worker's end of the host's socket.
        load: Makes the painter; may raise ``ModelError``.

    Returns:
        The exit status of the process, when everything was sent.
    """
    config = wire.receive_blocking(connection)
    if not isinstance(config, EngineConfig):
        return EXIT_WIRE_ERROR
    _prepare_process(config)
    answers = EventSender(connection)
    orders = Orders(connection, answers.put)  # from now on: a load of minutes must not outlive the host
    try:
        painter = load(config)
    except ModelError as error:
        answers.put(wire.StartFailed.of(error))
        status = EXIT_MODEL_ERROR
    else:
        answers.put(replace(painter.info, pid=os.getpid()))
        faults = Faults(answers)
        preparing = (painter, orders, faults)
        threading.Thread(target=_prepare, args=preparing, name="prepare", daemon=True).start()
        _paint_all(painter, orders, faults)
        status = 0
    answers.close()
    return status


def _paint_all(painter: Painter, orders: Orders, faults: Faults) -> None:
    """Paint until it is time to end, and let every end be said."""
    while (request := orders.next_request()) is not None:
        reporter = faults.begin(request)
        reporter.report_step(0, 0)
        reporter.report_end(_paint(painter, request, reporter, orders.is_cancelled, faults))
    faults.wait_for_ends()


def _paint(
    painter: Painter,
    request: RenderRequest,
    reporter: JobReporter,
    is_cancelled: Callable[[], bool],
    faults: Faults,
) -> JobEnd:
    """Draw one job, whatever happens."""
    try:
        return painter.paint(request, reporter, is_cancelled)
    except Exception as error:  # noqa: BLE001 - worker loop: one job's unforeseen error must not end the others
        return faults.failed(request, error)


def _prepare(painter: Painter, orders: Orders, faults: Faults) -> None:
    """Fetch ahead, in a thread of its own, until it is time to end."""
    while (what := orders.next_to_prepare()) is not None:
        try:
            if isinstance(what, RenderRequest):
                painter.prepare(what)
            else:
                painter.prefetch(what)
        except Exception as error:  # noqa: BLE001 - the job meets it again in ``paint``, which says it
            faults.ignored(error)
            log.info("not prepared", error=type(error).__name__)


def _prepare_process(config: EngineConfig) -> None:
    prepare_libraries()
    # Triton's own place is the home folder, which goes with a container; then each start would build anew.
    os.environ.setdefault(TRITON_DIR, str(config.kernels_dir.absolute()))
    if config.device == "cpu":
        os.nice(CPU_NICENESS)


def prepare_libraries() -> None:
    """Set what libraries read once, when they are imported; what the host set already stands."""
    threads = str(len(os.sched_getaffinity(0)))
    for name, value in {
        "OMP_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        # Threads that wait must sleep: on two cores with busy neighbours, spinning ones took a picture
        # of a tiny model from 0.17 s to 1.6 s and more.
        "OMP_WAIT_POLICY": "passive",
        "TOKENIZERS_PARALLELISM": "false",
        "PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True",
    }.items():
        os.environ.setdefault(name, value)
    os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # cuda:1 is then the card that NVML counts as 1
    os.environ["HF_HUB_OFFLINE"] = "1"  # the parent fetched the model; nothing else is ever fetched
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
