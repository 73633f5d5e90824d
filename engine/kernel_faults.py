"""What the three rooms that have kernels of their own in Triton say when these cannot be built or run."""

import subprocess

# Triton raises RuntimeErrors of its own, and what its compiler, linker and loader raise.
FAULTS = (ImportError, OSError, RuntimeError, ValueError, AssertionError, subprocess.SubprocessError)


def in_short(fault: BaseException) -> str:
    """One line for the log; the rest is a compiler's output."""
    return f"{type(fault).__name__}: {str(fault).partition(chr(10))[0]}"
