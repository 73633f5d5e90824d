"""Out-of-memory on the card: free what can be freed, retry with less, then raise an explaining error."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch

from engine.errors import ModelTooLarge, OutOfMemory
from engine.zimage.device import Placement

T = TypeVar("T")


def retry_with_less_memory(work: Callable[[], T], lower: Callable[[str], bool]) -> T:
    """Call ``work``; as often as memory runs out, clean up, choose a lower option and call it again.

    Args:
        work: May be repeated.
        lower: Makes ``work`` need less; gets the reason. False if it needs the least already.

    Raises:
        OutOfMemory: It failed with the least. Facts: ``detail``, the allocator's first line. The card is
            clean again.
    """
    while True:
        try:
            return work()
        except torch.OutOfMemoryError as error:
            detail = first_line(error)
        # The error's traceback holds the failed attempt's tensors. Outside ``except`` they can be freed.
        free_memory()
        if not lower(detail):
            raise OutOfMemory(detail=detail)
        free_memory()


@contextmanager
def report_model_too_large(placement: Placement) -> Iterator[None]:
    """Turn out-of-memory while a model loads into ``ModelTooLarge``; nothing is retried.

    Raises:
        ModelTooLarge: The device has too little free memory now. Facts: ``device``, ``detail``.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        detail = first_line(error)
        raise ModelTooLarge(
            f"{placement.name}: {detail}", device=str(placement.device), detail=detail
        ) from error


def first_line(error: BaseException) -> str:
    """Return the first line of the allocator's message; the rest is advice for programmers."""
    return str(error).partition("\n")[0] or type(error).__name__


def free_memory() -> None:
    """Return cached blocks to the card."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
