"""Shared by the tests of the bot's own modules."""

import logging
import threading
from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture
def own_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the threads that other tests of this process left: a command that finds any exits the process."""
    others, every = set(threading.enumerate()) - {threading.main_thread()}, threading.enumerate
    monkeypatch.setattr(threading, "enumerate", lambda: [each for each in every() if each not in others])


@pytest.fixture
def restored_log() -> Iterator[None]:
    """Give the later tests of this process the log that they had: a command of the shell replaces it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
