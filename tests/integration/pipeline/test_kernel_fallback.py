"""Kernels that cannot be compiled, do not run or give a wrong result are disabled with one log line.

Other faults do not disable kernels: a full card may have memory later, and a failed one draws nothing.
"""

import ast
import sys
from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from structlog.testing import capture_logs
from torch import Tensor
from triton.compiler.errors import CompilationError
from triton.runtime.errors import OutOfResources, PTXASError

from engine.cuda.kernel_fallback import fallback_reason, kernel_errors
from engine.demo.networks import WEIGHTS
from engine.eight_bit.formats import NO_LAYERS
from engine.lora import merge_kernel, merger
from engine.zimage.device import choose_placement
from engine.zimage.forward import forward as forward_module
from engine.zimage.forward import fusions, reference
from engine.zimage.forward.forward import Forward
from engine.zimage.model_loader import load_pipeline
from engine.zimage.text import encoder
from engine.zimage.vae import kernels as vae_choice
from engine.zimage.vae import norm_kernels as vae_kernels
from engine.zimage.vae.blocks import VaeHalf
from engine.zimage.vae.loader import OwnVae
from tests.integration.pipeline.reference import LIMIT, error_of, loaded_pipeline, reference_rope

FORGIVEN: dict[str, Exception] = {
    "no such compiler": RuntimeError("no such compiler\nadvice"),
    "no such type": CompilationError("a\nsource", ast.parse("x").body[0], "no such type\nadvice"),
    "out of resource: shared memory": OutOfResources(300_000, 232_448, "shared memory"),
    "ptxas fell": PTXASError("ptxas fell\nadvice"),
    "kernel image is invalid": RuntimeError("Triton Error [CUDA]: device kernel image is invalid"),
    "stream is capturing": torch.AcceleratorError("CUDA error: not permitted when stream is capturing"),
}
PASSED_ON: list[Exception] = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    torch.AcceleratorError("CUDA error: an illegal memory access was encountered"),
    RuntimeError("Triton Error [CUDA]: out of memory"),
]
BLOCK_SIZES = fusions.BlockSizes(width=96, head=16, inner=80)
ON_CARD: Any = SimpleNamespace(is_cuda=True, device=torch.device("cpu"), dtype=torch.float32)

Use = Callable[[], None]
Trial = Callable[
    [Use], object
]  # lets a room try its kernels out, which call what is given; None: without them


def install_module(monkeypatch: pytest.MonkeyPatch, module: str, **functions: Any) -> None:
    """Install a replacement for a module that imports Triton."""
    fake = SimpleNamespace(**functions)
    monkeypatch.setitem(sys.modules, module, fake)
    monkeypatch.setattr(module, fake, raising=False)


def install_fusions(monkeypatch: pytest.MonkeyPatch, swiglu: Callable[[Tensor], Tensor]) -> None:
    install_module(
        monkeypatch, "engine.zimage.forward.kernels", **(fusions.REFERENCE._asdict() | {"swiglu": swiglu})
    )


