"""The model and the folder that tests of the shelf use."""

from pathlib import Path

import pytest

from engine.checkpoint.model import ModelInfo, read_model
from tests.unit.engine.folders import write_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelInfo:
    return read_model(write_model(tmp_path_factory.mktemp("shelf") / "model"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "loras").mkdir()
    return tmp_path / "loras"
