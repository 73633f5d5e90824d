"""The user comment of an Exif block."""

import struct

import pytest
from PIL.ExifTags import Base

from bot.uploads.exif import MAX_ENTRIES, user_comment_of

TEXT = "a girl\nSteps: 8"


def block(order: str, comment: bytes, *, entries: int = 0) -> bytes:
    """A block of a program of this byte order, with other entries before the ones that count."""
    others = struct.pack(f"{order}HHII", 1, 1, 1, 1) * entries
    second = 8 + 2 + 12 * (entries + 1) + 4
    first = others + struct.pack(f"{order}HHII", 0x8769, 4, 1, second)
    start = second + 2 + 12 + 4
    exif = struct.pack(f"{order}HHII", Base.UserComment, 7, len(comment), start)
    parts = [
        {"<": b"II*\0", ">": b"MM\0*"}[order], struct.pack(f"{order}I", 8),
        struct.pack(f"{order}H", entries + 1), first, b"\0" * 4,
        struct.pack(f"{order}H", 1), exif, b"\0" * 4, comment,
    ]  # fmt: skip
    return b"".join(parts)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("codec", ["utf-16-be", "utf-16-le"])
def test_text_is_read_in_any_order_of_its_bytes(order: str, codec: str) -> None:
    for text in (TEXT, "一个女孩\nSteps: 8"):
        assert user_comment_of(block(order, b"UNICODE\0" + text.encode(codec) + b"\0\0")) == text


def test_a_directory_is_read_up_to_its_limit() -> None:
    comment = b"ASCII\0\0\0" + TEXT.encode()
    assert user_comment_of(block("<", comment, entries=MAX_ENTRIES - 1)) == TEXT
    assert user_comment_of(block("<", comment, entries=MAX_ENTRIES)) == ""


@pytest.mark.parametrize(
    "exif",
    [
        *(b"", b"II*\0", b"II*\0\xff\xff\xff\xff", b"XX*\0\x08\0\0\0", b"MM\0*\0\0\0\x08\xff\xff"),
        block("<", b"UNICODE\0")[:40],
        block("<", b"\0" * 8 + TEXT.encode()),
        block("<", b""),
    ],
)
def test_a_damaged_or_empty_block_has_no_text(exif: bytes) -> None:
    assert user_comment_of(exif) == ""
