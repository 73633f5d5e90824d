"""Durable, private files: a crash leaves the old content or the new one, and only the owner can read it.

A file is written beside its final name, synced and renamed, and then its folder is synced. A failure removes
the draft; a kill leaves a draft, whose name ``remove_drafts`` recognises. Modes are set when a file
is created, whatever the umask is. Blocking: call these in a thread.
"""

import contextlib
import errno
import hashlib
import os
import re
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

FILE_MODE = 0o600
FOLDER_MODE = 0o700

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_SQLITE_ENDS = ("-journal", "-wal", "-shm")
_DRAFT = re.compile(r"(?P<name>.+?)(\.[a-z0-9_]{8})?\.part(-journal|-wal|-shm)?")


def make_folder(folder: Path) -> None:
    """Create a folder and its missing parents for their owner alone; existing folders keep their mode.

    Raises:
        NotADirectoryError: One of them is a file.
        OSError: The disk refused.
    """
    if not folder.is_dir():
        make_folder(folder.parent)
        try:
            folder.mkdir(FOLDER_MODE, exist_ok=True)
        except FileExistsError:
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder)) from None


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield an empty draft beside ``path``, which durably takes the name ``path`` when the block ends.

    Raises:
        OSError: The disk refused; the draft is gone. The same after any exception of the block. ``filename``
            is ``path`` where it would be the draft or missing.
    """
    draft = None
    try:
        descriptor, name = tempfile.mkstemp(prefix=f"{path.name}.", suffix=".part", dir=path.parent)  # 600
        os.close(descriptor)
        draft = Path(name)
        yield draft
        sync_file(draft)
        draft.replace(path)
        sync_file(path.parent)
    except BaseException as error:
        if draft is not None:
            for leftover in (draft, *(draft.with_name(draft.name + end) for end in _SQLITE_ENDS)):
                leftover.unlink(missing_ok=True)
        if isinstance(error, OSError):
            _name(path, error)
        raise


def _name(path: Path, error: OSError) -> None:
    """Let an error name the file where it names its draft, or, as a write does, none."""
    is_ours = error.filename is None or Path(str(error.filename)).name.startswith(f"{path.name}.")
    if is_ours and error.errno is not None:  # without a number it comes from a library
        error.filename = str(path)


def write_file(path: Path, content: bytes) -> None:
    """Write a file durably, as ``replacing``.

    Raises:
        OSError: The disk refused; ``path`` is unchanged.
    """
    with replacing(path) as draft:
        draft.write_bytes(content)


def read_whole(path: Path, sha256: str) -> bytes | None:
    """Return the content of a file; None if its hash is another one. An empty ``sha256`` fits all.

    Raises:
        OSError: The file is gone, or the system refuses to read it.
    """
    content = path.read_bytes()
    is_whole = not sha256 or hashlib.sha256(content).hexdigest() == sha256
    return content if is_whole else None


def create_file(path: Path) -> None:
    """Create an empty file for its owner alone unless it exists; an existing one is not touched."""
    os.close(os.open(path, os.O_RDONLY | os.O_CREAT, FILE_MODE))


def is_disk_full(error: OSError) -> bool:
    """Whether this is a full disk or an exhausted quota."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def sync_file(path: Path) -> None:
    """Make the content of this file survive a power cut; of a folder, the names in it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_drafts(folder: Path, names: re.Pattern[str], *, older_than_s: float = 0.0) -> int:
    """Delete the drafts that a crash left of files with these names; returns how many.

    Args:
        folder: Only its own files; a missing folder holds none.
        names: Matches the whole final name of the files.
        older_than_s: Spares younger drafts, which another process may be writing.
    """
    newest_s = time.time() - older_than_s
    removed = 0
    for path in _entries(folder):
        match = _DRAFT.fullmatch(path.name)
        if match and names.fullmatch(match["name"]) and _is_file(path) and path.lstat().st_mtime <= newest_s:
            path.unlink()
            removed += 1
    return removed


def restrict_to_owner(folder: Path, names: re.Pattern[str]) -> int:
    """Remove the rights of group and others from a folder and its files of these names; return the changes.

    Symbolic links are not followed. Files with a second name or another owner stay unchanged,
    and so does a folder with the sticky bit, which its owner shares on purpose.

    Raises:
        OSError: A mode cannot be changed.
    """
    changed = 0
    status = folder.stat()
    if status.st_mode & _OTHERS and status.st_uid == os.geteuid() and not status.st_mode & stat.S_ISVTX:
        folder.chmod(status.st_mode & ~_OTHERS & 0o7777)
        changed += 1
    for path in _entries(folder):
        if names.fullmatch(path.name):
            changed += _restrict_file(path)
    return changed


def _restrict_file(path: Path) -> bool:
    status = path.lstat()
    is_ours = stat.S_ISREG(status.st_mode) and status.st_nlink == 1 and status.st_uid == os.geteuid()
    if not is_ours or not status.st_mode & _OTHERS:
        return False
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)  # it may have been replaced
    try:
        os.fchmod(descriptor, stat.S_IMODE(status.st_mode) & ~_OTHERS)
    finally:
        os.close(descriptor)
    return True


def _is_file(path: Path) -> bool:
    return stat.S_ISREG(path.lstat().st_mode)


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []
