"""A start picture is read from our own files alone, and resized."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from engine.errors import StartDamaged
from engine.finish import start as start_module
from engine.finish.encoder import encode
from engine.finish.metadata import PictureSettings
from engine.finish.png import SIGNATURE
from engine.finish.start import StartPixels, read_start
from engine.request import RenderRequest, StartPicture

PIXELS = np.random.default_rng(1).integers(0, 256, (32, 48, 3), dtype=np.uint8)
PNG = encode(PIXELS, PictureSettings("a face", seed=7, width_px=48, height_px=32, steps=8, model="tiny"))


def by_pillow(mode: str, **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(PIXELS).convert(mode).save(file, "PNG", **options)
    return file.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack("!I", len(content)) + kind + content + struct.pack("!I", zlib.crc32(kind + content))


def with_head(width: int, height: int, *form: int) -> bytes:
    """A file that announces this size, and has the pixels of one line."""
    head = chunk(b"IHDR", struct.pack("!IIBBBBB", width, height, *(form or (8, 2, 0, 0, 0))))
    return SIGNATURE + head + chunk(b"IDAT", zlib.compress(bytes(64))) + chunk(b"IEND", b"")


def test_our_file_is_read_unchanged_and_resized_by_lanczos() -> None:
    assert np.array_equal(read_start(StartPicture(PNG, 0.3), 48, 32), PIXELS)
    larger = read_start(StartPicture(PNG, 0.3), 96, 64)
    expected = Image.fromarray(PIXELS).resize((96, 64), Image.Resampling.LANCZOS)
    assert (larger.shape, larger.dtype) == ((64, 96, 3), np.uint8)
    assert np.array_equal(larger, np.asarray(expected))
    assert np.array_equal(larger, read_start(StartPicture(PNG, 0.3), 96, 64))
    assert read_start(StartPicture(by_pillow("RGB", optimize=True), 0.3), 16, 16).shape == (16, 16, 3)


DAMAGED = {
    "empty": b"",
    "no picture": b"GIF89a no picture",
    "a signature alone": PNG[:8],
    "a head alone": PNG[:33],
    "cut off": PNG[: len(PNG) // 2],
    "a flipped bit": PNG[:-30] + bytes([PNG[-30] ^ 1]) + PNG[-29:],
    "another first chunk": SIGNATURE + chunk(b"tEXt", b"a\0b" + bytes(10)),
    "with transparency": by_pillow("RGBA"),
    "with a palette": by_pillow("P"),
    "grey": by_pillow("L"),
    "no pixels": with_head(0, 32),
    "a line of a huge picture": with_head(2**31 - 1, 2**31 - 1),
    "too wide": with_head(8208, 16),
    "too many pixels": with_head(8192, 8192),
    "fewer pixels than announced": with_head(1024, 1024),
    "interlaced": with_head(48, 32, 8, 2, 0, 0, 1),
    "sixteen bits": with_head(48, 32, 16, 2, 0, 0, 0),
    "a text that unpacks to 128 MiB": PNG[:33]
    + chunk(b"zTXt", b"parameters\0\0" + zlib.compress(bytes(2**27)))
    + PNG[33:],
}


@pytest.mark.parametrize("file", DAMAGED)
def test_another_file_is_refused(file: str) -> None:
    with pytest.raises(StartDamaged):
        read_start(StartPicture(DAMAGED[file], 0.3), 48, 32)


def test_what_is_too_large_is_refused_before_it_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(*args: object, **options: object) -> None:
        raise AssertionError("The file was opened.")

    monkeypatch.setattr(start_module.Image, "open", opened)
    for file in ("a line of a huge picture", "too wide", "too many pixels", "interlaced"):
        with pytest.raises(StartDamaged):
            read_start(StartPicture(DAMAGED[file], 0.3), 48, 32)


def test_a_picture_that_was_made_ready_is_used_for_its_job_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    start = StartPicture(PNG, 0.3)
    first, second = (RenderRequest(name, 1, "a", 48, 32, 7, start=start) for name in "ab")
    read: list[int] = []
    monkeypatch.setattr(start_module, "read_start", lambda *given: read.append(len(read)) or read[-1])
    pixels = StartPixels()
    pixels.prepare(first)
    assert [pixels.take(first, start), pixels.take(first, start)] == [0, 1]
    pixels.prepare(first)
    assert pixels.take(second, start) == 3
    pixels.prepare(RenderRequest("c", 1, "a", 48, 32, 7))
    assert len(read) == 4
