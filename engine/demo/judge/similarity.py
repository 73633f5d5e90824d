"""How similar two pictures are in structure: SSIM."""

import numpy as np
import numpy.typing as npt
from PIL import Image

WINDOW, SPREAD = (
    11,
    1.5,
)  # Gaussian, as in Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment", 2004
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
LUMA = (0.299, 0.587, 0.114)  # BT.601

Pixels = npt.NDArray[np.uint8]


def ssim(one: Pixels, other: Pixels) -> float:
    """Return the mean SSIM of the lightness of two pictures of one size: 1.0 for equal ones.

    Args:
        one: (height, width, 3), each side at least ``WINDOW``.
        other: The same.
    """
    x, y = (pixels.astype(float) @ LUMA for pixels in (one, other))
    mean_x, mean_y = _blurred(x), _blurred(y)
    variance_x, variance_y = _blurred(x * x) - mean_x**2, _blurred(y * y) - mean_y**2
    covariance = _blurred(x * y) - mean_x * mean_y
    lightness = (2 * mean_x * mean_y + C1) / (mean_x**2 + mean_y**2 + C1)
    return float((lightness * (2 * covariance + C2) / (variance_x + variance_y + C2)).mean())


def shrunk(pixels: Pixels, like: Pixels) -> Pixels:
    """Return a picture at the size of another one, by Lanczos."""
    height, width = like.shape[:2]
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS))


def _blurred(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return weighted means over the window, where it is within the picture."""
    weights = np.exp(-((np.arange(WINDOW) - WINDOW // 2) ** 2) / (2 * SPREAD**2))
    weights /= weights.sum()
    for axis in (0, 1):
        values = np.lib.stride_tricks.sliding_window_view(values, WINDOW, axis=axis) @ weights
    return values
