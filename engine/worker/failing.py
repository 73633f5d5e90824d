"""What an error means: for its job, which fails with a reason, and for the card, which may be at fault."""

import traceback

import structlog

from engine.errors import LoraRejected, RenderError
from engine.request import Failed, FailReason, RenderRequest

_TRITON = "Triton Error [CUDA]"
_CARD_FAULTS = ("CUDA error", "cuDNN error", "CUBLAS_STATUS", "CUDNN_STATUS", "NCCL error", _TRITON)

log = structlog.get_logger("engine.worker")


def failed(request: RenderRequest, error: Exception) -> Failed:
    """What the host is told of a job that met this error; an unforeseen one is logged with its trace."""
    job = (request.job_id, request.attempt)
    if isinstance(error, RenderError | LoraRejected):
        return Failed(*job, error.reason, f"{type(error).__name__}: {error} {error.facts}")
    log.error("job failed", job_id=job[0], attempt=job[1], trace=trace(error, request))
    return Failed(*job, FailReason.WORKER_ERROR, type(error).__name__)


def is_card_fault(error: BaseException) -> bool:
    """Whether the card or its driver failed; lack of memory, which the painter handles, is none."""
    if type(error).__name__ == "OutOfMemoryError" or f"{_TRITON}: out of memory" in str(error):
        return False
    return type(error).__name__ == "AcceleratorError" or any(sign in str(error) for sign in _CARD_FAULTS)


def trace(error: BaseException, request: RenderRequest) -> str:
    """The traceback without the prompt, which a library may have put into its message."""
    text = "".join(traceback.format_exception(error))
    return text.replace(request.prompt, "…") if request.prompt else text
