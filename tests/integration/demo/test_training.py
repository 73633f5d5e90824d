"""The training command: every stage, a resumed run, and an export that diffusers loads."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from engine.demo.metrics import load_lora, make_pictures
from engine.demo.networks import load_pipeline
from engine.demo.training.precision import working_precision
from engine.demo.training.run import MasterWeights, TimeLimitReached, TrainingRun, smoke

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("course")
    command = [sys.executable, "-W", "ignore", "-m", "engine.demo.train", "--out", str(out), "--smoke"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=220, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return out / "export"


def test_the_smoke_run_exports_a_model_that_draws_and_loras_that_load(export: Path) -> None:
    pipe = load_pipeline(export / "weights")
    before = make_pictures(pipe, ["红唇"], seed=1)
    assert before.shape == (1, 3, 192, 128)
    assert torch.equal(before, make_pictures(pipe, ["红唇"], seed=1))
    load_lora(pipe, export / "loras" / "sugar.safetensors")
    assert not torch.equal(before, make_pictures(pipe, ["红唇"], seed=1))


def test_the_exported_files_are_small_and_bfloat16(export: Path) -> None:
    files = sorted(export.rglob("*.safetensors"))
    assert {file.stem for file in files} >= {"sugar", "anime", "realistic", "ink", "probe"}
    assert sum(file.stat().st_size for file in files) <= 32_000_000
    for file in export.glob("*/*.safetensors"):
        assert file.stat().st_size <= 1_000_000
    for file in files:
        with safe_open(file, "pt") as tensors:
            assert {tensors.get_tensor(name).dtype for name in tensors.keys()} == {torch.bfloat16}  # noqa: SIM118


def test_the_smoke_run_draws_its_losses(export: Path) -> None:
    assert "lora-sugar" in (export / "losses.svg").read_text(encoding="utf-8")


def test_a_run_on_a_cpu_computes_in_float32() -> None:
    cpu = torch.device("cpu")
    assert MasterWeights(torch.nn.Linear(2, 1), 0.1, cpu).module.weight.dtype is torch.float32
    with working_precision(cpu):
        assert torch.nn.Linear(2, 1)(torch.zeros(1, 2)).dtype is torch.float32


def run(out: Path, stop_at: float) -> TrainingRun:
    return TrainingRun(out, torch.device("cpu"), smoke(), seed=1, stop_at=stop_at)


def run_stage(run: TrainingRun, module: torch.nn.Linear, stop_after: int | None = None) -> list[int]:
    seen = []
    optimizer = torch.optim.AdamW(module.parameters(), 0.1)
    for step in run.steps("toy", 6, {"module": module, "optimizer": optimizer}):
        seen.append(step)
        optimizer.zero_grad()
        module(torch.full((1, 2), float(step + 1))).sum().backward()
        optimizer.step()
        if stop_after == step:
            run.stop_at = 0.0
    return seen


def test_a_run_that_reaches_its_time_limit_resumes_with_the_same_result(tmp_path: Path) -> None:
    torch.manual_seed(0)
    whole = torch.nn.Linear(2, 1)
    parted = torch.nn.Linear(2, 1)
    parted.load_state_dict(whole.state_dict())
    far = time.monotonic() + 1000
    assert run_stage(run(tmp_path / "a", far), whole) == [0, 1, 2, 3, 4, 5]
    with pytest.raises(TimeLimitReached):
        run_stage(run(tmp_path / "b", far), parted, stop_after=2)
    fresh = torch.nn.Linear(2, 1)
    assert run_stage(run(tmp_path / "b", far), fresh) == [3, 4, 5]
    torch.testing.assert_close(fresh.weight, whole.weight)
