"""Pixels become files in another thread."""

import io
import threading
from contextlib import closing

import numpy as np
import numpy.typing as npt
from PIL import Image

from engine.finish.encoder import Encoder, encode
from engine.finish.metadata import PictureSettings

SETTINGS = PictureSettings("a face", seed=7, width_px=48, height_px=32, steps=8, model="tiny")
PIXELS = np.random.default_rng(2).integers(0, 256, (32, 48, 3), dtype=np.uint8)


def test_the_file_holds_exactly_the_pixels() -> None:
    picture = Image.open(io.BytesIO(encode(PIXELS, SETTINGS)))
    assert picture.mode == "RGB"
    assert picture.size == (48, 32)
    assert np.array_equal(np.asarray(picture), PIXELS)


def test_the_same_picture_gives_the_same_bytes() -> None:
    assert encode(PIXELS, SETTINGS) == encode(PIXELS.copy(), SETTINGS)


def test_encoding_runs_in_its_own_thread() -> None:
    threads = []

    def wait() -> npt.NDArray[np.uint8]:
        threads.append(threading.current_thread())
        return PIXELS

    with closing(Encoder()) as encoder:
        encoded = encoder.submit(3, wait, SETTINGS).result(timeout=60)
    assert encoded.encode_s > 0
    assert (encoded.picture.index, encoded.picture.seed, encoded.picture.width_px) == (3, 7, 48)
    assert threads != [threading.current_thread()]
    assert threads[0].name.startswith("encode")
    assert not threads[0].is_alive()


def test_an_error_in_the_thread_reaches_the_caller() -> None:
    with closing(Encoder()) as encoder:
        future = encoder.submit(0, lambda: np.zeros((3, 3, 9), np.uint8), SETTINGS)
        assert isinstance(future.exception(timeout=60), ValueError)
