"""The file of an earlier picture → pixels of the size at which the next one is drawn.

Only files that ``encoder`` could have made are read: 8 bits, three channels, not interlaced, and no larger
than any picture of ours. That is known from the first bytes, before anything is unpacked.
"""

import io
import struct

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from engine.errors import StartDamaged
from engine.finish.png import RGB8, SIGNATURE
from engine.request import RenderRequest, StartPicture

MAX_SIDE_PX = 8192  # the positions that the transformer knows
MAX_PIXELS = 4096 * 4096  # four times the largest picture; 50 MB
_HEAD = struct.Struct("!I4sIIBBBBB")


class StartPixels:
    """The start pictures of jobs; that of the next job may be ready before the job is drawn.

    One thread calls ``take``, another one ``prepare``.
    """

    def __init__(self) -> None:
        self._ready: tuple[RenderRequest, npt.NDArray[np.uint8]] | None = None

    def prepare(self, request: RenderRequest) -> None:
        """Make a job's pixels ready; raises as ``read_start``. A job without a start needs none."""
        if request.start is not None:
            self._ready = request, read_start(request.start, request.width_px, request.height_px)

    def take(self, request: RenderRequest, start: StartPicture) -> npt.NDArray[np.uint8]:
        """Return the pixels of a job's ``start``; raises as ``read_start``."""
        ready, self._ready = self._ready, None
        if ready is not None and ready[0] is request:
            return ready[1]
        return read_start(start, request.width_px, request.height_px)


def read_start(start: StartPicture, width_px: int, height_px: int) -> npt.NDArray[np.uint8]:
    """Unpack a start picture and resize it (Lanczos); its shape changes if the size has another one.

    Returns:
        Shape (height, width, 3). The same file and size give the same bytes.

    Raises:
        StartDamaged: It is not a picture of ours, or its file is damaged.
    """
    _check_head(start.png)
    try:
        with Image.open(io.BytesIO(start.png), formats=["PNG"]) as picture:
            resized = picture.convert("RGB").resize((width_px, height_px), Image.Resampling.LANCZOS)
    except (OSError, ValueError, SyntaxError, UnidentifiedImageError, struct.error) as error:
        raise StartDamaged(detail=type(error).__name__) from error
    return np.array(resized)


def _check_head(png: bytes) -> None:
    """Raise if the file's head is not that of a picture of ours."""
    if not png.startswith(SIGNATURE) or len(png) < len(SIGNATURE) + _HEAD.size:
        raise StartDamaged(detail="no PNG")
    _, kind, width, height, *form = _HEAD.unpack_from(png, len(SIGNATURE))
    if kind != b"IHDR" or tuple(form) != RGB8:
        raise StartDamaged(detail="another kind of PNG")
    if not 0 < width <= MAX_SIDE_PX or not 0 < height <= MAX_SIDE_PX or width * height > MAX_PIXELS:
        raise StartDamaged(detail="too large", size=f"{width} x {height}")
