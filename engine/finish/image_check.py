"""Refuses results that are not pictures before they are delivered."""

import numpy as np
import numpy.typing as npt

from engine.errors import BlankPicture

SAMPLE_STRIDE = 101  # the first check looks at every 101st pixel; a prime covers all columns
MAX_FLAT_SPREAD = 2  # of 255: the most that rounding makes of one flat colour


def check_image(pixels: npt.NDArray[np.uint8], *, is_finite: bool) -> None:
    """Raise if the result of a drawing is not a picture.

    Args:
        pixels: Shape (height, width, 3).
        is_finite: Whether every value was finite before rounding.

    Raises:
        BlankPicture: Facts: ``why``, ``not_finite`` or ``flat``. The same seed fails again.
    """
    if not is_finite:
        raise BlankPicture("The result holds values that are not finite.", why="not_finite")
    each = pixels.reshape(-1, pixels.shape[-1])
    # A sample suffices for a real picture; all pixels of 512x768 take 16 ms.
    if _is_flat(each[::SAMPLE_STRIDE]) and _is_flat(each):
        raise BlankPicture("The result is one flat colour.", why="flat")


def _is_flat(each: npt.NDArray[np.uint8]) -> bool:
    spread = each.max(axis=0).astype(int) - each.min(axis=0).astype(int)
    return bool((spread <= MAX_FLAT_SPREAD).all())
