"""A host's folder with both platforms and a hub on loopback."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.config import PUBLISHED, PUBLISHED_COMMIT
from engine.planner.headroom import Headroom, HeadroomProbe
from tests.fakes.model_hub import ModelHub, model_hub
from tests.fakes.platform_answers import platform_answers
from tests.unit.bot.cli.setup.host_folder import HostFolder
from tests.unit.engine.folders import write_model


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HostFolder]:
    monkeypatch.chdir(tmp_path)
    for name in ("SUGARBOT_CONFIG", "HF_ENDPOINT", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(HeadroomProbe, "read", lambda _: Headroom(1, 1, 0, "CPU", "for this test"))
    with platform_answers() as platforms:
        monkeypatch.setenv("SUGARBOT_DISCORD__API_BASE", f"{platforms.url}/discord")
        monkeypatch.setenv("SUGARBOT_TELEGRAM__BASE_URL", f"{platforms.url}/bot")
        yield HostFolder(tmp_path, platforms, monkeypatch)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[ModelHub]:
    with model_hub(write_model(tmp_path / "published"), PUBLISHED, PUBLISHED_COMMIT) as served:
        yield served
