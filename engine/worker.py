"""The child process: the only owner of the card. ``python -m engine.worker FD``, started by ``engine.host``.

Three threads of life: the main one loads the model, then paints job after job; a reader takes orders from the
socket, so that a cancel is heard between two steps; whatever libraries start is their own. It holds no state
that a crash could lose. It ends when told to, when the host's end of the socket closes, and, with
``EXIT_CARD_FAULT``, at any error of the card but lack of memory: after one, CUDA is not to be trusted.
"""

import os
import queue
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import structlog

from engine import wire
from engine.config import EngineConfig
from engine.errors import LoraRejected, ModelError, RenderError, WireError
from engine.request import Event, Failed, FailReason, Finished, RenderRequest, Stopped, WorkerInfo

EXIT_MODEL_ERROR = 3  # told to the host before
EXIT_CARD_FAULT = 70  # EX_SOFTWARE of sysexits.h
EXIT_WIRE_ERROR = 76  # EX_PROTOCOL
CPU_NICENESS = 5  # on a machine without a card the chats' process goes first
_CARD_FAULTS = ("CUDA error", "cuDNN error", "CUBLAS_STATUS", "CUDNN_STATUS", "NCCL error")

log = structlog.get_logger("engine.worker")


class Painter(Protocol):
    """What draws; ``engine.zimage.painter.Painter`` is the one there is."""

    info: WorkerInfo

    def paint(
        self, request: RenderRequest, report: Callable[[Event], None], is_cancelled: Callable[[], bool]
    ) -> Finished | Stopped:
        """Draw a job, reporting ``Progress`` and ``Drawn``; raises RenderError or LoraRejected."""


Load = Callable[[EngineConfig], Painter]


def run(connection: socket.socket, load: Load) -> int:
    """Load the model that the first message names, then draw until told to end.

    Args:
        connection: The worker's end of the host's socket.
        load: Makes the painter; may raise ``ModelError``.

    Returns:
        The exit status of the process.
    """
    config = wire.receive_blocking(connection)
    if not isinstance(config, EngineConfig):
        return EXIT_WIRE_ERROR
    _prepare_process(config)
    orders = _Orders(connection)  # from now on: a load of minutes must not outlive the host
    try:
        painter = load(config)
    except ModelError as error:
        facts = {
            key: fact if isinstance(fact, str | int | tuple) else str(fact)
            for key, fact in error.facts.items()
        }
        _send(connection, wire.StartFailed(type(error).__name__, str(error), facts))
        return EXIT_MODEL_ERROR
    try:
        _send(connection, replace(painter.info, pid=os.getpid()))
        return _serve(connection, painter, orders)
    except ConnectionError:
        return 0  # the host is gone


def _serve(connection: socket.socket, painter: Painter, orders: "_Orders") -> int:
    while (request := orders.next_request()) is not None:
        outcome = _paint(painter, request, orders, lambda event: _send(connection, event))
        if outcome is None:
            return EXIT_CARD_FAULT
        _send(connection, outcome)
    return 0


class _Orders:
    """What the host wants, read by a thread of its own while the main one loads and paints."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._requests: queue.SimpleQueue[RenderRequest | None] = queue.SimpleQueue()
        self._cancelled: set[tuple[str, int]] = set()
        self._is_ending = False
        threading.Thread(target=self._read, name="orders", daemon=True).start()

    def next_request(self) -> RenderRequest | None:
        """Wait for the next job; None when it is time to end."""
        return self._requests.get()

    def is_cancelled(self, request: RenderRequest) -> bool:
        return self._is_ending or (request.job_id, request.attempt) in self._cancelled

    def forget(self, request: RenderRequest) -> None:
        self._cancelled.discard((request.job_id, request.attempt))

    def _read(self) -> None:
        while True:
            try:
                order = wire.receive_blocking(self._connection)
            except WireError as error:
                log.error("order malformed", detail=str(error))
                os._exit(EXIT_WIRE_ERROR)
            match order:
                case RenderRequest():
                    self.forget(order)  # a cancel that came too late for an earlier render of this try
                    self._requests.put(order)
                case wire.Cancel():
                    self._cancelled.add((order.job_id, order.attempt))
                case wire.Shutdown():
                    self._is_ending = True
                    self._requests.put(None)
                case _:
                    # The host is gone, perhaps in the middle of a step: nobody waits for the picture, and
                    # the card must be free for the next worker at once.
                    os._exit(0)


def _paint(
    painter: Painter, request: RenderRequest, orders: _Orders, report: Callable[[Event], None]
) -> Finished | Stopped | Failed | None:
    """Draw one job, whatever happens; None when the card is not to be trusted any more."""
    job = (request.job_id, request.attempt)
    try:
        return painter.paint(request, report, lambda: orders.is_cancelled(request))
    except (RenderError, LoraRejected) as error:
        return Failed(*job, error.reason, f"{type(error).__name__}: {error} {error.facts}")
    except ConnectionError:
        raise  # the host is gone
    except Exception as error:  # noqa: BLE001 - worker loop: one job's unforeseen error must not end the others
        is_fatal = _is_card_fault(error)
        log.error(
            "card fault" if is_fatal else "job failed",
            job_id=request.job_id,
            attempt=request.attempt,
            trace=_trace(error, request),
        )
        return None if is_fatal else Failed(*job, FailReason.WORKER_ERROR, type(error).__name__)
    finally:
        orders.forget(request)


def _is_card_fault(error: BaseException) -> bool:
    """Whether the card or its driver failed; lack of memory, which the painter handles, is none."""
    if type(error).__name__ == "OutOfMemoryError":
        return False
    return type(error).__name__ == "AcceleratorError" or any(sign in str(error) for sign in _CARD_FAULTS)


def _trace(error: BaseException, request: RenderRequest) -> str:
    """The traceback without the prompt, which a library may have put into its message."""
    text = "".join(traceback.format_exception(error))
    return text.replace(request.prompt, "…") if request.prompt else text


def _send(connection: socket.socket, message: wire.Answer) -> None:
    connection.sendall(wire.encode(message))


def _prepare_process(config: EngineConfig) -> None:
    prepare_libraries()
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


def _log_to_stderr() -> None:
    """One JSON line for each event, no local variables in tracebacks; the host puts them into its own log."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def _load_painter(config: EngineConfig) -> Painter:
    from engine.zimage.painter import Painter as ZImagePainter  # noqa: PLC0415 - torch, after the environment

    return ZImagePainter.load(config)


def main() -> None:
    """Take the socket that the host left open, serve it, and end at once."""
    _log_to_stderr()
    with socket.socket(fileno=int(sys.argv[1])) as connection:
        status = run(connection, _load_painter)
    sys.stderr.flush()
    os._exit(status)  # there is nothing to save, and taking torch down in order costs seconds


if __name__ == "__main__":
    main()
