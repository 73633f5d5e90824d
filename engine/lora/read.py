"""Reads a LoRA file so that what was hashed is what is used.

The bytes are read once, from a descriptor that follows no link; their hash is compared, and the tensors come
from these very bytes. Swapping the file at any moment changes nothing but the refusal.
"""

import errno
import hashlib
import os
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from engine.errors import LoraDamaged, LoraMissing, LoraNotAFile, LoraRejected, LoraTooLarge
from engine.request import LoraChoice
from engine.shelf import MAX_FILE_BYTES

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
    content = _read(path)
    with ThreadPoolExecutor(1, thread_name_prefix="hash") as beside:
        digest = beside.submit(hashlib.sha256, content)
        try:
            made = use(_tensors(content))
        except LoraRejected:
            if digest.result().hexdigest() != choice.sha256:
                raise LoraMissing() from None
            raise
        if digest.result().hexdigest() != choice.sha256:
            raise LoraMissing()
    return made


def _tensors(content: bytes) -> dict[str, Tensor]:
    try:
        return load(content)
    except (SafetensorError, KeyError) as error:  # KeyError: a number format that torch does not have
        raise LoraDamaged() from error


def _read(path: Path) -> bytes:
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
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(MAX_FILE_BYTES)
    finally:
        os.close(descriptor)
