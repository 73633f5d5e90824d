"""Reads a LoRA file so that what was hashed is what is used.

The bytes are read once, from a descriptor that follows no link, and the tensors come from these very bytes.
Their hash is compared; where this process has hashed the file before, and by its size, times and inode
nothing was written to it since, that hash stands. Swapping the file changes nothing but the refusal.
"""

import errno
import hashlib
import io
import math
import os
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from engine.dtypes import DTYPES
from engine.errors import LoraDamaged, LoraMissing, LoraNotAFile, LoraRejected, LoraTooLarge
from engine.header import MAX_HEADER_BYTES, BadHeader, read_header
from engine.request import LoraChoice
from engine.shelf import MAX_FILE_BYTES, known_sha256

T = TypeVar("T")


def read_tensors(path: Path, choice: LoraChoice, use: Callable[[dict[str, Tensor]], T]) -> T:
    """What ``use`` makes of the tensors of the file that the job was accepted with.

    Hashing takes as long as all the rest, so both go on at once; what ``use`` made or raised counts only if
    the hash is right.

    Args:
        path: Where the shelf says it lies.
        choice: Names the content that is expected.
        use: Takes the tensors, in main memory; may raise LoraRejected.

    Raises:
        LoraMissing: There is no such file, or it has another content.
        LoraNotAFile: A link, a folder or a pipe lies there.
        LoraTooLarge: It has more than ``MAX_FILE_BYTES``.
        LoraDamaged: It is no intact safetensors file.
    """
    content, known = _read(path)
    with ThreadPoolExecutor(1, thread_name_prefix="hash") as beside:
        digest = beside.submit(lambda: known or hashlib.sha256(content).hexdigest())
        try:
            made = use(_tensors(content))
        except LoraRejected:
            if digest.result() != choice.sha256:
                raise LoraMissing() from None
            raise
        if digest.result() != choice.sha256:
            raise LoraMissing()
    return made


def _tensors(content: bytearray) -> dict[str, Tensor]:
    """Views of the content, which lives as long as they do."""
    try:
        header = read_header(io.BytesIO(content[: MAX_HEADER_BYTES + 9]), len(content))
        return {
            name: torch.frombuffer(
                content, dtype=DTYPES[entry.dtype], count=math.prod(entry.shape), offset=entry.offset_bytes
            ).view(entry.shape)
            for name, entry in header.items()
        }
    except (BadHeader, KeyError, ValueError) as error:  # a format that torch does not have, an empty tensor
        raise LoraDamaged() from error


def _read(path: Path) -> tuple[bytearray, str | None]:
    """The file's bytes, and its hash where it is known."""
    try:
        # Not blocking: a named pipe in the folder must not hang the worker before it is seen to be one.
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
        content = bytearray(status.st_size)
        with os.fdopen(descriptor, "rb", buffering=0, closefd=False) as file:
            read, view = 0, memoryview(content)
            while more := file.readinto(view[read:]):
                read += more
            view.release()
        is_as_before = known_sha256(path, os.fstat(descriptor)) == known
        return content[:read] if read < len(content) else content, known if is_as_before else None
    finally:
        os.close(descriptor)
