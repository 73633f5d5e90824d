"""Errors of our own kernels and CUDA graphs: which allow a slower path, and which must be raised."""

import subprocess
import sys

import torch

# Triton raises RuntimeError, and the errors of its compiler, linker and loader.
_FAULTS = (ImportError, OSError, RuntimeError, ValueError, AssertionError, subprocess.SubprocessError)
_FULL = "Triton Error [CUDA]: out of memory"  # a RuntimeError: Triton does not use torch's class
# Part of every CUDA message about a failed capture; torch raises it with the class of card faults.
_NOT_RECORDED = "captur"


def kernel_errors() -> tuple[type[Exception], ...]:
    """Return the classes to catch around a kernel or a capture. ``fallback_reason`` then decides."""
    # Looked up after a failure instead of imported: Triton may be missing or broken.
    triton = sys.modules.get("triton.errors")
    return _FAULTS if triton is None else (*_FAULTS, triton.TritonError)


def fallback_reason(fault: Exception) -> str:
    """Return one line for the log about a kernel or graph that is disabled, without compiler output.

    Raises:
        OutOfMemoryError: The card is full, which may be temporary.
        Exception: The fault itself, if the card has failed and every other call would fail too.
    """
    # Triton's compiler prints the source first and the error last.
    message = str(getattr(fault, "error_message", None) or fault)
    line = f"{type(fault).__name__}: {message.partition(chr(10))[0]}"
    if _FULL in line:
        raise torch.OutOfMemoryError(line) from fault
    if isinstance(fault, torch.OutOfMemoryError):
        raise fault
    if isinstance(fault, torch.AcceleratorError) and _NOT_RECORDED not in line:
        raise fault
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.synchronize()  # raises if the card has failed, whatever class Triton raised
    return line
