"""The scripts that measure starting and reading run to their end without a card."""

import json
from pathlib import Path

import pytest

from engine.bench import checkpoint, reading, start


@pytest.mark.slow
def test_a_start_is_measured_from_process_to_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "start.json"
    measured = start.main(["--device", "cpu", "--size", "128x128", "--json", str(path)])
    assert list(measured.steps_s) == ["torch imported", "device chosen", "libraries imported", "ready"]
    assert sorted(measured.steps_s.values()) == list(measured.steps_s.values())
    assert set(measured.parts) == {"transformer", "vae", "text_encoder"}
    assert 0 < measured.steps_s["torch imported"] < measured.steps_s["ready"]
    assert measured.first_picture_s >= measured.ready_s + measured.picture_s
    assert json.loads(path.read_text())["first_picture_s"] == measured.first_picture_s
    assert "start to first picture" in capsys.readouterr().out


def test_every_way_of_reading_is_measured(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    checkpoint.main(["--into", str(folder), "--tiny", "--device", "cpu"])
    lines = reading.main(["--folder", str(folder), "--device", "cpu"])
    assert len(lines) == len(reading.READERS) + 4
    assert all(line.seconds > 0 for line in lines)
