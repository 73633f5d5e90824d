"""``python -m engine.worker FD``: serve the socket that the host left open, and end at once."""

import importlib
import os
import socket
import sys
import threading
from contextlib import suppress
from types import TracebackType

import structlog

from engine.checkpoint.model import find_model
from engine.config import EngineConfig
from engine.worker.failures import trace
from engine.worker.serve import PicturePipeline, run

# While imports keep the interpreter busy, a thread that reads weights waits this long for its turn. With
# Python's default of 5 ms, eight threads would read less than 1 GB/s.
SWITCH_INTERVAL_S = 1e-4

KERNELS = (
    "engine.zimage.forward.kernels",
    "engine.zimage.text.rope_kernel",
    "engine.zimage.vae.norm_kernels",
    "engine.lora.merge_kernel",
)

log = structlog.get_logger("engine.worker")


def log_to_stderr() -> None:
    """Log one JSON line for each event, for the host; leave out the messages of uncaught errors."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
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


def _load_pipeline(config: EngineConfig) -> PicturePipeline:
    """Load the pipeline; weights are read from the disk while Python imports the libraries."""
    _hide_peft()
    usual_s = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    try:
        from engine.zimage import weight_reader  # noqa: PLC0415 - torch, after the environment is set
        from engine.zimage.device import choose_placement  # noqa: PLC0415 - torch

        _log_step("torch imported")
        placement = choose_placement(config.device)
        weight_reader.start_reading(
            find_model(config, download=False).folder,
            placement,
            *weight_reader.locations_of(config, placement.device),
        )
        _log_step("device chosen")
        from engine.zimage.pipeline import Pipeline as ZImagePipeline  # noqa: PLC0415 - torch

        _import_kernels()
        _log_step("libraries imported")
        pipeline = ZImagePipeline.load(config)
        _log_step("ready")
        return pipeline
    finally:
        sys.setswitchinterval(usual_s)


def _import_libraries() -> None:
    """Import what a start needs, without a device: a spare worker must not hold memory on the card."""
    _hide_peft()
    from engine.zimage import pipeline  # noqa: F401, PLC0415 - torch, after the environment is set

    _import_kernels()


def _import_kernels() -> None:
    """Import the card's kernels, and Triton with them, while weights are read."""
    import torch  # noqa: PLC0415 - after the environment is set

    if torch.cuda.is_available():
        from engine.cuda.kernel_fallback import kernel_errors  # noqa: PLC0415 - torch

        for module in KERNELS:
            with suppress(*kernel_errors()):
                importlib.import_module(module)


def _hide_peft() -> None:
    """Drawing never needs peft. If it is installed, as for our measurements, diffusers would import it."""
    sys.modules["peft"] = None  # type: ignore[assignment]


def _log_step(step: str) -> None:
    """Log the progress of the start."""
    log.info("worker starts", step=step)


def main() -> None:
    """Serve the host at the other end of the socket."""
    os.umask(0o077)  # cached files are for this user alone
    log_to_stderr()
    with socket.socket(fileno=int(sys.argv[1])) as connection:
        status = run(connection, _load_pipeline, _import_libraries)
    sys.stderr.flush()
    os._exit(status)  # nothing is to be saved, and an orderly end of torch takes seconds


if __name__ == "__main__":
    main()
