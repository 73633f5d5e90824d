"""Finds the text of the settings in a picture file: a ``parameters`` chunk of a PNG, else Exif.

Only lengths and one text are read, never a pixel: a file of any content costs time in proportion to its
size, at most ``MAX_CHUNKS`` steps and ``MAX_TEXT_BYTES`` of text. Blocking: call it in a thread.
"""

import struct
import zlib
from collections.abc import Iterator

from bot.errors import NoSettings, NotAPicture, PictureTooLarge
from bot.uploads.exif import user_comment_of

MAX_PICTURE_BYTES = 20 * 2**20  # what Telegram gives to bots; a PNG of the largest picture has a third of it
MAX_CHUNKS = 10_000  # a PNG of this size in the usual pieces of 8 KiB has 2,560
MAX_TEXT_BYTES = 256 * 2**10  # four LoRAs and the longest prompt have 40 KiB

_PNG = b"\x89PNG\r\n\x1a\n"
_KEYWORD = b"parameters"
_EXIF = b"Exif\0\0"
_NO_LENGTH = frozenset({0x01, *range(0xD0, 0xDA)})  # markers of a JPEG without content; 0xDA begins pixels


def settings_text_of(content: bytes) -> str:
    """Return the text of the settings in a whole, untrusted file.

    Raises:
        NotAPicture: It is no PNG, WebP or JPEG, or damaged on the way to the text.
        NoSettings: It is a picture without such a text.
        PictureTooLarge: The file or its text is larger than any that is read.
    """
    if len(content) > MAX_PICTURE_BYTES:
        raise PictureTooLarge(limit_bytes=MAX_PICTURE_BYTES)
    if content.startswith(_PNG):
        text = _text_of_png(content)
    elif content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        text = user_comment_of(_exif_of_webp(content))
    elif content.startswith(b"\xff\xd8\xff"):
        text = user_comment_of(_exif_of_jpeg(content))
    else:
        raise NotAPicture
    if len(text) > MAX_TEXT_BYTES:
        raise PictureTooLarge(limit_bytes=MAX_TEXT_BYTES)
    if not text.strip():
        raise NoSettings
    return text


def _text_of_png(content: bytes) -> str:
    """Return the text of the first chunk of settings; its check sum must be right."""
    for kind, start, end in _png_chunks(content):
        if kind not in (b"tEXt", b"zTXt", b"iTXt"):
            continue
        keyword, separator, rest = content[start:end].partition(b"\0")
        if keyword != _KEYWORD or not separator:
            continue
        [check] = struct.unpack_from("!I", content, end)
        if zlib.crc32(content[start:end], zlib.crc32(kind)) != check:
            raise NotAPicture
        return _text_of_chunk(kind, rest)
    return ""


def _png_chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield type, start and end of each chunk's content, up to the end of the picture."""
    at = len(_PNG)
    for number in range(MAX_CHUNKS):
        if at + 12 > len(content):
            raise NotAPicture
        length, kind = struct.unpack_from("!I4s", content, at)
        start, end = at + 8, at + 8 + length
        if end + 4 > len(content) or (kind == b"IHDR") != (number == 0):
            raise NotAPicture
        if kind == b"IEND":
            return
        yield kind, start, end
        at = end + 4
    raise NotAPicture


def _text_of_chunk(kind: bytes, rest: bytes) -> str:
    """Decode the part of a text chunk behind its keyword."""
    if kind == b"tEXt":
        return _decode(rest)
    if kind == b"zTXt":
        return _decode(_inflate(rest[1:]))
    if len(rest) < 2:
        raise NotAPicture
    _language, _, after = rest[2:].partition(b"\0")
    _translated, separator, text = after.partition(b"\0")
    if not separator:
        raise NotAPicture
    return _decode(_inflate(text) if rest[0] else text)


def _decode(text: bytes) -> str:
    """Decode UTF-8, else Latin-1: the standard of tEXt and zTXt, which not every tool keeps."""
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        return text.decode("latin-1")


def _inflate(compressed: bytes) -> bytes:
    """Decompress a text of at most ``MAX_TEXT_BYTES``: a small chunk can hold gigabytes."""
    inflater = zlib.decompressobj()
    try:
        text = inflater.decompress(compressed, MAX_TEXT_BYTES + 1)
    except zlib.error as error:
        raise NotAPicture from error
    if len(text) > MAX_TEXT_BYTES:
        raise PictureTooLarge(limit_bytes=MAX_TEXT_BYTES)
    if not inflater.eof:
        raise NotAPicture
    return text


def _exif_of_webp(content: bytes) -> bytes:
    at = 12
    for _ in range(MAX_CHUNKS):
        if at + 8 > len(content):
            break
        kind, length = struct.unpack_from("<4sI", content, at)
        if kind == b"EXIF":
            return content[at + 8 : at + 8 + length].removeprefix(_EXIF)
        at += 8 + length + length % 2
    return b""


def _exif_of_jpeg(content: bytes) -> bytes:
    at = 2
    for _ in range(MAX_CHUNKS):
        if at + 4 > len(content) or content[at] != 0xFF:
            break
        marker = content[at + 1]
        if marker == 0xDA:
            break
        if marker in _NO_LENGTH or marker == 0xFF:
            at += 1 if marker == 0xFF else 2
            continue
        [length] = struct.unpack_from("!H", content, at + 2)
        segment = content[at + 4 : at + 2 + length]
        if marker == 0xE1 and segment.startswith(_EXIF):
            return segment[len(_EXIF) :]
        at += 2 + max(2, length)
    return b""
