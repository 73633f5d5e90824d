"""The judge of formats and placements: what it draws, reads and compares."""

import json
from pathlib import Path

import pytest
import torch

from engine.checkpoint.model import read_model
from engine.config import Plan, WeightFormat
from engine.demo.judge.__main__ import main
from engine.demo.judge.drawer import Drawer
from engine.demo.judge.judgement import judge
from engine.demo.judge.similarity import shrunk, ssim
from engine.demo.judge.starts import draw_sheet, judge_starts
from engine.demo.metrics import distance
from engine.demo.networks import WEIGHTS


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.slow
def test_each_format_draws_nearly_the_picture_of_full_precision_and_shows_the_lora(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    main("cpu", list(WeightFormat), ["card"], count=2, styled=1, report_path=report)
    found = json.loads(report.read_text())
    assert [each["weight_format"] for each in found] == ["bf16", "fp8", "int8"]
    assert all(each["obedience"] >= 0.9 for each in found)
    assert all(each["recognition"] == 1 for each in found)
    assert capsys.readouterr().out.count("same pixels") == 3


def test_formats_draw_other_pixels_but_the_same_face() -> None:
    pictures = {}
    for name in WeightFormat:
        drawer = Drawer("cpu", Plan(weight_format=name))
        pictures[name] = drawer.draw(["粉色长卷发，圆眼"])
        drawer.close()
    exact = pictures.pop(WeightFormat.BF16)
    for drawn in pictures.values():
        assert 0 < distance(drawn, exact) < 6  # of 255


def test_a_placement_keeps_every_pixel_of_full_precision() -> None:
    found = list(judge("cpu", [WeightFormat.BF16], ["card", "streamed"], count=1, styled=1))
    assert [each.has_same_pixels for each in found] == [True, True]


def test_a_picture_with_a_start_keeps_its_face_and_twice_the_size_its_structure(
    capsys: pytest.CaptureFixture[str],
) -> None:
    strength = read_model(WEIGHTS).larger_strength
    found = judge_starts(1, [strength])
    assert [(each.way, each.results[0].shape) for each in found] == [
        ("vary", (192, 128, 3)),
        ("final", (192, 128, 3)),
        ("larger", (384, 256, 3)),
    ]
    larger = found[2]
    assert ssim(shrunk(larger.results[0], larger.starts[0]), larger.starts[0]) >= 0.9
    assert draw_sheet(found, "larger").size == (512, 384)
    lines = [line.split()[0] for line in capsys.readouterr().out.splitlines() if "traits" in line]
    assert lines == ["start", "vary", "final", "larger"]
