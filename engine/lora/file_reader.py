"""Reads a LoRA file such that the hashed bytes are the bytes in use.

The bytes are read once, from a descriptor that does not follow links, and become the tensors. Their hash is
compared with the job's. A hash that this process computed earlier is still valid if the file's size, times
and inode are unchanged. Replacing the file can only cause a refusal.
"""

import errno
import hashlib
import io
import os
import stat
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from engine.checkpoint.header import MAX_HEADER_BYTES, BadHeader, read_contents
from engine.checkpoint.header import Tensor as Entry
from engine.cuda.dtypes import DTYPES
from engine.errors import LoraDamaged, LoraMissing, LoraNotAFile, LoraRejected, LoraTooLarge
from engine.reading import read_into
from engine.request import LoraChoice
from engine.shelf import MAX_FILE_BYTES, known_sha256
from engine.shelf.metadata import WANTED

READERS = 4  # one thread copies 5 GB/s from the page cache

T = TypeVar("T")


def read_tensors(
    path: Path,
    choice: LoraChoice,
    use: Callable[[dict[str, Tensor], Mapping[str, str]], T],
    *,
    is_pinned: bool = False,
) -> T:
    """Read the file that the job was accepted with, and return ``use(tensors, metadata)``.

    Hashing takes as long as everything else, so it runs in parallel with ``use``. The result or error of
    ``use`` counts only if the hash is right.

    Args:
        path: From the shelf.
        choice: Holds the expected hash.
        use: Takes the tensors, which are views of one block of main memory, and the metadata; may raise
            LoraRejected.
        is_pinned: Whether to read into pinned memory.

    Raises:
        LoraMissing: There is no such file, or it has other content.
        LoraNotAFile: The path is a link, a folder or a pipe.
        LoraTooLarge: The file is larger than ``MAX_FILE_BYTES``.
        LoraDamaged: The file is not an intact safetensors file.
    """
    content, known = _read(path, is_pinned)
    with ThreadPoolExecutor(1, thread_name_prefix="hash") as beside:
        digest = beside.submit(lambda: known or hashlib.sha256(content.numpy().data).hexdigest())
        try:
            made = use(*_contents(content))
        except LoraRejected:
            if digest.result() != choice.sha256:
                raise LoraMissing() from None
            raise
        if digest.result() != choice.sha256:
            raise LoraMissing()
    return made


def _contents(content: Tensor) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return views of the content according to its header, and the metadata."""
    try:
        start = content[: MAX_HEADER_BYTES + 9].numpy().tobytes()
        header, metadata = read_contents(io.BytesIO(start), len(content), WANTED)
        return {name: _view(content, entry) for name, entry in header.items()}, metadata
    except (BadHeader, KeyError) as error:  # KeyError: a number format that torch does not have
        raise LoraDamaged() from error


def _view(content: Tensor, entry: Entry) -> Tensor:
    numbers = content[entry.offset_bytes : entry.offset_bytes + entry.nbytes]
    if entry.offset_bytes % entry.item_bytes:
        numbers = numbers.clone()  # misaligned; no known writer produces this
    return numbers.view(DTYPES[entry.dtype]).view(entry.shape)


def _read(path: Path, is_pinned: bool) -> tuple[Tensor, str | None]:
    """Return the file's bytes, and its hash if known."""
    try:
        # Non-blocking: opening a named pipe must not hang the worker.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise LoraNotAFile() from error
        raise LoraMissing() from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise LoraNotAFile()
        if status.st_size > MAX_FILE_BYTES:
            raise LoraTooLarge(bytes=status.st_size, limit=MAX_FILE_BYTES)
        known = known_sha256(path, status)
        content = torch.empty(status.st_size, dtype=torch.uint8, pin_memory=is_pinned)
        read = _fill(content, descriptor)
        is_as_before = known_sha256(path, os.fstat(descriptor)) == known
        return content[:read], known if is_as_before else None
    finally:
        os.close(descriptor)


def _fill(content: Tensor, descriptor: int) -> int:
    """Read into ``content`` with several threads; return the number of bytes read."""
    view = content.numpy().data
    length = -(-len(view) // READERS) or 1

    def fill(start: int) -> int:
        return read_into(descriptor, view[start : start + length], start)

    with ThreadPoolExecutor(READERS, thread_name_prefix="read") as pool:
        return sum(pool.map(fill, range(0, len(view), length)))
