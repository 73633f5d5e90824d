"""What all tests share; torch's waiting threads do not spin on cores that other tests use."""

import os
from collections.abc import Iterator

import pytest

os.environ.setdefault("OMP_WAIT_POLICY", "passive")


@pytest.fixture
def _open_umask() -> Iterator[None]:
    """Set an umask that hides nothing; child processes inherit it."""
    before = os.umask(0o000)
    yield
    os.umask(before)
