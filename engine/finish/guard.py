"""Refuses results that are no picture, before anyone waits for their delivery."""

import numpy as np
import numpy.typing as npt

from engine.errors import BlankPicture

FLAT_LEVELS = 2  # of 255: what rounding alone can make of one flat colour; a real picture spans far more


def require_picture(pixels: npt.NDArray[np.uint8], *, is_finite: bool) -> None:
    """Pass a picture, refuse a failure that looks like one.

    Args:
        pixels: Shape (height, width, 3).
        is_finite: Whether every value was a finite number before it was rounded to a pixel.

    Raises:
        BlankPicture: Facts: ``why``, ``not_finite`` or ``flat``. Trying again with the same seed fails again.
    """
    if not is_finite:
        raise BlankPicture("The result holds values that are not finite.", why="not_finite")
    spread = pixels.max(axis=(0, 1)).astype(int) - pixels.min(axis=(0, 1)).astype(int)
    if (spread <= FLAT_LEVELS).all():
        raise BlankPicture("The result is one flat colour.", why="flat")
