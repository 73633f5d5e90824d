"""What only a card can show: kernels, recorded steps and copies together draw the library's picture."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from structlog.testing import capture_logs

from engine.bench.command import main
from engine.bench.report.figures import CASES, SAME
from engine.bench.report.markdown import lines_of
from engine.bench.report.results import values
from engine.bench.rows import agreement
from engine.bench.rows.agreement import ComparedPicture
from engine.bench.rows.ours import Ours
from engine.bench.rows.stock import Stock
from engine.bench.rows.subject import Effort, Subject
from engine.bench.turbo import random_lora
from engine.lora import kernel
from engine.zimage.forward.forward import Batch
from engine.zimage.forward.fusions import PLAIN
from engine.zimage.load import choose_placement
from engine.zimage.text.encoder import EncoderLayer
from engine.zimage.vae import norm_kernels as vae_kernels
from engine.zimage.vae.decoder import NormSilu

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
def subject(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subject]:
    """Tiny weights on the card, and what the library draws with them."""
    effort = Effort(rounds=1, pictures=2, switches=3)
    subject = Subject.random(choose_placement("cuda"), effort, tmp_path_factory.mktemp("loras"), is_tiny=True)
    stock = Stock(subject)
    stock.remember({A, B, *agreement.drawings()})
    stock.close()
    yield subject
    subject.release()


@pytest.fixture
def ours(subject: Subject) -> Iterator[Ours]:
    """With every kernel: what falls back to torch would draw the same picture, and prove nothing."""
    with capture_logs() as logs:
        painter = Ours(subject)
    assert not [line for line in logs if line["log_level"] == "warning"]
    assert painter.denoiser._forward.do is not PLAIN
    assert isinstance(painter.text._encoder.layers[0], EncoderLayer)
    assert isinstance(painter.pipeline.vae.decoder.conv_norm_out, NormSilu)
    assert isinstance(painter.bank._merger._writer, kernel.Kernel)
    yield painter
    painter.close()


def test_at_full_size_latents_are_the_librarys(tmp_path: Path) -> None:
    if torch.cuda.get_device_properties(0).total_memory < FULL_SIZE_BYTES:
        pytest.skip("needs a card of 40 GiB")
    words = ["--random", "--only", "E9", "--device", "cuda", "--lines-only", "--into", str(tmp_path)]
    assert main(words) == 0
    lines = lines_of(json.loads((tmp_path / "results.json").read_text(encoding="utf-8")))
    errors = values(lines, "E9")
    assert errors.keys() == set(CASES)
    assert max(errors.values()) <= LIMIT


def test_steps_are_the_librarys_before_and_after_they_are_recorded(subject: Subject, ours: Ours) -> None:
    for case in CASES * 3:
        assert agreement.line(subject, ours, case).value <= LIMIT
    assert ours.denoiser._forward.graphs._kept


def test_rows_that_change_places_keep_their_loras(subject: Subject, ours: Ours) -> None:
    assert agreement.error_of(subject, ours, A) <= LIMIT
    for batch in [(A, B), (B, A), (A, A), (B, B)] * 2:
        assert agreement.error_of(subject, ours, *batch) <= LIMIT


def test_no_kernel_is_built_in_a_picture(subject: Subject, ours: Ours) -> None:
    def built() -> int:
        each = (kernel._merge_kernel, kernel._merge_eight_kernel, vae_kernels._sums, vae_kernels._lines)
        return sum(len(cache[0]) for one in each for cache in one.device_caches.values())

    before = built()
    assert before
    matrices = ours.bank._matrices
    for ranks in ((1,), (5,), (32,), (5, 32), (1, 2, 3, 4)):
        stack = tuple((random_lora(matrices, seed, rank), 0.5) for seed, rank in enumerate(ranks))
        patches = ours.bank.patches([stack])
        for group in list(patches.pending):
            patches.ready(group)
    for side in (64, 80, 96, 112, 176):
        ours.draw((side, 64))
    assert built() == before


def test_a_step_that_cannot_be_recorded_is_taken_all_the_same(
    subject: Subject, ours: Ours, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Batch._step

    def asking(self: Batch, latents: Any, times: torch.Tensor) -> Any:
        assert float(times[0]) >= 0  # waits for the card, which no recording allows
        return step(self, latents, times)

    monkeypatch.setattr(Batch, "_step", asking)
    held = []
    with capture_logs() as logs:
        for drawing in itertools.islice(itertools.cycle([A, B]), 8):
            assert agreement.error_of(subject, ours, drawing) <= LIMIT
            held.append(torch.cuda.memory_allocated())
    assert [line["log_level"] for line in logs if "cannot be recorded" in line["event"]] == ["warning"]
    assert not ours.denoiser._forward.graphs._kept
    assert held[-1] <= held[3]  # what the recording took came back
    assert torch.rand(8, device="cuda").max() > 0  # and so did the card's random numbers
