"""The sha256 of files: computed once, and remembered while size, times and inode of a file do not change."""

import hashlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

from engine.errors import LoraDamaged
from engine.shelf.validation import open_regular_file

SETTLED_NS = 2 * 10**9  # a second write within one tick of the clock would not show in the times
MAX_HASHES = 1024
_hashes: dict["Stamp", str] = {}  # of this process; the oldest is dropped first


@dataclass(frozen=True, slots=True)
class Stamp:
    """Identifies one content of a file without reading it."""

    path: Path
    bytes: int
    mtime_ns: int
    ctime_ns: int
    inode: int


def stamp_of(path: Path, status: os.stat_result) -> Stamp:
    """Make the stamp of an open file."""
    return Stamp(path, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def sha256_of(path: Path) -> str:
    """Return the hash of a file; reads the file unless its hash is remembered.

    Raises:
        LoraNotAFile: It is a link or a folder, or it is missing.
        LoraDamaged: It changed while it was read.
    """
    with open_regular_file(path) as file:
        status = os.fstat(file.fileno())
    return hash_file(stamp_of(path, status))


def known_sha256(path: Path, status: os.stat_result) -> str | None:
    """Return the remembered hash of a file, or None; reads nothing.

    Args:
        path: As the shelf names it.
        status: Of the open file.
    """
    return _hashes.get(stamp_of(path, status))


def hash_file(stamp: Stamp) -> str:
    """Hash the content that a stamp identifies; raises as ``sha256_of``."""
    if stamp in _hashes:
        return _hashes[stamp]
    with open_regular_file(stamp.path) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        if stamp_of(stamp.path, os.fstat(file.fileno())) != stamp:
            raise LoraDamaged("The file changed while it was read.", name=stamp.path.stem)
    if time.time_ns() - stamp.ctime_ns > SETTLED_NS:
        _hashes[stamp] = digest
        if len(_hashes) > MAX_HASHES:
            del _hashes[next(iter(_hashes))]
    return digest
