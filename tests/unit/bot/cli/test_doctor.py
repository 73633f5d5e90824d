"""``doctor`` tells the plan of this machine, or what is missing for one."""

from pathlib import Path

from bot.checks.finding import Level
from bot.cli import doctor
from engine.checkpoint.model import BUILT_IN_WEIGHTS, read_model
from engine.config import EngineConfig
from engine.planner.machine import CardProbe, WorkerPlanner
from tests.fakes.nvml import GIB, FakeGpu, FakeNvml

CONFIG = EngineConfig(Path("data"), Path("loras"))


def planner(*gpus: FakeGpu) -> WorkerPlanner:
    probe = CardProbe("auto", 0, nvml=FakeNvml(*gpus), environ={})
    return WorkerPlanner(read_model(BUILT_IN_WEIGHTS), CONFIG, probe, lambda: (64 * GIB, 32 * GIB))


def test_the_plan_is_told_with_its_seconds() -> None:
    (finding,) = doctor._check_plan(planner(FakeGpu(12, 11, name="NVIDIA GeForce RTX 3060")), "en")
    assert (finding.level, finding.part, finding.code) == (Level.FINE, "card", "plan")
    assert "s for 128 × 192" in str(finding.facts["about"])


def test_a_full_card_is_told_with_what_is_missing_and_is_no_fault_while_the_bot_runs() -> None:
    (finding,) = doctor._check_plan(planner(FakeGpu(12, 0.5, name="NVIDIA GeForce RTX 3060")), "zh-CN")
    assert finding.level is Level.NOTE
    assert "GiB" in str(finding.facts["about"])


def test_without_a_card_nothing_is_told() -> None:
    assert list(doctor._check_plan(planner(), "en")) == []
