"""``python -m engine.worker FD``: take the socket that the host left open, serve it, and end at once."""

import os
import socket
import sys

import structlog

from engine.config import EngineConfig
from engine.worker.serve import Painter, run


def log_to_stderr() -> None:
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
    """Serve the host whose socket this process was given."""
    log_to_stderr()
    with socket.socket(fileno=int(sys.argv[1])) as connection:
        status = run(connection, _load_painter)
    sys.stderr.flush()
    os._exit(status)  # there is nothing to save, and taking torch down in order costs seconds


if __name__ == "__main__":
    main()
