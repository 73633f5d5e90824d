"""Reads the header of a safetensors file and trusts none of it; the tensors themselves are never read.

The format: u64 length (little-endian), that many bytes of JSON, then the tensors without a gap. The JSON is
an object: name → tensor, and ``__metadata__`` → an object of strings. The library's own limit of 100 MB lets
a hostile header cost seconds and a gigabyte, so ours are checked before it sees the file, and the JSON is
parsed one entry at a time: no header makes more objects than its tensors need. Parent-side and torch-free:
the shelf and the model folder are both examined with it.
"""

import math
import os
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum
from io import BufferedReader, BytesIO

from pydantic_core import from_json

from engine.errors import EngineError

# A LoRA on every linear of Z-Image-Turbo needs some 60 KiB. Trainers add their settings and each tag of their
# training pictures as metadata, which exceeds a mebibyte for some thousands of pictures.
MAX_HEADER_BYTES = 4 * 2**20
MAX_TENSORS = 4096  # the same LoRA has 476 tensors, the text encoder 398
MAX_DIMENSIONS = 8
MAX_METADATA = 1024  # strings; trainers write up to a hundred
MAX_NAME = 1000  # letters or escapes of a tensor's name; the longest of a trainer has some 90
_ARCHIVES = {b"PK\x03\x04": "zip", b"\x1f\x8b": "gzip", b"7z\xbc\xaf": "7z", b"Rar!": "rar"}
_ITEM_BYTES = {
    "F64": 8, "I64": 8, "U64": 8, "F32": 4, "I32": 4, "U32": 4, "F16": 2, "BF16": 2, "I16": 2, "U16": 2,
    "F8_E4M3": 1, "F8_E5M2": 1, "I8": 1, "U8": 1, "BOOL": 1,
}  # fmt: skip

# Possessive: no character is looked at twice.
_STRING = rb'"(?:[^"\\]++|\\.)*+"'
_NAME = rb'"(?:[^"\\]|\\.){0,%d}+"' % MAX_NAME
_KEY = re.compile(rb"[ \t\r\n]*+(" + _NAME + rb")[ \t\r\n]*+:[ \t\r\n]*+", re.DOTALL)
_VALUE = re.compile(_STRING, re.DOTALL)
_ENTRY = re.compile(rb"\{[^{}]{0,1000}+\}")
_NEXT = re.compile(rb"[ \t\r\n]*+([,}])")
_EMPTY = re.compile(rb"\{[ \t\r\n]*+\}")


class Flaw(StrEnum):
    """What is wrong with a file.

    TRUNCATED  it ends before its tensors do, or has data after them
    PICKLED    a pickle or an archive, which may run code when loaded
    TOO_LARGE  its header has more bytes or tensors than any real file
    DAMAGED    anything else
    """

    TRUNCATED = "truncated"
    PICKLED = "pickled"
    TOO_LARGE = "too_large"
    DAMAGED = "damaged"


class BadHeader(EngineError):
    """The file is not an intact safetensors file."""

    def __init__(self, flaw: Flaw, message: str, **facts: object) -> None:
        super().__init__(message, **facts)
        self.flaw = flaw


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor of the header.

    Attributes:
        dtype: As the format names it: ``BF16``, ``F32``.
        shape: Outermost first.
        offset_bytes: Where its numbers begin, from the start of the file; not part of equality.
    """

    dtype: str
    shape: tuple[int, ...]
    offset_bytes: int = field(default=0, compare=False)

    @property
    def item_bytes(self) -> int:
        """Bytes of one number."""
        return _ITEM_BYTES[self.dtype]

    @property
    def nbytes(self) -> int:
        """Bytes of all its numbers."""
        return math.prod(self.shape) * self.item_bytes


def read_header(file: BufferedReader | BytesIO, size_bytes: int | None = None) -> dict[str, Tensor]:
    """As ``read_contents``, without the metadata."""
    return read_contents(file, size_bytes)[0]


def read_contents(
    file: BufferedReader | BytesIO, size_bytes: int | None = None, wanted: Collection[str] = ()
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read the tensors and the metadata of a file, and prove that the file has exactly their length.

    Args:
        file: Open for reading, at its start.
        size_bytes: The length, if ``file`` is not a file on disk.
        wanted: The metadata to return; the rest is not decoded.

    Raises:
        BadHeader: The file must not be loaded; ``flaw`` says what is wrong with it.
        OSError: It cannot be read.
    """
    size = os.fstat(file.fileno()).st_size if size_bytes is None else size_bytes
    start = file.read(9)
    length = int.from_bytes(start[:8], "little")
    if length > MAX_HEADER_BYTES or start[8:9] != b"{":
        _refuse_start(start, size, length)
    text = bytearray(max(1, length))
    text[0] = start[8]
    with memoryview(text) as view:
        read = file.readinto(view[1:])
    if read < length - 1:
        raise BadHeader(
            Flaw.TRUNCATED, "The file ends within its header.", expected_bytes=8 + length, bytes=size
        )
    if (found := text.count(b'"data_offsets"')) > MAX_TENSORS:  # before any of them is parsed
        raise _too_many(found)
    tensors, spans, metadata = _parse(text, 8 + length, wanted)
    _check_layout(spans, size - 8 - length)
    return tensors, metadata


