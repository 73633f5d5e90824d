"""An empty working directory for each test, so that no settings are found there."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def no_file_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
