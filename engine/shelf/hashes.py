"""The sha256 of files: computed once, and remembered while size, times and inode of a file do not change."""

import hashlib
import os
import time
from pathlib import Path

from engine.errors import LoraDamaged
from engine.request import FileStamp
from engine.shelf.names import MAX_ENTRIES
from engine.shelf.validation import open_regular_file

SETTLED_NS = 2 * 10**9  # a second write within one tick of the clock would not show in the times
_hashes: dict[tuple[Path, FileStamp], str] = {}  # of this process; the oldest is dropped first


def stamp_of(status: os.stat_result) -> FileStamp:
    """Make the stamp of a file."""
    return FileStamp(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def sha256_of(path: Path) -> str:
    """Return the hash of a file; reads the file unless its hash is remembered.

    Raises:
        LoraNotAFile: It is a link or a folder, or it is missing.
        LoraDamaged: It changed while it was read.
    """
    with open_regular_file(path) as file:
        status = os.fstat(file.fileno())
    return hash_file(path, stamp_of(status))


def known_sha256(path: Path, stamp: FileStamp) -> str | None:
    """Return the remembered hash of a file, or None; reads nothing."""
    return _hashes.get((path, stamp))


def remember_sha256(path: Path, stamp: FileStamp, sha256: str) -> None:
    """Remember the hash of a file that had this stamp before and after it was read."""
    if time.time_ns() - stamp.ctime_ns > SETTLED_NS:
        _hashes[path, stamp] = sha256
        if len(_hashes) > MAX_ENTRIES:
            del _hashes[next(iter(_hashes))]


def hash_file(path: Path, stamp: FileStamp) -> str:
    """Hash the content that a file had with this stamp; raises as ``sha256_of``."""
    if (known := known_sha256(path, stamp)) is not None:
        return known
    with open_regular_file(path) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        if stamp_of(os.fstat(file.fileno())) != stamp:
            raise LoraDamaged("The file changed while it was read.", name=path.stem)
    remember_sha256(path, stamp, digest)
    return digest
