"""The script that measures a step runs without a card, and its results agree with the library."""

import importlib.metadata
import json
from pathlib import Path

import pytest
import torch

from engine.bench.step import main
from tests.integration.pipeline.reference import LIMIT


def test_every_method_is_measured_and_agrees_with_the_library(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.set_num_threads(1)
    numbers = {"size": "64x96", "rows": "2", "rank": "4", "rounds": "2", "device": "cpu"}
    numbers["into"] = str(tmp_path)
    lines = main(["--tiny", *(word for name, value in numbers.items() for word in (f"--{name}", value))])
    assert [line.name for line in lines] == [
        "floor: products",
        "floor: attention",
        "stock",
        "stock, peft",
        "ours",
        "ours, merged",
        "switch by merging",
        "ours, side, one",
        "ours, side, each its own",
    ]
    assert all(line.milliseconds > 0 for line in lines)
    compared = [line for line in lines if line.name.startswith("ours")]
    assert all(line.error is not None and line.error <= LIMIT for line in compared)
    document = json.loads((tmp_path / "step.json").read_text())
    assert len(document["lines"]) == len(capsys.readouterr().out.splitlines()) == len(lines)
    assert document["about"]["versions"]["torch"] == importlib.metadata.version("torch")
    assert all(f"| {line.name} |" in (tmp_path / "step.md").read_text() for line in lines)