def _parse(
    text: bytearray, data_begin: int, wanted: Collection[str]
) -> tuple[dict[str, Tensor], list[tuple[int, int]], dict[str, str]]:
    """Return the tensors, their first and last bytes, and the wanted metadata."""
    tensors: dict[str, Tensor] = {}
    metadata: dict[str, str] = {}
    spans: list[tuple[int, int]] = []
    has_metadata = False
    is_open = not _EMPTY.match(text)
    place = 1 if is_open else text.index(b"}") + 1
    while is_open:
        key = _KEY.match(text, place)
        if key is None:
            raise _no_json()
        if key[1] == b'"__metadata__"':
            if has_metadata:
                raise _malformed("__metadata__")
            has_metadata = True
            found, place = _parse_metadata(text, key.end(), wanted)
            metadata = found
        else:
            value = _ENTRY.match(text, key.end())
            name = _decode(key[1])
            if value is None or not isinstance(name, str) or name in tensors:
                raise _malformed(str(name))
            tensors[name], span = _tensor(name, _decode(value[0]), data_begin)
            spans.append(span)
            place = value.end()
            if len(tensors) > MAX_TENSORS:
                raise _too_many(len(tensors))
        is_open, place = _step(text, place)
    if text[place:].strip(b" \t\r\n"):
        raise _no_json()
    return tensors, spans, metadata


def _parse_metadata(text: bytearray, place: int, wanted: Collection[str]) -> tuple[dict[str, str], int]:
    """Return the wanted strings of the object that begins here, and where it ends."""
    if empty := _EMPTY.match(text, place):
        return {}, empty.end()
    found = {}
    is_open = text[place : place + 1] == b"{"
    place += 1
    for _ in range(MAX_METADATA):
        key = _KEY.match(text, place) if is_open else None
        value = _VALUE.match(text, key.end()) if key else None
        if key is None or value is None:
            raise BadHeader(Flaw.DAMAGED, "The header's metadata is not an object of strings.")
        if (name := _decode(key[1])) in wanted:
            found[str(name)] = str(_decode(value[0]))
        is_open, place = _step(text, value.end())
        if not is_open:
            return found, place
    raise BadHeader(
        Flaw.TOO_LARGE, f"The file has more than {MAX_METADATA} entries of metadata.", limit=MAX_METADATA
    )


def _step(text: bytearray, place: int) -> tuple[bool, int]:
    """Return whether another member of the object follows, and where it or the object's end is."""
    step = _NEXT.match(text, place)
    if step is None:
        raise _no_json()
    return step[1] == b",", step.end()


def _decode(json: bytes) -> object:
    try:
        return from_json(json, allow_inf_nan=False)
    except ValueError as error:
        raise _no_json() from error


def _no_json() -> BadHeader:
    return BadHeader(Flaw.DAMAGED, "The header is not JSON, or has too long a name.")


def _malformed(name: str) -> BadHeader:
    return BadHeader(Flaw.DAMAGED, f"The header's entry {name[:80]!r} is malformed.")


def _too_many(found: int) -> BadHeader:
    return BadHeader(
        Flaw.TOO_LARGE, f"The file has {found} tensors; at most {MAX_TENSORS} are allowed.",
        limit=MAX_TENSORS, found=found,
    )  # fmt: skip


def _refuse_start(start: bytes, size: int, length: int) -> None:
    """Raise the error that fits the first bytes of a file that is not safetensors, or too large."""
    for magic, archive in _ARCHIVES.items():
        if start.startswith(magic):
            raise BadHeader(
                Flaw.PICKLED, f"The file is a {archive} archive, not safetensors.", format=archive
            )
    if start[:1] == b"\x80" and start[1:2] in b"\x02\x03\x04\x05" and start[8:9] != b"{":
        raise BadHeader(Flaw.PICKLED, "The file is a pickle, not safetensors.", format="pickle")
    if len(start) < 9:
        raise BadHeader(Flaw.TRUNCATED, "The file ends within its header.", expected_bytes=9, bytes=size)
    if start[8:9] != b"{":
        raise BadHeader(Flaw.DAMAGED, "The file is not safetensors.")
    raise BadHeader(
        Flaw.TOO_LARGE, f"The header has {length} bytes; at most {MAX_HEADER_BYTES} are allowed.",
        limit=MAX_HEADER_BYTES, found=length,
    )  # fmt: skip


def _tensor(name: str, entry: object, data_begin: int) -> tuple[Tensor, tuple[int, int]]:
    damaged = _malformed(name)
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise damaged
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if (
        not isinstance(dtype, str)
        or dtype not in _ITEM_BYTES
        or not _are_counts(shape)
        or not _are_counts(offsets)
    ):
        raise damaged
    if len(shape) > MAX_DIMENSIONS or len(offsets) != 2:
        raise damaged
    begin, end = offsets
    if end - begin != math.prod(shape) * _ITEM_BYTES[dtype]:
        raise damaged
    return Tensor(dtype, tuple(shape), data_begin + begin), (begin, end)


def _are_counts(value: object) -> bool:
    """Return whether it is a list of whole numbers from 0 to what a file can hold."""
    return isinstance(value, list) and all(type(each) is int and 0 <= each < 2**48 for each in value)


def _check_layout(spans: list[tuple[int, int]], data_bytes: int) -> None:
    """Prove that the tensors fill the rest of the file, one after the other."""
    position = 0
    for begin, end in sorted(spans):
        if begin != position:
            raise BadHeader(Flaw.DAMAGED, "The tensors overlap or leave gaps.")
        position = end
    if position != data_bytes:
        fault = "ends before" if position > data_bytes else "has data after"
        raise BadHeader(
            Flaw.TRUNCATED, f"The file {fault} its last tensor.", expected_bytes=position, bytes=data_bytes
        )
