"""Encodes PNG files in its own threads, so that the card never waits for compression.

zlib releases the interpreter lock, so threads suffice.
"""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from engine.finish.metadata import PictureSettings, text_chunks
from engine.finish.png import write_png
from engine.reporting import Encoded
from engine.request import Picture

THREADS = 2  # two keep up when drawing a picture takes less time than compressing it


class Encoder:
    """A small pool of encoding threads. Call ``close`` at the end."""

    def __init__(self, threads: int = THREADS) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="encode")

    def submit(
        self, index: int, pixels: Callable[[], npt.NDArray[np.uint8]], settings: PictureSettings
    ) -> "Future[Encoded]":
        """Start to encode a picture and return at once.

        Args:
            index: The picture's index in its job.
            pixels: Waits for the pixels, shape (height, width, 3). The future raises what it raises.
            settings: Written into the file.
        """
        return self._pool.submit(_encoded, index, pixels, settings)

    def close(self) -> None:
        """Cancel the pictures whose encoding has not started and wait for the others."""
        self._pool.shutdown(cancel_futures=True)


def encode(pixels: npt.NDArray[np.uint8], settings: PictureSettings) -> bytes:
    """Make the file of one picture. The same pixels and settings give the same bytes."""
    return write_png(pixels, ((kind, content) for kind, content, *_ in text_chunks(settings).chunks))


def _encoded(index: int, pixels: Callable[[], npt.NDArray[np.uint8]], settings: PictureSettings) -> Encoded:
    drawn = pixels()
    began_s = time.perf_counter()
    png = encode(drawn, settings)
    picture = Picture(index, settings.seed, settings.width_px, settings.height_px, png)
    return Encoded(picture, time.perf_counter() - began_s)
