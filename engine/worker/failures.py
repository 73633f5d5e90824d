"""Describes errors: how a job that failed with one ends, and whether the card has failed.

Messages of foreign exceptions may quote the prompt, so they never leave the worker: of such an error only the
type, the place in the code and phrases from a fixed list are logged.
"""

import os
import traceback
from collections.abc import Iterator
from pathlib import Path

import structlog

from engine.errors import EngineError, LoraRejected, RenderError
from engine.request import Failed, FailReason, RenderRequest

_TRITON = "Triton Error [CUDA]"
_CARD_FAULTS = ("CUDA error", "cuDNN error", "CUBLAS_STATUS", "CUDNN_STATUS", "NCCL error", _TRITON)
_MAX_FRAMES = 20
_ROOTS = (
    f"{Path(__file__).resolve().parents[2]}{os.sep}",
    f"site-packages{os.sep}",
    f"dist-packages{os.sep}",
)

# All that is logged of a foreign message: nothing that a person could have written.
_PHRASES = (
    *_CARD_FAULTS,
    "out of memory",
    "an illegal memory access was encountered",
    "an illegal instruction was encountered",
    "misaligned address",
    "device-side assert triggered",
    "unspecified launch failure",
    "the launch timed out and was terminated",
    "uncorrectable ECC error encountered",
    "hardware stack error",
    "no kernel image is available for execution on the device",
    "no CUDA-capable device is detected",
    "invalid device ordinal",
    "invalid argument",
    "too many resources requested for launch",
    "operation not permitted",
    "operation not supported",
    "operation failed due to a previous error during capture",
    "initialization error",
    "driver shutting down",
    "system has unsupported display driver / cuda driver combination",
    "unknown error",
    "NOT_INITIALIZED",
    "ALLOC_FAILED",
    "INVALID_VALUE",
    "ARCH_MISMATCH",
    "MAPPING_ERROR",
    "EXECUTION_FAILED",
    "INTERNAL_ERROR",
    "NOT_SUPPORTED",
    "BAD_PARAM",
    "shapes cannot be multiplied",
    "must match the size of tensor",
    "Expected all tensors to be on the same device",
    "pin_memory",
    "Too many open files",
    "Cannot allocate memory",
    "No space left on device",
)

log = structlog.get_logger("engine.worker")


def describe_failure(request: RenderRequest, error: Exception) -> Failed:
    """Return the end of a job that failed with this error; log an unexpected error with its trace."""
    job = (request.job_id, request.attempt)
    if isinstance(error, RenderError | LoraRejected):
        return Failed(*job, error.reason, f"{type(error).__name__}: {error} {error.facts}")
    log.error("job failed", job_id=job[0], attempt=job[1], trace=trace(error))
    return Failed(*job, FailReason.WORKER_ERROR, type(error).__name__)


def is_card_fault(error: BaseException) -> bool:
    """Return whether the card or its driver failed. Lack of memory is no fault; the pipeline handles it."""
    if type(error).__name__ == "OutOfMemoryError" or f"{_TRITON}: out of memory" in str(error):
        return False
    if type(error).__name__ == "AcceleratorError":
        return True
    # Libraries report faults of the card as RuntimeErrors; other errors may quote a prompt about CUDA.
    if isinstance(error, RuntimeError) and any(sign in str(error) for sign in _CARD_FAULTS):
        return True
    return error.__cause__ is not None and is_card_fault(error.__cause__)


def trace(error: BaseException) -> str:
    """Return types, places and known phrases of an error and of its causes; no other text."""
    return "\n".join(line for each in _chain(error) for line in (*_places(each), _title(each)))


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Return the causes of an error and the error itself, first cause first."""
    errors: list[BaseException] = []
    at: BaseException | None = error
    while at is not None and at not in errors:
        errors.append(at)
        at = at.__cause__ or (None if at.__suppress_context__ else at.__context__)
    return reversed(errors)


def _title(error: BaseException) -> str:
    name = type(error).__name__
    if isinstance(error, EngineError):
        return f"{name}: {error}"
    message = str(error)
    known = [phrase for phrase in _PHRASES if phrase in message]
    return f"{name}: {', '.join(known)}" if known else name


def _places(error: BaseException) -> Iterator[str]:
    for frame in traceback.extract_tb(error.__traceback__)[-_MAX_FRAMES:]:
        yield f"  {_within(frame.filename)}:{frame.lineno} in {frame.name}"


def _within(file_name: str) -> str:
    """Shorten a path to the part that is the same on every machine."""
    for root in _ROOTS:
        _, found, within = file_name.rpartition(root)
        if found:
            return within
    return os.path.basename(file_name)
