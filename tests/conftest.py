"""What all tests share.

Torch's waiting threads do not spin on cores that other tests use, and no example of a property has a time
limit of its own: on a busy machine the first one may take long. Temporary files are in memory where there is
room: a commit of SQLite then does not wait for a disk. No test cuts the power, so no test needs the disk.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import HealthCheck, settings

from tests.order import place_of

settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

IN_MEMORY = Path("/dev/shm")  # noqa: S108 - each user has own folders in it
ROOM_BYTES = 6 * 2**30  # several times what all tests keep at once


def _has_room(folder: Path) -> bool:
    """Whether the folder may hold what tests write, also programs; a container's has 64 MiB."""
    if not folder.is_dir() or not os.access(folder, os.W_OK) or os.statvfs(folder).f_flag & os.ST_NOEXEC:
        return False
    return min(shutil.disk_usage(folder).free, psutil.virtual_memory().available) >= ROOM_BYTES


if "TMPDIR" not in os.environ and _has_room(IN_MEMORY):
    os.environ["TMPDIR"] = tempfile.tempdir = str(IN_MEMORY)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first; ``make`` keeps xdist from sorting by the number of tests."""
    items.sort(key=lambda item: place_of(item.nodeid))


@pytest.fixture
def _open_umask() -> Iterator[None]:
    """Set an umask that hides nothing; child processes inherit it."""
    before = os.umask(0o000)
    yield
    os.umask(before)
