"""What all tests share.

Torch's waiting threads do not spin on cores that other tests use, and no example of a property has a time
limit of its own: on a busy machine the first one may take long.
"""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.order import place_of

settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")


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
