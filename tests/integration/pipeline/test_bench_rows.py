"""Single rows of the benchmark: cost of a switch, fp8, peak memory."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.bench.command import main
from engine.bench.report.markdown import lines_of
from engine.bench.report.results import ResultLine
from engine.bench.report.targets import FP8, FP8_FLOOR, INT8, ON_CARD, ON_DISK
from engine.bench.rows import eight_bit, floor, lora_switch, runner
from engine.bench.rows.own_pipeline import OwnPipeline
from engine.bench.rows.workload import Effort, Workload
from engine.config import WeightFormat
from engine.lora import bank as bank_module
from engine.lora.adapter import LoraStack
from engine.lora.merger import Merger, group_of
from engine.lora.patches import Patches
from engine.zimage.device import choose_placement
from engine.zimage.forward.forward import Forward

WORDS = ["--tiny", "--device", "cpu", "--rounds", "1", "--only", "E4"]
SLOW_S = 0.05
GIB = 2**30


@pytest.fixture(scope="module")
def workload(tmp_path_factory: pytest.TempPathFactory) -> Workload:
    torch.set_num_threads(1)
    effort = Effort(rounds=1, pictures=2, switches=2)
    return Workload.random(choose_placement("cpu"), effort, tmp_path_factory.mktemp("loras"), is_tiny=True)


@pytest.mark.parametrize(
    ("slow", "on_card", "on_disk"),
    [
        ("merge", (50, 50), (50, 50)),
        ("context_refiner.0", (50, 50), (50, 50)),  # the prompt needs it, before the first step
        ("layers.1", (0, 50), (0, 50)),
        ("read", (0, 0), (50, 50)),
    ],
)
def test_the_cost_of_a_switch_includes_all_its_work(
    workload: Workload,
    monkeypatch: pytest.MonkeyPatch,
    slow: str,
    on_card: tuple[int, int],
    on_disk: tuple[int, int],
) -> None:
    now_s = 0.0
    real_merge, real_read = Merger.merge, bank_module.read_tensors

    def take(is_slow: bool) -> None:
        nonlocal now_s
        now_s += SLOW_S if is_slow else 0

    def merge(self: Merger, stack: LoraStack) -> Patches:
        patches = real_merge(self, stack)

        def write(names: Sequence[str]) -> None:
            take(group_of(names[0]) == slow)
            patches.write(names)

        take(slow == "merge")
        return replace(patches, write=write)

    def read(*args: Any, **options: Any) -> Any:
        take(slow == "read")
        return real_read(*args, **options)

    monkeypatch.setattr(Merger, "merge", merge)
    monkeypatch.setattr(bank_module, "read_tensors", read)
    monkeypatch.setattr(time, "perf_counter", lambda: now_s)  # all else takes no time, on a busy machine, too
    ours = OwnPipeline(workload)
    try:
        own = {line.who: line.value for line in lora_switch.lines(workload, ours)}
    finally:
        ours.close()
    for where, expected in ((ON_CARD, on_card), (ON_DISK, on_disk)):
        assert (own[where], own[lora_switch.WHOLE.format(where)]) == pytest.approx(expected)


@pytest.fixture
def emulated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this processor multiply in eight bits, as it does in exact or emulated arithmetic."""
    monkeypatch.setattr(eight_bit, "multiplies_in", lambda *_: True)
    monkeypatch.setattr(floor, "multiplies_in", lambda *_: True)


@pytest.mark.usefixtures("emulated")
def test_both_formats_are_measured_next_to_the_fp8_floor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eight_bit, "error_of", lambda *_: 0.0)
    assert main([*WORDS[:-1], "E4,E12", "--into", str(tmp_path)]) == 0
    document = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    lines = {(line.row, line.who): line.value for line in lines_of(document)}
    names = [*FP8_FLOOR.values(), *FP8.values(), *INT8.values()]
    assert set(lines) == {*(("E12", name) for name in names), *(("E4", name) for name in FP8.values())}
    assert all(lines.values())
    assert lines["E4", FP8["E1"]] == lines["E12", FP8["E1"]]  # one measurement
    figures = {each["what"]: each["measured"] for each in document["figures"] if each["row"] == "E12"}
    assert figures["fp8 ÷ its floor, as E1"] == pytest.approx(
        lines["E12", FP8["E1"]] / lines["E12", FP8_FLOOR["E1"]]
    )


@pytest.mark.usefixtures("emulated")
def test_an_fp8_copy_that_is_dropped_during_a_picture_has_no_figure(
    workload: Workload, monkeypatch: pytest.MonkeyPatch
) -> None:
    contender = eight_bit.EightBitPictures(workload, WeightFormat.FP8)
    bank = contender._ours.bank  # type: ignore[union-attr]
    monkeypatch.setattr(OwnPipeline, "lines", lambda *_: (ResultLine("E1", "ours", 1.0), None))
    monkeypatch.setattr(eight_bit, "error_of", lambda *_: 0.0)
    try:
        assert contender.line("E4", "E1").value == 1.0
        monkeypatch.setattr(eight_bit, "error_of", lambda *_: bank._drop_copy("for this test") or 0.0)
        for _ in range(2):
            contender._lines.clear()
            line = contender.line("E4", "E1")
            assert (line.value, line.note) == (None, eight_bit.FULL_PRECISION)
    finally:
        contender.close()


def test_the_tiny_model_can_be_drawn_in_fp8(workload: Workload) -> None:
    weights = Forward(workload.twin().transformer).weights
    assert {name.split(".")[0] for name in weights.large_layers} == {"noise_refiner", "layers"}
    head = weights.main[0].norm_qk.shape[-1]
    assert head & (head - 1) == 0  # the kernels take no other width


def test_each_line_has_its_own_peak_even_if_jobs_reset_the_counter(monkeypatch: pytest.MonkeyPatch) -> None:
    class Card:
        """Counts as torch does."""

        held = most = 0

    card = Card()

    def take(gib: int) -> None:
        card.held = gib * GIB
        card.most = max(card.most, card.held)

    def reset(*_: Any) -> None:
        card.most = card.held

    def measured(_: Any) -> Iterator[ResultLine]:
        for job in (30, 10):
            torch.cuda.reset_peak_memory_stats()  # as each job's StageTimer does
            take(job)
            take(0)
        yield ResultLine("E6", "one", 1.0)
        take(5)
        yield ResultLine("E6", "two", 1.0)
        yield ResultLine("E6", "knows", 1.0, peak_gib=20.0)
        yield ResultLine("E6", "nothing", None)
        raise RuntimeError("no more")

    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", reset)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda _: card.most)
    lines = [*runner._lines(runner.RowPart("E6", "ours", measured), None, torch.device("cuda"))]
    assert [line.peak_gib for line in lines] == [30, 5, 20, None, None]
    assert lines[-1].has_failed
    assert torch.cuda.reset_peak_memory_stats is reset
    elsewhere = runner.RowPart("E8", "start", measured, is_elsewhere=True)
    assert next(runner._lines(elsewhere, None, torch.device("cuda"))).peak_gib is None
    assert next(runner._lines(runner.RowPart("E6", "", measured), None, torch.device("cpu"))).peak_gib is None
