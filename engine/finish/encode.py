"""Pixels → PNG in threads of their own, so that the card never waits for a compressor.

zlib releases the interpreter's lock while it works, so threads suffice.
"""

import io
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from PIL import Image

from engine.finish.stamp import PictureSettings, chunks

THREADS = 2  # the second keeps up where drawing a picture takes less time than compressing it

# 512x768, one core: level 1 takes 35 ms and 750 KiB, level 6 takes 62 ms and 661 KiB (a soft gradient with
# grain; pure noise is the same at both). 12 % fewer bytes are not worth a picture that arrives later.
COMPRESS_LEVEL = 1


@dataclass(frozen=True, slots=True)
class Encoded:
    """A complete PNG file, and the seconds it took."""

    png: bytes = field(repr=False)
    encode_s: float


class Encoder:
    """A small pool of compressing threads; ``close`` it in the end."""

    def __init__(self, threads: int = THREADS) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="encode")

    def submit(
        self, pixels: Callable[[], npt.NDArray[np.uint8]], settings: PictureSettings
    ) -> "Future[Encoded]":
        """Begin to encode and return at once.

        Args:
            pixels: Waits for the picture; shape (height, width, 3). What it raises, the future raises.
            settings: Written into the file.
        """
        return self._pool.submit(lambda: encode(pixels(), settings))

    def close(self) -> None:
        """Drop what has not begun and wait for what has."""
        self._pool.shutdown(cancel_futures=True)


def encode(pixels: npt.NDArray[np.uint8], settings: PictureSettings) -> Encoded:
    """Make the file of one picture: the same pixels and settings give the same bytes."""
    began_s = time.perf_counter()
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=COMPRESS_LEVEL, pnginfo=chunks(settings))
    return Encoded(file.getvalue(), time.perf_counter() - began_s)
