"""What the rooms with kernels and graphs of their own make of those that cannot be built or run."""

import subprocess
import sys

import torch

# Triton raises RuntimeErrors of its own, and what its compiler, linker and loader raise.
_FAULTS = (ImportError, OSError, RuntimeError, ValueError, AssertionError, subprocess.SubprocessError)
_FULL = "Triton Error [CUDA]: out of memory"  # a RuntimeError, for Triton does not know torch's own
# Part of all that CUDA says of what cannot be recorded; torch raises it as it raises a fault of the card.
_NOT_RECORDED = "captur"


def faults() -> tuple[type[Exception], ...]:
    """What to catch around a kernel or a recording; ``forgiven`` then tells what may be done without."""
    # Looked up when something has failed, and not imported before: Triton may be missing or broken.
    triton = sys.modules.get("triton.errors")
    return _FAULTS if triton is None else (*_FAULTS, triton.TritonError)


def forgiven(fault: Exception) -> str:
    """One line for the log, of something that is done without from now on; the rest is a compiler's output.

    Raises:
        OutOfMemoryError: The card is full, which may pass, whoever found out.
        Exception: The fault itself, where the card has failed, as all else would.
    """
    # What Triton's compiler prints begins with the source, and ends with what is wrong with it.
    said = str(getattr(fault, "error_message", None) or fault)
    line = f"{type(fault).__name__}: {said.partition(chr(10))[0]}"
    if _FULL in line:
        raise torch.OutOfMemoryError(line) from fault
    if isinstance(fault, torch.OutOfMemoryError):
        raise fault
    if isinstance(fault, torch.AcceleratorError) and _NOT_RECORDED not in line:
        raise fault
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.synchronize()  # raises where the card has failed, whatever name Triton gave to that
    return line
