"""Reads the header of a safetensors file and trusts none of it; the tensors themselves are never read.

The format: u64 length (little-endian), that many bytes of JSON, then the tensors without a gap. The library's
own limit of 100 MB lets a hostile header cost seconds and a gigabyte, so ours are checked before it sees the
file. Parent-side and torch-free: the shelf and the model folder are both examined with it.
"""

import math
import os
from dataclasses import dataclass, field
from enum import StrEnum
from typing import BinaryIO

from pydantic_core import from_json

from engine.errors import EngineError

MAX_HEADER_BYTES = 2**20  # a LoRA on every linear of Z-Image-Turbo needs some 60 KiB
MAX_TENSORS = 4096  # the same LoRA has 476 tensors, the text encoder 398
MAX_DIMENSIONS = 8
_ARCHIVES = {b"PK\x03\x04": "zip", b"\x1f\x8b": "gzip", b"7z\xbc\xaf": "7z", b"Rar!": "rar"}
_ITEM_BYTES = {
    "F64": 8, "I64": 8, "U64": 8, "F32": 4, "I32": 4, "U32": 4, "F16": 2, "BF16": 2, "I16": 2, "U16": 2,
    "F8_E4M3": 1, "F8_E5M2": 1, "I8": 1, "U8": 1, "BOOL": 1,
}  # fmt: skip


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


def read_header(file: BinaryIO, size_bytes: int | None = None) -> dict[str, Tensor]:
    """Read the tensors of a file, and prove that the file has exactly their length.

    Args:
        file: Open for reading, at its start.
        size_bytes: The length, if ``file`` is not a file on disk.

    Raises:
        BadHeader: The file must not be loaded; ``flaw`` says what is wrong with it.
        OSError: It cannot be read.
    """
    size = os.fstat(file.fileno()).st_size if size_bytes is None else size_bytes
    start = file.read(9)
    length = int.from_bytes(start[:8], "little")
    if length > MAX_HEADER_BYTES or start[8:9] != b"{":
        _refuse_start(start, size, length)
    text = file.read(length - 1)
    if len(text) < length - 1:
        raise BadHeader(
            Flaw.TRUNCATED, "The file ends within its header.", expected_bytes=8 + length, bytes=size
        )
    try:
        entries = from_json(start[8:] + text)
    except ValueError as error:
        raise BadHeader(Flaw.DAMAGED, "The header is not JSON.") from error
    entries.pop("__metadata__", None)
    if len(entries) > MAX_TENSORS:
        raise BadHeader(
            Flaw.TOO_LARGE, f"The file has {len(entries)} tensors; at most {MAX_TENSORS} are allowed.",
            limit=MAX_TENSORS, found=len(entries),
        )  # fmt: skip
    spans, tensors = [], {}
    for name, entry in entries.items():
        tensors[name], span = _tensor(name, entry, 8 + length)
        spans.append(span)
    _check_layout(spans, size - 8 - length)
    return tensors


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
    damaged = BadHeader(Flaw.DAMAGED, f"The header's entry {name[:80]!r} is malformed.")
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
