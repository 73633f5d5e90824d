"""Tests that need a card: kernels, recorded steps and copies together draw the library's picture."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from structlog.testing import capture_logs

from engine.bench.command import main
from engine.bench.random_model import random_lora
from engine.bench.report.markdown import lines_of
from engine.bench.report.results import values
from engine.bench.report.targets import CASES, SAME
from engine.bench.rows import accuracy
from engine.bench.rows.accuracy import ComparedPicture
from engine.bench.rows.baselines import StockPipeline
from engine.bench.rows.own_pipeline import OwnPipeline
from engine.bench.rows.workload import Effort, Workload
from engine.lora import merge_kernel
from engine.zimage.device import choose_placement
from engine.zimage.forward.forward import Batch
from engine.zimage.forward.fusions import REFERENCE
from engine.zimage.text.encoder import reference_layer
from engine.zimage.vae import norm_kernels as vae_kernels

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA card"),
]

LIMIT = SAME["bfloat16"]
FULL_SIZE_BYTES = 40 * 2**30  # the library's modules, ours and a second copy
A, B = ComparedPicture("E1", ((0, 0.8),)), ComparedPicture("E1", ((1, 0.8),))


@pytest.fixture(scope="module")
def workload(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workload]:
    """Tiny weights on the card, and what the library draws with them."""
    effort = Effort(rounds=1, pictures=2, switches=3)
    workload = Workload.random(
        choose_placement("cuda"), effort, tmp_path_factory.mktemp("loras"), is_tiny=True
    )
    stock = StockPipeline(workload)
    stock.draw_references({A, B, *accuracy.compared_pictures()})
    stock.close()
    yield workload
    workload.release()


@pytest.fixture
def ours(workload: Workload) -> Iterator[OwnPipeline]:
    """With all kernels, because a fallback to torch would also draw the same picture."""
    with capture_logs() as logs:
        pipeline = OwnPipeline(workload)
    assert not [line for line in logs if line["log_level"] == "warning"]
    assert pipeline.denoiser._forward.fusions is not REFERENCE
    assert pipeline.text._encoder._layer is not reference_layer
    decoder = pipeline.parts.vae.decoder
    assert {module.kernels for module in decoder.modules() if hasattr(module, "kernels")} == {vae_kernels}
    writer: Any = pipeline.bank._merger._writer  # of torch for other changes, and of this for pairs
    assert isinstance(writer.args[1], merge_kernel.Kernel)
    yield pipeline
    pipeline.close()


def test_at_full_size_latents_equal_the_librarys(tmp_path: Path) -> None:
    if torch.cuda.get_device_properties(0).total_memory < FULL_SIZE_BYTES:
        pytest.skip("needs a card of 40 GiB")
    words = ["--random", "--only", "E9", "--device", "cuda", "--lines-only", "--into", str(tmp_path)]
    assert main(words) == 0
    lines = lines_of(json.loads((tmp_path / "results.json").read_text(encoding="utf-8")))
    errors = values(lines, "E9")
    assert errors.keys() == set(CASES)
    assert max(errors.values()) <= LIMIT


def test_steps_equal_the_librarys_before_and_after_they_are_recorded(
    workload: Workload, ours: OwnPipeline
) -> None:
    for case in CASES * 3:
        assert accuracy.line(workload, ours, case).value <= LIMIT
    assert ours.denoiser._forward.graphs._graphs


def test_rows_that_change_their_order_keep_their_loras(workload: Workload, ours: OwnPipeline) -> None:
    assert accuracy.error_of(workload, ours, A) <= LIMIT
    for batch in [(A, B), (B, A), (A, A), (B, B)] * 2:
        assert accuracy.error_of(workload, ours, *batch) <= LIMIT


def test_no_kernel_is_compiled_during_a_picture(workload: Workload, ours: OwnPipeline) -> None:
    def built() -> int:
        each = (
            merge_kernel._merge_kernel,
            merge_kernel._merge_eight_bit_kernel,
            vae_kernels._sums,
            vae_kernels._lines,
            vae_kernels._enlarge,
        )
        return sum(len(cache[0]) for one in each for cache in one.device_caches.values())

    before = built()
    assert before
    matrices = ours.bank._matrices
    for ranks in ((1,), (5,), (32,), (5, 32), (1, 2, 3, 4)):
        stack = tuple((random_lora(matrices, seed, rank), 0.5) for seed, rank in enumerate(ranks))
        patches = ours.bank.patches([stack])
        for group in list(patches.pending):
            patches.ensure_merged(group)
    for side_patches in (64, 80, 96, 112, 176):
        ours.draw((side_patches, 64))
    assert built() == before


def test_a_step_that_cannot_be_recorded_is_computed(
    workload: Workload, ours: OwnPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Batch._step

    def asking(self: Batch, latents: Any, times: torch.Tensor) -> Any:
        assert float(times[0]) >= 0  # waits for the card, which no recording allows
        return step(self, latents, times)

    monkeypatch.setattr(Batch, "_step", asking)
    held = []
    with capture_logs() as logs:
        for compared in itertools.islice(itertools.cycle([A, B]), 8):
            assert accuracy.error_of(workload, ours, compared) <= LIMIT
            held.append(torch.cuda.memory_allocated())
    assert [line["log_level"] for line in logs if "cannot be recorded" in line["event"]] == ["warning"]
    assert not ours.denoiser._forward.graphs._graphs
    assert held[-1] <= held[3]  # what the recording took came back
    assert torch.rand(8, device="cuda").max() > 0  # and so did the card's random numbers
