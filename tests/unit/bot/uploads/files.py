"""Picture files for tests, also such as no program would write."""

import io
import struct
import zlib

from PIL import ExifTags, Image

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, content: bytes, *, check: int | None = None) -> bytes:
    """One chunk of a PNG, with a right check sum unless another is given."""
    right = zlib.crc32(content, zlib.crc32(kind))
    return (
        struct.pack("!I", len(content))
        + kind
        + content
        + struct.pack("!I", right if check is None else check)
    )


HEAD = chunk(b"IHDR", struct.pack("!IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
END = chunk(b"IEND", b"")


def png(*chunks: bytes, end: bytes = END) -> bytes:
    """A PNG with these chunks between its head and its end."""
    return b"".join([SIGNATURE, HEAD, *chunks, end])


def text_chunk(text: str, keyword: bytes = b"parameters") -> bytes:
    """A tEXt chunk."""
    return chunk(b"tEXt", keyword + b"\0" + text.encode("latin-1"))


def compressed_chunk(content: bytes) -> bytes:
    """A zTXt chunk of text that is not compressed yet."""
    return chunk(b"zTXt", b"parameters\0\0" + zlib.compress(content, 9))


def international_chunk(text: bytes, *, is_compressed: bool = False) -> bytes:
    """An iTXt chunk."""
    body = zlib.compress(text, 9) if is_compressed else text
    return chunk(b"iTXt", b"parameters\0" + bytes([is_compressed, 0]) + b"zh\0\xe5\x8f\x82\0" + body)


def with_comment(comment: bytes, kind: str) -> bytes:
    """A small WebP or JPEG of Pillow, with an Exif user comment."""
    exif, file = Image.Exif(), io.BytesIO()
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = comment
    Image.new("RGB", (8, 8)).save(file, kind, exif=exif)
    return file.getvalue()
