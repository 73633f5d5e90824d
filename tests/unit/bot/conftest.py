"""Shared by the tests of the bot's own modules."""

import threading

import pytest


@pytest.fixture
def own_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the threads that other tests of this process left: a command that finds any exits the process."""
    others, every = set(threading.enumerate()) - {threading.main_thread()}, threading.enumerate
    monkeypatch.setattr(threading, "enumerate", lambda: [each for each in every() if each not in others])
