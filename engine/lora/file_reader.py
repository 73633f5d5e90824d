"""Reads a LoRA file such that the hashed bytes are the bytes in use.

The bytes are read once, from a descriptor that was opened below a folder of LoRAs without following a link,
and become the tensors. Their hash is compared with the job's. A hash that the host or this process computed
earlier is still valid if the file's size, times and inode are unchanged. Replacing the file can only cause a
refusal.
"""

import errno
import hashlib
import io
import os
import stat
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch
from torch import Tensor

from engine.checkpoint.header import MAX_HEADER_BYTES, BadHeader, read_contents
from engine.checkpoint.header import Tensor as Entry
from engine.cuda.dtypes import DTYPES
from engine.errors import LoraDamaged, LoraMissing, LoraNotAFile, LoraRejected, LoraTooLarge
from engine.lora.finder import FoundFile
from engine.reading import read_into
from engine.request import FileStamp, LoraChoice
from engine.shelf import MAX_FILE_BYTES, known_sha256, remember_sha256, stamp_of
from engine.shelf.metadata import WANTED

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
READERS = 4  # one thread copies 5 GB/s from the page cache

T = TypeVar("T")


def read_tensors(
    file: FoundFile,
    choice: LoraChoice,
    use: Callable[[dict[str, Tensor], Mapping[str, str]], T],
    *,
    is_pinned: bool = False,
) -> T:
    """Read the file that the job was accepted with, and return ``use(tensors, metadata)``.

    Hashing takes as long as everything else, so it runs in parallel with ``use``. The result or error of
    ``use`` counts only if the hash is right.

    Args:
        file: Where the host says that it is.
        choice: Holds the expected hash.
        use: Takes the tensors, which are views of one block of main memory, and the metadata; may raise
            LoraRejected.
        is_pinned: Whether to read into pinned memory.

    Raises:
        LoraMissing: There is no such file, or it has other content.
        LoraNotAFile: The path is a link, a folder or a pipe, or leads through a link.
        LoraTooLarge: The file is larger than ``MAX_FILE_BYTES``.
        LoraDamaged: The file is not an intact safetensors file.
    """
    content, stamp, is_settled = _read(file, is_pinned)
    path = file.root / file.within
    known = known_sha256(path, stamp) if is_settled else None
    if is_settled and stamp == file.stamp:
        known = choice.sha256
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
    if is_settled:
        remember_sha256(path, stamp, choice.sha256)
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


def _read(file: FoundFile, is_pinned: bool) -> tuple[Tensor, FileStamp, bool]:
    """Return the file's bytes, its stamp, and whether the stamp was the same before and after."""
    descriptor = _open(file)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise LoraNotAFile()
        if status.st_size > MAX_FILE_BYTES:
            raise LoraTooLarge(bytes=status.st_size, limit=MAX_FILE_BYTES)
        content = torch.empty(status.st_size, dtype=torch.uint8, pin_memory=is_pinned)
        read = _fill(content, descriptor)
        stamp = stamp_of(status)
        return content[:read], stamp, stamp_of(os.fstat(descriptor)) == stamp
    finally:
        os.close(descriptor)


def _open(file: FoundFile) -> int:
    """Open a file by one folder after the other, so that no link below the folder of LoRAs is followed."""
    *folders, name = file.within.parts or (".",)
    try:
        folder = os.open(file.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for each in folders:
                inner = os.open(each, _FLAGS | os.O_DIRECTORY, dir_fd=folder)
                os.close(folder)
                folder = inner
            # Non-blocking: opening a named pipe must not hang the worker.
            return os.open(name, _FLAGS | os.O_NONBLOCK, dir_fd=folder)
        finally:
            os.close(folder)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise LoraNotAFile() from error
        raise LoraMissing() from error


def _fill(content: Tensor, descriptor: int) -> int:
    """Read into ``content`` with several threads; return the number of bytes read."""
    view = content.numpy().data
    length = -(-len(view) // READERS) or 1

    def fill(start: int) -> int:
        return read_into(descriptor, view[start : start + length], start)

    with ThreadPoolExecutor(READERS, thread_name_prefix="read") as pool:
        return sum(pool.map(fill, range(0, len(view), length)))