@pytest.fixture(params=["forward", "merge", "decoder", "encoder"])
def trial(request: pytest.FixtureRequest, stock_pipeline: Any, monkeypatch: pytest.MonkeyPatch) -> Trial:
    def forward(use: Use) -> object:
        install_fusions(monkeypatch, lambda opened: (use(), reference.swiglu(opened))[1])  # type: ignore[func-returns-value]
        return fusions.select_fusions(ON_CARD, BLOCK_SIZES)

    def merging(use: Use) -> object:
        the_kernel = SimpleNamespace(self_test=use)
        install_module(
            monkeypatch, "engine.lora.merge_kernel", Kernel=lambda matrices, eight_bit_layers: the_kernel
        )
        matrices: Any = {"a": SimpleNamespace(weight=ON_CARD)}
        writer = merger.select_for_pairs(matrices, NO_LAYERS)
        return writer if writer is the_kernel else None

    def decoding(use: Use) -> object:
        def norm_silu(x: Tensor, bias: Tensor | None, *norm: Any) -> Tensor:
            use()
            weight, shift, groups, epsilon = norm
            x = x if bias is None else x + bias
            normed = torch.nn.functional.group_norm(x.mT[None], groups, weight, shift, epsilon)
            return torch.nn.functional.silu(normed[0].mT)

        def enlarge(x: Tensor, width: int) -> Tensor:
            rows = x.view(-1, width, x.shape[1])
            return rows.repeat_interleave(2, dim=0).repeat_interleave(2, dim=1).flatten(0, 1)

        install_module(
            monkeypatch,
            "engine.zimage.vae.norm_kernels",
            norm_silu=norm_silu,
            residual=lambda x, y, bias: x + y + bias,
            enlarge=enlarge,
        )
        whole = vae_decoder()
        latents = torch.randn(1, 16, 4, 4, generator=torch.Generator().manual_seed(1))
        before = whole(latents)
        try:
            vae_choice.speed_up(whole, torch.device("cuda"))
        finally:
            has_kernels = whole.conv_norm_out.kernels is not None
            if not has_kernels:
                assert torch.equal(whole(latents), before)
        return "the kernels" if has_kernels else None

    def encoding(use: Use) -> object:
        def apply_rope(*args: Any) -> None:
            use()
            reference_rope(*args)

        install_encoder(monkeypatch, apply_rope)
        whole = text_encoder()
        x = whole.look_up([7, 5, 3, 2])
        before = whole(x)
        try:
            speed_up_as_on_a_card(whole)
        finally:
            has_kernels = whole._layer is not encoder.reference_layer
            after = whole(x)
            assert has_kernels or torch.equal(after, before)
        assert error_of(after, before) <= LIMIT
        return "the kernels" if has_kernels else None

    trials: dict[str, Trial] = {
        "forward": forward, "merge": merging, "decoder": decoding, "encoder": encoding,
    }  # fmt: skip
    return torch.no_grad()(trials[request.param])


def raiser(fault: Exception) -> Use:
    def use() -> None:
        raise fault

    return use


def install_encoder(monkeypatch: pytest.MonkeyPatch, apply_rope: Callable[..., None]) -> None:
    install_module(monkeypatch, "engine.zimage.text.rope_kernel", apply_rope=apply_rope)
    install_fusions(monkeypatch, reference.swiglu)


def vae_decoder() -> VaeHalf:
    """The built-in model's decoder; its kernels are not chosen yet."""
    with capture_logs():
        vae = load_pipeline(WEIGHTS, choose_placement("cpu")).vae
    assert isinstance(vae, OwnVae)
    return vae.decoder


def text_encoder() -> encoder.TextEncoder:
    """A copy of the built-in model's encoder; its kernels are not chosen yet."""
    known = _loaded_encoder()
    return encoder.TextEncoder(known.config, known.embedding, known.layers, known.device)


@cache
def _loaded_encoder() -> encoder.TextEncoder:
    with capture_logs():
        return load_pipeline(WEIGHTS, choose_placement("cpu")).text_encoder


def speed_up_as_on_a_card(whole: encoder.TextEncoder) -> None:
    """Let an encoder in main memory try the kernels, as one on a card does."""
    device = whole.device

    kernels_tried = whole.use_kernels
    whole.device = SimpleNamespace(type="cuda")  # type: ignore[assignment]

    def use_kernels(*args: Any) -> None:
        whole.device = device
        kernels_tried(*args)

    whole.use_kernels = use_kernels  # type: ignore[method-assign]
    try:
        whole.speed_up()
    finally:
        whole.device = device
        del whole.use_kernels


@pytest.mark.parametrize("reason", FORGIVEN)
def test_broken_kernels_fall_back_to_torch_and_log_one_warning(trial: Trial, reason: str) -> None:
    with capture_logs() as logs:
        assert trial(raiser(FORGIVEN[reason])) is None
    assert [line["log_level"] for line in logs] == ["warning"]
    assert reason in logs[0]["reason"]
    assert "advice" not in logs[0]["reason"]
    assert "the card's own kernel" in logs[0]["event"]


