"""Reads the user comment of an Exif block, where tools put the settings of a WebP or JPEG.

Pillow's own reader copies what each of up to 65,535 entries names: too much for a hostile file of 20 MiB.
This one reads two directories and one value.
"""

import struct

from PIL.ExifTags import IFD, Base

MAX_ENTRIES = 512  # of one directory; cameras write about a hundred
_UNICODE, _ASCII = b"UNICODE\0", b"ASCII\0\0\0"
_ENTRY_BYTES = 12


def user_comment_of(exif: bytes) -> str:
    """Return the user comment of a TIFF block; empty without one, or if the block is damaged."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None:
        return ""
    try:
        [first] = struct.unpack_from(f"{order}I", exif, 4)
        pointer = _entry(exif, order, first, IFD.Exif)
        comment = _entry(exif, order, pointer[1], Base.UserComment) if pointer else None
    except struct.error:
        return ""
    if comment is None:
        return ""
    length, start = comment
    return _decode(exif[start : start + length])


def _entry(exif: bytes, order: str, directory: int, tag: int) -> tuple[int, int] | None:
    """Return count and value of an entry of a directory; None without it.

    Raises:
        struct.error: The directory leaves the block.
    """
    [count] = struct.unpack_from(f"{order}H", exif, directory)
    for number in range(min(count, MAX_ENTRIES)):
        found, _, length, value = struct.unpack_from(
            f"{order}HHII", exif, directory + 2 + number * _ENTRY_BYTES
        )
        if found == tag:
            return int(length), int(value)
    return None


def _decode(comment: bytes) -> str:
    """Decode a comment by the eight bytes in front of it."""
    kind, text = comment[:8], comment[8:]
    if kind == _ASCII:
        return text.decode("ascii", errors="replace").rstrip("\0 ")
    if kind != _UNICODE:
        return ""
    # The standard leaves the order of the bytes open, and tools differ; all settings contain their steps.
    decoded = [text.decode(codec, errors="replace").rstrip("\0 ") for codec in ("utf-16-be", "utf-16-le")]
    return next((each for each in decoded if "Steps:" in each), decoded[0])
