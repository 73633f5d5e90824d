"""Refuses results that are no picture, before anyone waits for their delivery."""

import numpy as np
import numpy.typing as npt

from engine.errors import BlankPicture

SAMPLE_STRIDE = 101  # of so many pixels one is looked at first; a prime, so that they cover all columns
MAX_FLAT_SPREAD = 2  # of 255: what rounding alone can make of one flat colour; a real picture spans far more


def check_image(pixels: npt.NDArray[np.uint8], *, is_finite: bool) -> None:
    """Pass a picture, refuse a failure that looks like one.

    Args:
        pixels: Shape (height, width, 3).
        is_finite: Whether every value was a finite number before it was rounded to a pixel.

    Raises:
        BlankPicture: Facts: ``why``, ``not_finite`` or ``flat``. Trying again with the same seed fails again.
    """
    if not is_finite:
        raise BlankPicture("The result holds values that are not finite.", why="not_finite")
    each = pixels.reshape(-1, pixels.shape[-1])
    # A real picture shows in a few of its pixels that it is one; to look at all of 512x768 takes 16 ms.
    if _is_flat(each[::SAMPLE_STRIDE]) and _is_flat(each):
        raise BlankPicture("The result is one flat colour.", why="flat")


def _is_flat(each: npt.NDArray[np.uint8]) -> bool:
    spread = each.max(axis=0).astype(int) - each.min(axis=0).astype(int)
    return bool((spread <= MAX_FLAT_SPREAD).all())