@pytest.mark.parametrize("fault", PASSED_ON, ids=str)
def test_a_full_or_failed_card_does_not_disable_kernels(trial: Trial, fault: Exception) -> None:
    is_tritons = "Triton" in str(fault)
    with (
        capture_logs() as logs,
        pytest.raises(torch.OutOfMemoryError if is_tritons else type(fault)) as caught,
    ):
        trial(raiser(fault))
    assert (caught.value.__cause__ if is_tritons else caught.value) is fault
    assert not logs


def test_working_kernels_are_used_without_a_log_line(trial: Trial) -> None:
    with capture_logs() as logs:
        assert trial(lambda: None) is not None
    assert not logs


def test_kernels_with_a_wrong_result_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    install_fusions(monkeypatch, lambda opened: reference.swiglu(opened) * 1.1)
    with capture_logs() as logs:
        assert fusions.select_fusions(ON_CARD, BLOCK_SIZES) is None
    assert [line["event"] for line in logs] == ["the card's own kernels do not work: pictures take longer"]
    assert "off by 0.100" in logs[0]["reason"]


def test_an_encoder_kernel_with_a_wrong_result_keeps_the_reference_layers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def apply_rope(
        qkv: Tensor, norms: Tensor, cos: Tensor, sin: Tensor, queries: int, epsilon: float
    ) -> None:
        reference_rope(qkv, norms, cos, -sin, queries, epsilon)

    install_encoder(monkeypatch, apply_rope)
    whole = text_encoder()
    with capture_logs() as logs:
        speed_up_as_on_a_card(whole)
    assert whole._layer is encoder.reference_layer
    assert [line["event"] for line in logs] == [
        "the encoder runs without the card's own kernels: prompts take longer"
    ]
    assert "off by" in logs[0]["reason"]


def test_kernels_are_tested_with_the_block_sizes_of_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other sizes compile other kernels, which would first be compiled, and fail, during a job."""
    seen = set()

    def apply_rope(qkv: Tensor, norms: Tensor, rotations: Tensor) -> Tensor:
        seen.add(("turned", qkv.shape[1], norms.shape[-1]))
        return reference.apply_rope(qkv, norms, rotations)

    def swiglu(opened: Tensor) -> Tensor:
        seen.add(("opened", opened.shape[1]))
        return reference.swiglu(opened)

    install_module(
        monkeypatch,
        "engine.zimage.forward.kernels",
        **(fusions.REFERENCE._asdict() | {"swiglu": swiglu, "apply_rope": apply_rope}),
    )
    monkeypatch.setattr(
        forward_module,
        "select_fusions",
        lambda weight, block_sizes, *eight_bit: fusions.select_fusions(ON_CARD, block_sizes, *eight_bit),
    )
    forward = Forward(loaded_pipeline().transformer)
    assert forward.fusions.swiglu is swiglu
    assert seen == {("turned", 3 * 256, 64), ("opened", 2 * 682)}  # of the built-in model


def test_no_kernel_is_compiled_again_for_another_rank_or_size() -> None:
    """Triton silently accepts unknown names."""
    free = {
        kernel.fn.__name__: {each.name for each in kernel.params if each.do_not_specialize}
        for kernel in (
            merge_kernel._merge_kernel, merge_kernel._merge_eight_bit_kernel,
            vae_kernels._sums, vae_kernels._lines,
        )
    }  # fmt: skip
    of_a_stack = {"first", "end", "before", "count", "most"}
    assert free == {
        "_merge_kernel": of_a_stack,
        "_merge_eight_bit_kernel": of_a_stack,
        "_sums": {"pixels", "chunks"},
        "_lines": {"chunks", "count"},
    }


def test_without_triton_all_errors_but_its_own_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    with_triton = kernel_errors()
    monkeypatch.delitem(sys.modules, "triton.errors")
    assert {*with_triton} - {*kernel_errors()} == {CompilationError.__mro__[1]}


def test_a_failed_card_is_detected_behind_any_triton_error(monkeypatch: pytest.MonkeyPatch) -> None:
    fault = torch.AcceleratorError("CUDA error: an illegal memory access was encountered")
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "synchronize", raiser(fault))
    with pytest.raises(torch.AcceleratorError):
        fallback_reason(RuntimeError("Triton Error [CUDA]: an illegal memory access was encountered"))
