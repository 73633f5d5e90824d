"""The lock that keeps a second process off the database."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from bot.errors import DatabaseInUse
from engine.durable import FILE_MODE


def is_locked(path: Path) -> bool:
    """Whether a process uses this database now; creates no file."""
    try:
        descriptor = os.open(path.with_name(f"{path.name}.lock"), os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)  # releases the lock
    return False


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep every other process off this database while the block runs.

    The kernel releases the lock when the process ends, even after a crash; the file ``….lock`` stays.

    Raises:
        DatabaseInUse: Another process has it; end that one.
    """
    name = path.with_name(f"{path.name}.lock")
    lock = FileLock(name, mode=FILE_MODE, blocking=False, thread_local=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise DatabaseInUse(path=str(path)) from error
    try:
        yield
    finally:
        lock.release()
