"""Files that other readers decode to the same pixels."""

import io
import zlib

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from engine.finish.png import write_png

DecodedPixels = npt.NDArray[np.uint8]
NOISE = np.random.default_rng(1).integers(0, 256, (33, 17, 3), dtype=np.uint8)
PICTURES = [NOISE, NOISE[:1], NOISE[:, :1], np.zeros((5, 4, 3), np.uint8), np.full((5, 4, 3), 255, np.uint8)]


@pytest.mark.parametrize("pixels", PICTURES, ids=["noise", "one line", "one column", "black", "white"])
def test_written_pixels_are_read_back_bit_for_bit(pixels: DecodedPixels) -> None:
    with Image.open(io.BytesIO(write_png(pixels, []))) as image:
        image.load()
        assert image.mode == "RGB"
        assert np.array_equal(np.asarray(image), pixels)


def test_chunks_come_before_the_pixels_with_their_checksums() -> None:
    file = write_png(NOISE, [(b"tEXt", b"parameters\0a face")])
    at, kinds = 8, []
    while at < len(file):
        length, kind = int.from_bytes(file[at : at + 4]), file[at + 4 : at + 8]
        content = file[at + 8 : at + 8 + length]
        assert zlib.crc32(kind + content) == int.from_bytes(file[at + 8 + length : at + 12 + length])
        kinds.append(kind)
        at += 12 + length
    assert kinds == [b"IHDR", b"tEXt", b"IDAT", b"IEND"]


def test_a_soft_picture_is_not_larger_than_pillows() -> None:
    rows, columns = np.mgrid[0:256, 0:192]
    soft = 128 + 60 * np.sin(columns / 80) + 40 * np.cos(rows / 60)
    grain = np.random.default_rng(2).normal(0, 2, (256, 192, 3))
    pixels = (soft[..., None] + grain).clip(0, 255).astype(np.uint8)
    by_pillow = io.BytesIO()
    Image.fromarray(pixels).save(by_pillow, "PNG", compress_level=1)
    assert len(write_png(pixels, [])) <= len(by_pillow.getvalue())


def test_pixels_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="no RGB"):
        write_png(np.zeros((3, 3, 4), np.uint8), [])
