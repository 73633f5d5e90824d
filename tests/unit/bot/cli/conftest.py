"""Commands of the shell replace the log of their process."""

import pytest


@pytest.fixture(autouse=True)
def _own_log(restored_log: None) -> None:
    """Restore it after each test."""
