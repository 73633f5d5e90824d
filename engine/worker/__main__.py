"""``python -m engine.worker FD``: take the socket that the host left open, serve it, and end at once."""

import os
import socket
import sys
import threading
from types import TracebackType

import structlog

from engine.checkpoint.model import find_model
from engine.config import EngineConfig
from engine.worker.failures import trace
from engine.worker.serve import Painter, run

# While imports keep the interpreter busy, a reader of weights waits this long for its turn. With Python's own
# 5 ms, eight of them would read less than 1 GB/s.
TURN_S = 1e-4

log = structlog.get_logger("engine.worker")


def log_to_stderr() -> None:
    """Write one JSON line for each event, for the host's log; of errors that nobody catches no message."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    sys.excepthook = _log_uncaught
    threading.excepthook = lambda args: _log_uncaught(args.exc_type, args.exc_value, args.exc_traceback)


def _log_uncaught(
    kind: type[BaseException], error: BaseException | None, _: TracebackType | None = None
) -> None:
    log.error("worker error", error=kind.__name__, trace=trace(error) if error else "")


def _load_painter(config: EngineConfig) -> Painter:
    """Load the painter; the weights come from the disk while Python reads the libraries' thousand files."""
    # No drawing needs peft. Where it is installed, as for our measurements, diffusers would import all of it.
    sys.modules["peft"] = None  # type: ignore[assignment]
    usual_s = sys.getswitchinterval()
    sys.setswitchinterval(TURN_S)
    try:
        from engine.zimage import weight_reader  # noqa: PLC0415 - torch, after the environment
        from engine.zimage.device import choose_placement  # noqa: PLC0415 - likewise

        _say_step("torch imported")
        weight_reader.start_reading(
            find_model(config, download=False).folder, choose_placement(config.device)
        )
        _say_step("device chosen")
        from engine.zimage.pipeline import Pipeline as ZImagePainter  # noqa: PLC0415 - likewise

        _say_step("libraries imported")
        painter = ZImagePainter.load(config)
        _say_step("ready")
        return painter
    finally:
        sys.setswitchinterval(usual_s)


def _say_step(step: str) -> None:
    """Log how far the start is; the host's log knows the time."""
    log.info("worker starts", step=step)


def main() -> None:
    """Serve the host whose socket this process was given."""
    os.umask(0o077)  # what libraries cache is for this user alone, whoever started the worker
    log_to_stderr()
    with socket.socket(fileno=int(sys.argv[1])) as connection:
        status = run(connection, _load_painter)
    sys.stderr.flush()
    os._exit(status)  # there is nothing to save, and taking torch down in order costs seconds


if __name__ == "__main__":
    main()
