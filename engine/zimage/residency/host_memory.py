"""Main memory that a card reads by itself, without a copy in between: page-locked, and as large as asked for.

Torch's own allocator of such memory rounds each block up to a power of two: 354 MB would take 512.
"""

import mmap
import weakref
from contextlib import suppress
from typing import Any

import structlog
import torch
from torch import Tensor

log = structlog.get_logger("engine.worker")


class HostBlock:
    """A stretch of main memory, initially pageable, so that several threads can fill it at full speed.

    Args:
        count: Numbers in it, at least 1.
        dtype: Their format.
    """

    def __init__(self, count: int, dtype: torch.dtype) -> None:
        memory = mmap.mmap(-1, count * dtype.itemsize)
        if hasattr(mmap, "MADV_HUGEPAGE"):
            with suppress(OSError):  # a system without them
                memory.madvise(mmap.MADV_HUGEPAGE)  # fewer page faults, and fewer pages to lock
        self.numbers: Tensor = torch.frombuffer(memory, dtype=dtype, count=count)

    def pin(self, device: torch.device) -> None:
        """Lock the pages for a card. If the system refuses, copies take longer."""
        if device.type != "cuda":
            return
        cudart: Any = torch.cuda.cudart()  # type: ignore[no-untyped-call]
        address = self.numbers.data_ptr()
        with torch.cuda.device(device):
            status = int(cudart.cudaHostRegister(address, self.numbers.nbytes, 0))
            if status == 0:
                weakref.finalize(self, cudart.cudaHostUnregister, address)
                return
            log.warning("main memory cannot be locked: blocks reach the card more slowly", status=status)
            try:
                torch.zeros(1, device=device)  # CUDA reports the refusal once more, to the next kernel
            except RuntimeError:
                log.info("refusal reported", status=status)
