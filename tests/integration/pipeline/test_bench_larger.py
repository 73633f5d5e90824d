"""The script that measures pictures with a start on a card runs without one."""

import json
from pathlib import Path

import pytest

from engine.bench.larger import __main__ as larger
from engine.bench.larger import workload
from engine.request import FINAL, VARY_STRONG, VARY_SUBTLE, remaining_steps


def test_every_way_is_measured_next_to_a_picture_from_noise(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workload, "warm_up_rounds", lambda device: 0)
    path = tmp_path / "larger.json"
    times = larger.main(["--device", "cpu", "--size", "128x128", "--rounds", "1", "--json", str(path)])
    assert [(each.size, each.strength, each.steps) for each in times] == [
        ("128 × 128", 1.0, 8),
        *(("128 × 128", each, remaining_steps(8, each)) for each in (VARY_SUBTLE, VARY_STRONG, FINAL)),
        ("256 × 256", 0.06, 1),
    ]
    assert times[0].ratio == 1
    assert all(each.seconds > each.stages.denoise_s > 0 for each in times)
    assert [each.stages.start_s > 0 for each in times] == [False, True, True, True, True]
    assert "larger ÷ from noise" in capsys.readouterr().out
    assert len(json.loads(path.read_text())) == len(times)
