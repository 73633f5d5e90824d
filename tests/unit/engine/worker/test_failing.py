"""What the worker makes of an error; its life as a process is tested with the host."""

import pytest

from engine.errors import OutOfMemory
from engine.request import RenderRequest
from engine.worker.failing import is_card_fault
from engine.worker.failing import trace as trace_of


class AcceleratorError(RuntimeError):
    """Named as in torch."""


class OutOfMemoryError(RuntimeError):
    """Named as in torch."""


@pytest.mark.parametrize(
    ("error", "is_fault"),
    [
        (AcceleratorError("CUDA error: an illegal memory access was encountered"), True),
        (RuntimeError("CUDA error: device-side assert triggered"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), True),
        (RuntimeError("CUBLAS_STATUS_NOT_INITIALIZED when calling cublasCreate"), True),
        (RuntimeError("Triton Error [CUDA]: an illegal memory access was encountered"), True),
        (RuntimeError("Triton Error [CUDA]: unspecified launch failure"), True),
        (RuntimeError("Triton Error [CUDA]: out of memory"), False),
        (OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), False),
        (OutOfMemory(detail="CUDA out of memory"), False),
        (ZeroDivisionError("division by zero"), False),
    ],
)
def test_any_error_of_the_card_but_lack_of_memory_is_fatal(error: Exception, is_fault: bool) -> None:
    assert is_card_fault(error) is is_fault


def test_a_trace_has_no_prompt_even_where_a_library_repeats_it() -> None:
    request = RenderRequest("j", 1, "a secret wish", 512, 512, 7)
    trace = trace_of(ValueError("cannot encode 'a secret wish'"), request)
    assert "cannot encode" in trace
    assert "secret" not in trace
