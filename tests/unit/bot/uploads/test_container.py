"""The text of the settings in picture files, also of hostile ones."""

import contextlib
import random
import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.errors import NoSettings, NotAPicture, PersonError, PictureTooLarge
from bot.uploads import MAX_PICTURE_BYTES, settings_text_of
from bot.uploads.container import MAX_CHUNKS, MAX_TEXT_BYTES
from engine.finish.encoder import encode
from engine.finish.metadata import PictureSettings
from tests.unit.bot.uploads.files import (
    END,
    HEAD,
    SIGNATURE,
    chunk,
    compressed_chunk,
    international_chunk,
    png,
    text_chunk,
    with_comment,
)

PIXELS = chunk(b"IDAT", b"not decoded")
TEXT = "a girl\nSteps: 8, Seed: 7, Size: 512x768"
CHINESE = "一个女孩\nSteps: 8, Seed: 7, Size: 512x768"


@pytest.mark.parametrize(
    ("file", "text"),
    [
        (png(text_chunk(TEXT), PIXELS), TEXT),
        (png(PIXELS, text_chunk(TEXT)), TEXT),
        (png(text_chunk("x", b"other"), text_chunk(TEXT)), TEXT),
        (png(text_chunk(TEXT), text_chunk("second")), TEXT),
        (png(text_chunk("café")), "café"),
        (png(chunk(b"tEXt", b"parameters\0" + CHINESE.encode())), CHINESE),
        (png(compressed_chunk(TEXT.encode())), TEXT),
        (png(international_chunk(CHINESE.encode())), CHINESE),
        (png(international_chunk(CHINESE.encode(), is_compressed=True)), CHINESE),
        *(
            (with_comment(b"UNICODE\0" + CHINESE.encode(codec), kind), CHINESE)
            for kind in ("WEBP", "JPEG")
            for codec in ("utf-16-be", "utf-16-le")
        ),
        (with_comment(b"ASCII\0\0\0" + TEXT.encode(), "JPEG"), TEXT),
    ],
)
def test_the_text_is_found_in_each_form(file: bytes, text: str) -> None:
    assert settings_text_of(file) == text


def test_our_own_pictures_are_read() -> None:
    np = pytest.importorskip("numpy")
    drawn = PictureSettings("一个女孩", 7, 8, 8, 8, "tiny")
    assert settings_text_of(encode(np.zeros((8, 8, 3), np.uint8), drawn)).startswith("一个女孩\nSteps: 8,")


@pytest.mark.parametrize(
    "file",
    [
        png(PIXELS),
        png(text_chunk("", b"parameters")),
        png(text_chunk("  \n ")),
        png(chunk(b"tEXt", b"parameters")),
        with_comment(b"", "WEBP"),
        with_comment(b"JIS\0\0\0\0\0" + TEXT.encode(), "JPEG"),
        b"\xff\xd8\xff\xd9",
        b"RIFF\0\0\0\0WEBP",
    ],
)
def test_a_picture_without_settings_is_not_damaged(file: bytes) -> None:
    with pytest.raises(NoSettings):
        settings_text_of(file)


@pytest.mark.parametrize(
    "file",
    [
        *(b"", b"GIF89a", b"PK\x03\x04", SIGNATURE, SIGNATURE + HEAD, SIGNATURE + END),
        png(text_chunk(TEXT))[:60],
        png(chunk(b"tEXt", b"parameters\0" + TEXT.encode(), check=1)),
        png(HEAD, text_chunk(TEXT)),
        png(chunk(b"zTXt", b"parameters\0\0not zlib")),
        png(chunk(b"zTXt", b"parameters\0\0" + zlib.compress(TEXT.encode())[:-5])),
        png(chunk(b"iTXt", b"parameters\0")),
        png(chunk(b"iTXt", b"parameters\0\0\0zh")),
        SIGNATURE + HEAD + struct.pack("!I4s", 2**31, b"tEXt") + b"parameters\0x",
        png(*[chunk(b"tEXt", b"")] * MAX_CHUNKS),
    ],
)
def test_a_damaged_file_is_refused(file: bytes) -> None:
    with pytest.raises(NotAPicture):
        settings_text_of(file)


@pytest.mark.parametrize(
    "file",
    [
        png(compressed_chunk(b"\0" * (16 * 2**20))),  # 16 KiB that become 16 MiB
        png(international_chunk(b"\0" * (16 * 2**20), is_compressed=True)),
        png(text_chunk("x" * (MAX_TEXT_BYTES + 1))),
        b"\x89" + b"\0" * MAX_PICTURE_BYTES,
    ],
)
def test_what_is_too_large_is_refused_before_it_fills_the_memory(file: bytes) -> None:
    with pytest.raises(PictureTooLarge):
        settings_text_of(file)


FILES = [
    png(text_chunk(TEXT), PIXELS),
    png(international_chunk(CHINESE.encode(), is_compressed=True)),
    png(compressed_chunk(TEXT.encode())),
    with_comment(b"UNICODE\0" + CHINESE.encode("utf-16-be"), "WEBP"),
    with_comment(b"UNICODE\0" + CHINESE.encode("utf-16-le"), "JPEG"),
]


def read(file: bytes) -> None:
    with contextlib.suppress(PersonError):
        assert settings_text_of(file)


def test_changed_and_cut_files_are_read_or_refused() -> None:
    source = random.Random(7)
    for _ in range(3_000):
        file = bytearray(source.choice(FILES))
        for _ in range(source.randint(1, 6)):
            file[source.randrange(len(file))] = source.choice((0, 1, 127, 255, source.randrange(256)))
        read(bytes(file[: source.randint(1, len(file))] if source.random() < 0.3 else file))


@settings(max_examples=200)
@given(st.sampled_from([b"", SIGNATURE, SIGNATURE + HEAD, b"RIFF\0\0\0\0WEBP", b"\xff\xd8\xff"]), st.binary())
def test_any_bytes_are_read_or_refused(head: bytes, rest: bytes) -> None:
    read(head + rest)
