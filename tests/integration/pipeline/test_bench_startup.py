"""The scripts that measure start and loading run without a card."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from engine.bench import command, load_speed, random_checkpoint, startup
from engine.checkpoint.model import find_model
from engine.config import EngineConfig
from engine.request import Finished, RenderRequest, Timings
from engine.shelf import read_shelf


@pytest.mark.slow
def test_a_start_is_measured_from_process_to_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "start.json"
    measured = startup.main(["--device", "cpu", "--size", "128x128", "--json", str(path)])
    assert list(measured.steps_s) == ["torch imported", "device chosen", "libraries imported", "ready"]
    assert sorted(measured.steps_s.values()) == list(measured.steps_s.values())
    assert set(measured.parts) == {"transformer", "vae", "text_encoder"}
    assert 0 < measured.steps_s["torch imported"] < measured.steps_s["ready"]
    assert measured.first_picture_s >= measured.ready_s + measured.picture_s
    assert json.loads(path.read_text())["first_picture_s"] == measured.first_picture_s
    assert measured.peak_bytes > 0
    assert set(measured.alone_s) == {"torch", "weights", "picture"}
    assert measured.ratio == measured.first_picture_s / sum(measured.alone_s.values())
    assert "start to first picture" in capsys.readouterr().out


@pytest.mark.parametrize(
    "run",
    [lambda: startup.main(["--device", "cpu"]), lambda: command.main(["--device", "cpu", "--only", "E8"])],
)
def test_a_started_worker_draws_with_a_lora_of_rank_32(
    monkeypatch: pytest.MonkeyPatch, run: Callable[[], object]
) -> None:
    drawn: list[tuple[int, ...]] = []

    class FakeHost:
        """Draws nothing; records the ranks of the requested LoRAs."""

        def __init__(self, config: EngineConfig) -> None:
            self.ranks = {
                file.sha256: file.rank
                for file in read_shelf([config.lora_dir], find_model(config)).files.values()
            }

        async def start(self) -> SimpleNamespace:
            return SimpleNamespace(device_name="none", dtype="float32")

        async def render(self, request: RenderRequest, listen: object) -> Finished:
            drawn.append(tuple(self.ranks[lora.sha256] for lora in request.loras if lora.weight))
            return Finished(request.job_id, request.attempt, Timings(), 1)

        async def close(self) -> None:
            """Nothing was started."""

    monkeypatch.setattr(startup, "Host", FakeHost)
    run()
    assert drawn == [(32,), (32,)]


@pytest.mark.slow
def test_every_method_of_loading_is_measured(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    random_checkpoint.main(["--into", str(folder), "--tiny", "--device", "cpu"])
    lines = load_speed.main(["--folder", str(folder), "--device", "cpu"])
    assert len(lines) == len(load_speed.READERS) + 4
    assert all(line.seconds > 0 for line in lines)
